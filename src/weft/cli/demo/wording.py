"""Errors in words that fit on a waterfall, the same for `weft.http` and for `requests`."""

import requests
from urllib3.exceptions import DecodeError, NameResolutionError, NewConnectionError, ProtocolError, ReadTimeoutError

from weft.errors import DeadlineExceeded
from weft.http import errors

__all__ = ["describe"]

# The most specific first.
_WORDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    ((errors.GuardRefused,), "not allowed"),
    ((errors.InvalidURL, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema), "no address"),
    ((requests.exceptions.MissingSchema,), "no address"),
    ((errors.Timeout, requests.exceptions.Timeout, ReadTimeoutError), "timeout"),
    ((errors.DNSError,), "unknown name"),
    ((errors.TLSError, requests.exceptions.SSLError), "bad TLS"),
    ((errors.BodyTooLarge,), "too large"),
    ((errors.TooManyRedirects, requests.exceptions.TooManyRedirects), "redirects"),
    ((errors.ConnectError,), "no connection"),
    ((errors.ConnectionReset, ProtocolError), "broken off"),
    ((errors.ProtocolError, errors.DecodingError, DecodeError), "garbled"),
)


def describe(error: BaseException) -> tuple[str, str, str]:
    """The outcome ("failed" or "late"), a word or two, and a sentence."""
    if isinstance(error, DeadlineExceeded):
        return "late", "cut off", "It was cancelled at the deadline."
    return "failed", _words(error), f"{type(error).__name__}: {error}"


def _words(error: BaseException) -> str:
    for kinds, words in _WORDS:
        if isinstance(error, kinds):
            return words
    if isinstance(error, requests.exceptions.ConnectionError):
        return _words_of_connection(error)
    return "error"


def _words_of_connection(error: BaseException) -> str:
    """What `requests` puts into one class, told apart by its causes."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NameResolutionError):
        return "unknown name"
    if isinstance(reason, NewConnectionError):
        return "no connection"
    return "garbled" if "BadStatusLine" in str(error) else "broken off"
