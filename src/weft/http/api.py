"""The functions that callers use: `await weft.http.get(url)`, on the engine of the running loop.

Each says which host it will talk to before it does (`__weft_host__`), so that a scope can apply a limit per host
without knowing anything of HTTP.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Any, TypedDict, TypeVar, Unpack

from weft.http.body import Data, encoded
from weft.http.errors import InvalidURL
from weft.http.guards import Guard
from weft.http.headers import HeaderItems
from weft.http.outgoing import DEFAULT_OPTIONS, DEFAULT_TIMEOUTS, Options, Request, Timeouts
from weft.http.pool import engine_here
from weft.http.response import Response, Stream
from weft.http.url import Params, pairs_of, target, with_params

__all__ = ["CallOptions", "build", "delete", "get", "head", "options", "patch", "post", "put", "request", "stream"]

F = TypeVar("F", bound=Callable[..., Any])

_TRAVEL = ("follow_redirects", "max_redirects", "max_body", "verify", "cert", "proxy", "http_version", "guard")


class CallOptions(TypedDict, total=False):
    """What every function here takes, by keyword; the defaults are those of `Options` and `Timeouts`.

    Attributes:
        params: query parameters, added to the address.
        headers: header fields, as a mapping or pairs.
        json: a body, sent as JSON.
        data: a body: bytes, text, or a mapping that is sent as a form.
        timeout: seconds for the whole call, or `Timeouts`; None: no bound at all.
        guard: what the call may reach; see `weft.http.guard`.
        follow_redirects: True unless said otherwise.
        max_redirects: 10 unless said otherwise.
        max_body: bytes, decoded; 64 MiB unless said otherwise.
        verify: True, False, or a file of trusted certificates.
        cert: a file with the client's certificate and key, or a pair of files.
        proxy: its URL; "" for none.
        http_version: "1.1", "2" or "3".
    """

    params: Params
    headers: HeaderItems
    json: object
    data: Data
    timeout: float | Timeouts | None
    guard: Guard | None
    follow_redirects: bool
    max_redirects: int
    max_body: int | None
    verify: bool | str
    cert: str | tuple[str, str] | None
    proxy: str | None
    http_version: str | None


def _talks_to(position: int) -> Callable[[F], F]:
    """Attach `__weft_host__`: from the call's arguments to "host:port", or None where they hold no address."""

    def host(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
        try:
            return target(args[position] if len(args) > position else kwargs["url"]).authority
        except (InvalidURL, KeyError, TypeError):
            return None  # the call itself will say what is wrong

    def attach(fn: F) -> F:
        fn.__weft_host__ = host  # type: ignore[attr-defined] # a function's own attribute
        return fn

    return attach


def build(method: str, url: str, settings: CallOptions) -> Request:
    """Make the request that a call with these options sends.

    Raises:
        InvalidURL: the address cannot be called.
        InvalidValue: an option is impossible; the message says what to write instead.
        TypeError: an option has an unknown name.
    """
    rest: dict[str, Any] = dict(settings)
    body, content_type = encoded(rest.pop("data", None), rest.pop("json", None))
    params, headers = rest.pop("params", None), rest.pop("headers", ())
    timeouts = _timeouts(rest.pop("timeout", DEFAULT_TIMEOUTS))
    if content_type:
        headers = _with_type(headers, content_type)
    options = _options(**rest) if rest else DEFAULT_OPTIONS
    return Request(method, with_params(url, params) if params else url, headers, body, timeouts, options)


@lru_cache(maxsize=4096)
def _plain(method: str, url: str) -> Request:
    return Request(method, url)


@lru_cache(maxsize=256)
def _timeouts(timeout: float | Timeouts | None) -> Timeouts:
    if isinstance(timeout, Timeouts):
        return timeout
    return Timeouts(timeout, timeout, timeout)


@lru_cache(maxsize=256)
def _options(*, verify: bool | str = True, cert: str | tuple[str, str] | None = None, **others: Any) -> Options:
    pair = (cert, cert) if isinstance(cert, str) else cert
    ca = verify if isinstance(verify, str) else None
    return Options(verify=bool(verify), ca=ca, cert=pair, **others)


def _with_type(headers: HeaderItems, content_type: str) -> HeaderItems:
    pairs = pairs_of(headers)
    if not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("Content-Type", content_type))
    return pairs


@_talks_to(0)
async def get(url: str, **options: Unpack[CallOptions]) -> Response:
    """GET the address and return the whole answer.

    Args:
        url: an http or https address.
        **options: see `CallOptions`.

    Raises:
        InvalidURL, InvalidValue: an argument is impossible; nothing was sent.
        HTTPError: what went wrong, by type; see `weft.http.errors`. A status of 400 or above is no error here.
    """
    return await engine_here().fetch(build("GET", url, options) if options else _plain("GET", url))


@_talks_to(0)
async def head(url: str, **options: Unpack[CallOptions]) -> Response:
    """HEAD: the answer without its body. See `get`."""
    return await engine_here().fetch(build("HEAD", url, options))


@_talks_to(0)
async def options(url: str, **options: Unpack[CallOptions]) -> Response:
    """OPTIONS. See `get`."""
    return await engine_here().fetch(build("OPTIONS", url, options))


@_talks_to(0)
async def post(url: str, **options: Unpack[CallOptions]) -> Response:
    """POST `json=` or `data=`. Never sent twice on our own account. See `get`."""
    return await engine_here().fetch(build("POST", url, options))


@_talks_to(0)
async def put(url: str, **options: Unpack[CallOptions]) -> Response:
    """PUT `json=` or `data=`. Never sent twice on our own account. See `get`."""
    return await engine_here().fetch(build("PUT", url, options))


@_talks_to(0)
async def patch(url: str, **options: Unpack[CallOptions]) -> Response:
    """PATCH with `json=` or `data=`. Never sent twice on our own account. See `get`."""
    return await engine_here().fetch(build("PATCH", url, options))


@_talks_to(0)
async def delete(url: str, **options: Unpack[CallOptions]) -> Response:
    """DELETE. Never sent twice on our own account. See `get`."""
    return await engine_here().fetch(build("DELETE", url, options))


@_talks_to(1)
async def request(method: str, url: str, **options: Unpack[CallOptions]) -> Response:
    """Send any verb. See `get`."""
    return await engine_here().fetch(build(method.upper(), url, options))


def stream(method: str, url: str, **options: Unpack[CallOptions]) -> AbstractAsyncContextManager[Stream]:
    """Send any verb and read the body as it arrives; `max_body` has no bound unless given.

    ```python
    async with weft.http.stream("GET", url) as answer:
        async for chunk in answer:
            file.write(chunk)
    ```

    Raises:
        InvalidURL, InvalidValue: an argument is impossible; nothing was sent.
        HTTPError: on entering the block, or while reading.
    """
    unbounded: CallOptions = {"max_body": None}
    return engine_here().open(build(method.upper(), url, unbounded | options))
