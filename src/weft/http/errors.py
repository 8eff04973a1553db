"""What can go wrong with a call to another server, as one tree under `weft.errors.WeftError`.

Both engines raise these and nothing else. The engine's own exception is kept in `__cause__`.
"""

from weft.errors import InvalidValue, WeftError

__all__ = [
    "BodyTooLarge",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionReset",
    "DNSError",
    "DecodingError",
    "EngineClosed",
    "GuardRefused",
    "HTTPError",
    "InvalidURL",
    "ProtocolError",
    "ReadTimeout",
    "StatusError",
    "TLSError",
    "Timeout",
    "TooManyRedirects",
    "TotalTimeout",
]


class HTTPError(WeftError):
    """The root: a call to another server did not come to an answer that can be used.

    Attributes:
        url: the address that was asked for, or "" where there was none yet.
        method: the verb, or "".
    """

    def __init__(self, message: str, *, url: str = "", method: str = "") -> None:
        super().__init__(message)
        self.url = url
        self.method = method

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} [{self.method} {self.url}]" if self.url else message


class InvalidURL(HTTPError, InvalidValue):
    """The address is not a URL that can be called. Raised before anything is sent."""


class GuardRefused(HTTPError):
    """The guard does not allow the address: the literal one, one that the name resolved to, or a redirect's."""


class Timeout(HTTPError, TimeoutError):
    """One of the call's own timeouts passed."""


class ConnectError(HTTPError, ConnectionError):
    """No connection: refused, unreachable, or the proxy would not make it."""


class ConnectTimeout(Timeout, ConnectError):
    """No connection (name, TCP and TLS together) within the connect timeout. The request was not sent."""


class ReadTimeout(Timeout):
    """The server was silent for longer than the read timeout."""


class TotalTimeout(Timeout):
    """The call as a whole took longer than the total timeout."""


class DNSError(ConnectError):
    """The host's name could not be resolved."""


class TLSError(ConnectError):
    """No secure connection: an untrusted or mismatched certificate, or no common protocol."""


class ConnectionReset(HTTPError, ConnectionError):
    """The connection broke before the answer was whole. Whether the server acted on the request is not known."""


class ProtocolError(HTTPError):
    """The server's answer is not HTTP."""


class BodyTooLarge(HTTPError):
    """The answer's body, decoded, is longer than `max_body` bytes."""


class TooManyRedirects(HTTPError):
    """The server redirected more often than `max_redirects`."""


class DecodingError(HTTPError):
    """The body is not in the encoding that its Content-Encoding names."""


class EngineClosed(HTTPError):
    """The engine was closed, or its loop ended, while the call was under way."""


class StatusError(HTTPError):
    """`raise_for_status` found a status of 400 or above.

    Attributes:
        status_code: the status.
        response: the answer, or None after the error crossed a process boundary.
    """

    def __init__(self, message: str, *, url: str = "", method: str = "", status_code: int = 0) -> None:
        super().__init__(message, url=url, method=method)
        self.status_code = status_code
        self.response: object = None

    def __reduce__(self) -> tuple[object, ...]:
        """Travel without the response, which belongs to its loop's process."""
        return (_status_error, (self.args[0], self.url, self.method, self.status_code))


def _status_error(message: str, url: str, method: str, status_code: int) -> StatusError:
    return StatusError(message, url=url, method=method, status_code=status_code)
