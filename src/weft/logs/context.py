"""Fields that every line of a request carries, wherever it is logged: context variables travel into tasks."""

import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, NamedTuple

__all__ = [
    "TraceParent", "attach", "bind", "bound", "detach", "fields", "new_request_id", "parse_request_id",
    "parse_traceparent",
]  # fmt: skip

_bound: ContextVar[Mapping[str, Any] | None] = ContextVar("weft_log_fields", default=None)


def bind(**new: Any) -> None:
    """Add fields to every line that is logged from here on in this context: `bind(user=42)`.

    In a web request they end with the request. Elsewhere, `bound` says where they end.
    """
    _bound.set({**(_bound.get() or {}), **new})


@contextmanager
def bound(**new: Any) -> Iterator[None]:
    """Add fields to every line that is logged in this block, and in the tasks that it starts."""
    token = _bound.set({**(_bound.get() or {}), **new})
    try:
        yield
    finally:
        _bound.reset(token)


def attach(**new: Any) -> Token[Mapping[str, Any] | None]:
    """Begin what `detach` ends: `bound` for what is no block, such as a request and its answer. (For adapters.)"""
    before = _bound.get()
    return _bound.set({**(before or {}), **new} if new else before)


def detach(token: Token[Mapping[str, Any] | None] | None) -> None:
    """Take away all fields that were added since; in another context than that of `attach` there are none to take."""
    if token is not None:
        try:  # noqa: SIM105 - each request comes here, and the context manager would cost more than the rest
            _bound.reset(token)
        except (ValueError, RuntimeError):
            pass  # of another context; used in that of which this is a copy


def fields() -> Mapping[str, Any] | None:
    """The fields of the present context, with the ids of OpenTelemetry's current span; None: there are none."""
    found = _bound.get()
    current = getattr(sys.modules.get("opentelemetry.trace"), "get_current_span", None)
    if current is None:  # not loaded, or another thread is loading it this moment
        return found
    span = current().get_span_context()
    if not span.is_valid:
        return found
    return {**(found or {}), "trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}


# -- what comes with a request

_SAFE_ID = re.compile(r"[A-Za-z0-9._:@/+=-]{1,128}")
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


class TraceParent(NamedTuple):
    """The ids of a `traceparent` header (W3C Trace Context)."""

    trace_id: str
    span_id: str


def new_request_id() -> str:
    """Sixteen random hexadecimal digits."""
    return secrets.token_hex(8)


def parse_request_id(header: str | None) -> str | None:
    """The id in an `X-Request-ID` header, if it is one that may stand in a log; else None."""
    return header if header and _SAFE_ID.fullmatch(header) else None


def parse_traceparent(header: str | None) -> TraceParent | None:
    """The ids in a `traceparent` header, if it is well-formed (W3C Trace Context, 3.2); else None."""
    found = _TRACEPARENT.fullmatch(header or "")
    if found is None or found[1] == "ff" or not int(found[2], 16) or not int(found[3], 16):
        return None
    return TraceParent(found[2], found[3])
