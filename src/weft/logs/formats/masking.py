"""Secrets stay out of logs: by the name of a field always, inside of texts where a filter is asked to look."""

import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

__all__ = ["MASKED", "Mask", "is_secret", "masked"]

MASKED = "[masked]"

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_SECRET_WORDS = frozenset({
    "apikey", "authorization", "cookie", "cookies", "credentials", "passphrase", "passwd", "password", "pwd", "secret",
    "token",
})  # fmt: skip
_SECRET_PAIRS = frozenset({
    ("access", "key"), ("api", "key"), ("password", "hash"), ("private", "key"), ("secret", "key"), ("session", "id"),
})  # fmt: skip


@lru_cache(4096)
def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret, however it is spelt: `access_token`, `X-Api-Key`, `clientSecret`.

    The last word decides: `token_count` is a count.
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    return bool(words) and (words[-1] in _SECRET_WORDS or tuple(words[-2:]) in _SECRET_PAIRS)


def masked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, with the values of secret ones replaced."""
    return {name: MASKED if isinstance(name, str) and is_secret(name) else value for name, value in fields.items()}


_IN_TEXT = (
    r"(?i:\b(?:bearer|basic)\s+)(?P<secret>[\w+/.~=-]{8,})",
    (
        r"(?i:\b[\w.-]*(?:password|passwd|pwd|secret|token|api[_-]?key|authorization)[\"']?\s*[=:]\s*[\"']?)"
        r"(?P<secret>(?!(?i:bearer|basic)\b)[^\s\"',;&]+)"
    ),
    r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:(?P<secret>[^\s/@]+)@",
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
