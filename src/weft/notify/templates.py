"""Texts from templates, made where a notification is asked for: what is missing is missed there, not by the worker."""

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from weft.errors import InvalidCall, InvalidValue

__all__ = ["rendered"]


def rendered(
    templates: str | os.PathLike[str] | Mapping[str, str] | None, name: str, values: Mapping[str, Any]
) -> dict[str, str]:
    """The texts of a template: `NAME.subject.txt`, `NAME.txt` and `NAME.html`, as far as they are there.

    Raises:
        InvalidCall: no templates are known.
        InvalidValue: there is no such template, it is none of Jinja's, or one of its values is missing.
    """
    try:
        import jinja2  # noqa: PLC0415 - an extra
    except ImportError as missing:
        raise ImportError("templates need Jinja: run pip install 'weft[notify]'") from missing
    if templates is None:
        raise InvalidCall("no templates are known: write weft.notify.use(templates='templates/mail')")
    kind = templates if isinstance(templates, Mapping) else os.fspath(templates)
    environment = _environment(tuple(kind.items()) if isinstance(kind, Mapping) else kind)
    found = {}
    for part, ending in (("subject", ".subject.txt"), ("text", ".txt"), ("html", ".html")):
        try:
            found[part] = environment.get_template(name + ending).render(values)
        except jinja2.TemplateNotFound:
            continue
        except jinja2.TemplateError as error:
            raise InvalidValue(f"template {name + ending!r} cannot be filled in: {error}") from error
    if not found:
        raise InvalidValue(f"there is no template {name!r}: write {name}.subject.txt, {name}.txt and {name}.html")
    if "subject" in found:
        found["subject"] = " ".join(found["subject"].split())
    return found


@lru_cache(maxsize=4)
def _environment(templates: str | tuple[tuple[str, str], ...]) -> Any:
    import jinja2  # noqa: PLC0415 - an extra

    loader: jinja2.BaseLoader
    loader = jinja2.FileSystemLoader(templates) if isinstance(templates, str) else jinja2.DictLoader(dict(templates))
    return jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, autoescape=jinja2.select_autoescape(["html"])
    )
