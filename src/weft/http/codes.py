"""libcurl's error codes as errors of ours."""

from typing import TYPE_CHECKING

import pycurl

from weft.http import errors

if TYPE_CHECKING:
    from weft.http.transfer import Transfer

__all__ = ["error_of"]

_TIMED_OUT = 28
_ABORTED = 42
_HTTP2_STREAM = 92

_KINDS: dict[type[errors.HTTPError], tuple[int, ...]] = {
    errors.InvalidURL: (3,),
    errors.DNSError: (5, 6),
    errors.ConnectError: (7, 45, 96, 97),
    errors.TLSError: (35, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98, 101),
    errors.ConnectionReset: (18, 52, 55, 56, 65),
    errors.ProtocolError: (1, 8, 16, _HTTP2_STREAM, 95),
    errors.DecodingError: (61,),
    errors.BodyTooLarge: (63,),
    errors.TooManyRedirects: (47,),
}
_KIND_OF = {code: kind for kind, codes in _KINDS.items() for code in codes}


def error_of(transfer: "Transfer", code: int, message: str) -> errors.HTTPError:
    """Make the error for a transfer that ended with `code`; libcurl's own is its cause."""
    request = transfer.request
    kind = _timeout(transfer) if code == _TIMED_OUT else _KIND_OF.get(code, errors.HTTPError)
    if transfer.refusal is not None:
        kind, message = type(transfer.refusal), transfer.refusal.args[0]
    error = kind(message or f"libcurl error {code}", url=request.url, method=request.method)
    error.__cause__ = pycurl.error(code, message)
    return error


def _timeout(transfer: "Transfer") -> type[errors.HTTPError]:
    total = transfer.request.timeouts.total
    if total is not None and transfer.easy.getinfo(pycurl.TOTAL_TIME_T) >= total * 999_000:
        return errors.TotalTimeout
    # Where nothing of the request was sent, there was no connection to send it on.
    return errors.TotalTimeout if transfer.easy.getinfo(pycurl.REQUEST_SIZE) else errors.ConnectTimeout
