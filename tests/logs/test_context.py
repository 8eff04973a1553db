"""Fields that every line of a request carries."""

import asyncio
import sys
from types import ModuleType

import pytest
from opentelemetry.sdk.trace import TracerProvider

import weft
from weft.logs.context import bind, bound, fields, new_request_id, parse_request_id, parse_traceparent


def test_fields_hold_for_a_block():
    """They nest, the inner ones win, and end with their block."""
    assert fields() is None
    with bound(request_id="a", user=1):
        with bound(user=2):
            assert fields() == {"request_id": "a", "user": 2}
        assert fields() == {"request_id": "a", "user": 1}
    assert fields() is None


def test_fields_travel_into_tasks_and_not_back():
    """A task, on a thread or on the loop, has the fields of whoever started it; what it binds is its own."""

    def on_a_thread():
        bind(step=2)
        return fields()

    async def on_the_loop():
        return fields()

    async def main():
        bind(request_id="a")
        async with weft.scope() as scope:
            tasks = scope.start(on_a_thread), scope.start(on_the_loop)
        return [task.result() for task in tasks], fields()

    inside, after = asyncio.run(main())
    assert inside == [{"request_id": "a", "step": 2}, {"request_id": "a"}]
    assert after == {"request_id": "a"}
    assert fields() is None


def test_the_current_span_is_among_them():
    """Where OpenTelemetry is loaded, the ids of its current span are fields, in their usual form."""
    with TracerProvider().get_tracer("test").start_as_current_span("work") as span, bound(user=1):
        found = fields()
    ids = span.get_span_context()
    assert found == {"user": 1, "trace_id": f"{ids.trace_id:032x}", "span_id": f"{ids.span_id:016x}"}


def test_telemetry_that_is_still_loading_does_no_harm(monkeypatch):
    """While another thread imports OpenTelemetry, its module is there without its functions."""
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", ModuleType("opentelemetry.trace"))
    with bound(user=1):
        assert fields() == {"user": 1}


@pytest.mark.parametrize("header", [None, "", "a b", "a\nb", "x" * 129, "<script>", "é"])
def test_a_request_id_that_could_do_harm_is_none(header):
    """Spaces, control characters, endless ones: not taken over from the client."""
    assert parse_request_id(header) is None


def test_an_honest_request_id_is_taken():
    """UUIDs, numbers, base64: as they are. New ones are of that kind."""
    for header in ("4f1a-22", "0193b6f0-1c5e-7cc2-b7f4-0d9a3c2a6f11", "Zm9v/ba+r==", new_request_id()):
        assert parse_request_id(header) == header
    assert new_request_id() != new_request_id()


def test_a_traceparent_is_read():
    """The ids of W3C's own example; a later version with more parts is read as well."""
    ids = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    assert parse_traceparent(f"00-{ids[0]}-{ids[1]}-01") == ids
    assert parse_traceparent(f"01-{ids[0]}-{ids[1]}-01-more") == ids


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        f"ff-{'1' * 32}-{'1' * 16}-01",
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
        f"00-{'A' * 32}-{'1' * 16}-01",
    ],
)
def test_a_malformed_traceparent_is_none(header):
    """Wrong version, ids of zeros, capitals (W3C Trace Context, 3.2.2)."""
    assert parse_traceparent(header) is None
