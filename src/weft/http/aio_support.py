"""What the aiohttp engine needs beside aiohttp: its errors as ours, TLS contexts, and the environment's proxies."""

import socket
import ssl
import urllib.request
from functools import lru_cache

import aiohttp
from aiohttp import http_exceptions

from weft.http import errors
from weft.http.certificates import trusted_file
from weft.http.outgoing import Options, Request

__all__ = ["error_of", "proxy_of", "tls_context"]

# The first that fits: aiohttp's tree puts the particular below the general.
_KINDS: tuple[tuple[type[BaseException], type[errors.HTTPError]], ...] = (
    (aiohttp.ConnectionTimeoutError, errors.ConnectTimeout),
    (aiohttp.ServerTimeoutError, errors.ReadTimeout),
    (TimeoutError, errors.TotalTimeout),
    (aiohttp.ClientSSLError, errors.TLSError),
    (aiohttp.ClientConnectorDNSError, errors.DNSError),
    (aiohttp.ClientConnectorError, errors.ConnectError),
    (aiohttp.ClientHttpProxyError, errors.ConnectError),
    (aiohttp.InvalidURL, errors.InvalidURL),
    (aiohttp.ServerDisconnectedError, errors.ConnectionReset),
    (aiohttp.ClientPayloadError, errors.ConnectionReset),
    (aiohttp.ClientResponseError, errors.ProtocolError),
    (OSError, errors.ConnectionReset),
    (aiohttp.ClientError, errors.ConnectionReset),
)


def error_of(request: Request, error: BaseException, *, answered: bool) -> errors.HTTPError:
    """Make the error for what aiohttp raised; `answered`: the head was there already."""
    kind = next((ours for theirs, ours in _KINDS if isinstance(error, theirs)), errors.ProtocolError)
    cause = error.__cause__ if isinstance(error, aiohttp.ClientPayloadError) else None
    if isinstance(cause, http_exceptions.ContentEncodingError):
        kind = errors.DecodingError
    elif isinstance(cause, http_exceptions.TransferEncodingError) and answered:
        kind = errors.ConnectionReset
    elif isinstance(error, aiohttp.ClientConnectorError):
        kind = _connecting(request, error, kind)
    return kind(str(error) or type(error).__name__, url=request.url, method=request.method)


@lru_cache(maxsize=64)
def _context(ca: str, cert: tuple[str, str] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if cert is not None:
        context.load_cert_chain(*cert)
    return context


@lru_cache(maxsize=64)
def _trusting_context(cert: tuple[str, str] | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if cert is not None:
        context.load_cert_chain(*cert)
    return context


def tls_context(options: Options) -> ssl.SSLContext:
    """Make, or find again, the context for calls that travel so."""
    if options.verify:
        return _context(options.ca or trusted_file(), options.cert)
    return _trusting_context(options.cert)


def proxy_of(request: Request) -> str | None:
    """The proxy to go through: the request's own, or the environment's."""
    options, where = request.options, request.target
    if options.proxy is not None or options.guard is not None:
        return options.proxy or None
    proxies = urllib.request.getproxies_environment()
    if not proxies or urllib.request.proxy_bypass(where.authority):
        return None
    return proxies.get(where.scheme) or proxies.get("all")


def _connecting(
    request: Request, error: aiohttp.ClientConnectorError, kind: type[errors.HTTPError]
) -> type[errors.HTTPError]:
    if isinstance(error.os_error, socket.gaierror):
        return errors.DNSError
    # The connection was there, and broke while the two sides spoke of TLS.
    broke = isinstance(error.os_error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError)
    return errors.TLSError if broke and request.target.scheme == "https" else kind
