"""The formats that can be asked for by their name."""

from logging import Formatter
from typing import Literal, TypeAlias, get_args

from weft.errors import InvalidValue
from weft.logs.formats.jsonlines import JsonFormatter
from weft.logs.formats.text import TextFormatter

__all__ = ["FormatName", "formatter_named"]

FormatName: TypeAlias = Literal["text", "json", "console"]


def formatter_named(name: FormatName | Formatter) -> Formatter:
    """The formatter of that name; one that is given is taken as it is.

    Raises:
        InvalidValue: there is no format of that name.
    """
    if isinstance(name, Formatter):
        return name
    match name:
        case "text":
            return TextFormatter()
        case "json":
            return JsonFormatter()
        case "console":
            return TextFormatter(color=True)
    raise InvalidValue(f"format={name!r}: write one of {', '.join(map(repr, get_args(FormatName)))}, or a Formatter")
