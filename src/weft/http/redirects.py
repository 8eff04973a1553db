"""Following redirects ourselves, where each hop must be looked at before it is taken (RFC 9110, section 15.4)."""

from dataclasses import replace

from weft.clock import now
from weft.http.errors import HTTPError, TooManyRedirects, TotalTimeout
from weft.http.outgoing import Request, Timeouts
from weft.http.response import Response
from weft.http.url import join

__all__ = ["Hops"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SEE_OTHER = 303
_REPEATING = frozenset({307, 308})
_SECRETS = frozenset({"authorization", "cookie", "proxy-authorization"})
_OF_BODY = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding"})


class Hops:
    """The way from a request to the answer that is no redirect.

    The guard looks at each address, secrets stay on their origin, and the total timeout spans all hops.

    Attributes:
        current: the request to send next.

    Raises:
        GuardRefused: the request's own address is not allowed.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._head: list[bytes] = []
        self._count = 0
        self._started = now()
        self.current = request
        self._look()

    def lead_on(self, response: Response) -> bool:
        """Take an answer; True if it redirects, and `current` is the next request.

        Raises:
            TooManyRedirects: one more than allowed.
            GuardRefused: the guard does not allow the next address.
            InvalidURL: there is no such address.
        """
        location = response.headers.get("location")
        options = self._request.options
        if not options.follow_redirects or response.status_code not in _REDIRECTS or location is None:
            return False
        if self._count >= options.max_redirects:
            raise self._error(TooManyRedirects, f"more than {options.max_redirects} redirects")
        self._count += 1
        self._head += response.raw_head
        self.current = self._next(response.status_code, join(self.current.url, location))
        self._look()
        return True

    def finish(self, response: Response) -> Response:
        """Add the way to the last answer."""
        if self._count:
            response.arrive(self._request, [*self._head, *response.raw_head], self._count, self.current.url)
        return response

    def _next(self, status: int, url: str) -> Request:
        old = self.current
        repeats = status in _REPEATING or old.safe or (status != _SEE_OTHER and old.method != "POST")
        method, body = (old.method, old.body) if repeats else ("GET", None)
        request = Request(method, url, (), body, self._rest(), old.options)
        dropped: frozenset[str] = frozenset() if repeats else _OF_BODY
        if _origin(request) != _origin(old):
            dropped |= _SECRETS
        return replace(request, headers=tuple(pair for pair in old.fields if pair[0].lower() not in dropped))

    def _rest(self) -> Timeouts:
        timeouts = self._request.timeouts
        if timeouts.total is None:
            return timeouts
        rest = timeouts.total - (now() - self._started)
        if rest <= 0:
            raise self._error(TotalTimeout, f"the redirects took longer than {timeouts.total:g} s")
        return replace(timeouts, total=rest)

    def _look(self) -> None:
        if self.current.options.guard is not None:
            self.current.options.guard.check_url(self.current.target)

    def _error(self, kind: type[HTTPError], message: str) -> HTTPError:
        return kind(message, url=self._request.url, method=self._request.method)


def _origin(request: Request) -> tuple[str, str]:
    return request.target.scheme, request.target.authority
