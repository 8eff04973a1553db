"""Secrets stay out of logs: by the name of a field always, inside of texts where a filter is asked to look."""

import logging
import re
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

__all__ = ["MASKED", "Mask", "is_secret", "masked", "without_secrets"]

MASKED = "[masked]"

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_SECRET_ENDS = (
    "apikey", "authorization", "cookie", "cookies", "credentials", "passphrase", "passwd", "password", "pwd", "secret",
    "token",
)  # fmt: skip
_SECRET_PAIRS = frozenset({("access", "key"), ("api", "key"), ("private", "key"), ("secret", "key"), ("session", "id")})
_TOLD_OF_SECRETS = frozenset({
    "age", "at", "changed", "count", "domain", "enabled", "expired", "expires", "expiry", "id", "length", "lifetime",
    "limit", "name", "path", "policy", "required", "samesite", "secure", "size", "status", "ttl", "type", "uri", "url",
    "usage", "used", "valid",
})  # fmt: skip
_LONGEST = 64  # characters of a name that is remembered: names may come from outside

_DEEPEST = 8  # levels of nesting that are looked into, and shown
_LEAVES = frozenset({str, int, float, bool, bytes, type(None)})
_ENDLESS = "..."
_COLLECTIONS = (list, tuple, set, frozenset, deque)


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret, however it is spelt: `access_token`, `X-Api-Key`, `password2`.

    What a name's last word only tells of a secret is none: `token_count`, `cookie_domain`.
    """
    return _judged(name) if len(name) <= _LONGEST else _judged.__wrapped__(name)


@lru_cache(4096)
def _judged(name: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(name)]
    if tuple(words[-2:]) in _SECRET_PAIRS:
        return True
    if not words or words[-1] in _TOLD_OF_SECRETS:
        return False
    return any(word.endswith(_SECRET_ENDS) for word in words) or not _SECRET_PAIRS.isdisjoint(pairwise(words))


def masked(fields: Mapping[Any, Any]) -> dict[Any, Any]:
    """The fields, with the values of secret ones replaced, at any depth. Raises nothing for what is in them."""
    return {
        name: MASKED if _names_a_secret(name) else value if type(value) in _LEAVES else without_secrets(value)
        for name, value in fields.items()
    }


def without_secrets(value: object) -> Any:
    """The value itself, if there is no secret in it; else a copy in which secrets are masked.

    Looked into are mappings, lists, tuples, sets and the headers of WSGI and ASGI, eight levels deep: what lies deeper,
    or holds itself, is `...`.
    """
    try:
        return _cleaned(value, ())
    except Exception as error:  # noqa: BLE001 - a value's own methods may raise anything, or another thread change it
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _cleaned(value: Any, around: tuple[int, ...]) -> Any:
    kind = type(value)  # not `isinstance`, which asks the value: a proxy of Flask's raises outside of a request
    if kind in _LEAVES:
        return value
    if hasattr(kind, "to_wsgi_list"):  # the headers of werkzeug and Flask are no mapping
        return _cleaned_mapping(dict(value), around)
    if issubclass(kind, Mapping):
        return _cleaned_mapping(value, around)
    if issubclass(kind, _COLLECTIONS):
        return _cleaned_items(value, around)
    return value


def _cleaned_mapping(value: Mapping[Any, Any], around: tuple[int, ...]) -> Any:
    if len(around) == _DEEPEST or id(value) in around:
        return _ENDLESS
    inside = (*around, id(value))
    clean = {name: MASKED if _names_a_secret(name) else _cleaned(each, inside) for name, each in value.items()}
    return value if all(clean[name] is each for name, each in value.items()) else clean


def _cleaned_items(value: Any, around: tuple[int, ...]) -> Any:
    if len(around) == _DEEPEST or id(value) in around:
        return _ENDLESS
    if around and _is_header(value):
        return value[0], MASKED
    inside = (*around, id(value))
    clean = [_cleaned(each, inside) for each in value]
    if all(one is other for one, other in zip(clean, value, strict=True)):
        return value
    return tuple(clean) if isinstance(value, tuple) else clean


def _is_header(value: Any) -> bool:
    """Whether it is one of a list of names and values, and its name is that of a secret."""
    pair = isinstance(value, tuple | list) and len(value) == 2  # noqa: PLR2004 - a pair
    return pair and (isinstance(value, tuple) or isinstance(value[0], bytes)) and _names_a_secret(value[0])


def _names_a_secret(name: object) -> bool:
    if type(name) is str:
        return is_secret(name)
    if isinstance(name, bytes):  # as ASGI has them
        return is_secret(name.decode("latin-1"))
    return isinstance(name, str) and is_secret(str(name))


# Each begins at a fixed text, so that the time to search is that of the text's length and not of its square.
_IN_TEXT = (
    r"(?i:\bbearer\s+)(?P<secret>[\w+/.~=-]{8,})",
    r"(?i:\bbasic\s+)(?P<secret>(?=\S*[\d=])[\w+/=-]{8,})",  # not: "basic configuration"
    (
        r"(?i:password|passwd|pwd|secret|token|api[_-]?key|authorization)[\"']?\s*[=:]\s*[\"']?"
        r"(?P<secret>(?!(?i:bearer|basic)\b)[^\s\"',;&]+)"
    ),
    r"://[^\s/:@]*:(?P<secret>[^\s/@]+)@",
)


class Mask(logging.Filter):
    """Takes secrets out of messages and tracebacks: `handler.addFilter(weft.logs.Mask())`. Any thread.

    It changes the record, so that handlers after this one do not show the secret either. A filter costs a few
    microseconds a line: use it where texts of unknown origin are logged.

    Args:
        patterns: regular expressions; what their group `secret` finds is masked, or all, where they have none. None:
            tokens behind `Bearer`, `password=...` and the like, and the password of a URL.

    Raises:
        re.error: a pattern cannot be compiled.
    """

    def __init__(self, *patterns: str) -> None:
        super().__init__()
        self._patterns = [re.compile(pattern) for pattern in patterns or _IN_TEXT]

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record's message and traceback, and let it pass. A message that cannot be made is left alone."""
        try:
            before = record.getMessage()
        except Exception:  # noqa: BLE001 - whoever formats it tells what is wrong
            return True
        after = self(before)
        if after != before:
            record.msg, record.args = after, None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self(record.exc_text)
        return True

    def __call__(self, text: str) -> str:
        """The text without its secrets."""
        for pattern in self._patterns:
            text = pattern.sub(_masked_match, text)
        return text


def _masked_match(found: re.Match[str]) -> str:
    if "secret" not in found.re.groupindex:
        return MASKED
    start, end = (at - found.start() for at in found.span("secret"))
    return found[0][:start] + MASKED + found[0][end:]
