"""What adapters are told, and what a client may ask of them."""

import asyncio
import subprocess
import sys
import textwrap

import flask
import pytest

import weft
from weft.adapters import asgi
from weft.adapters.flask import Weft, weft_deadline
from weft.adapters.settings import Settings, parse_timeout


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("X-Request-Timeout", "2", 2.0),
        ("X-Request-Timeout", " 0.25 ", 0.25),
        ("x-envoy-expected-rq-timeout-ms", "1500", 1.5),
        ("grpc-timeout", "250m", 0.25),
        ("grpc-timeout", "3S", 3.0),
        ("grpc-timeout", "1H", 3600.0),
        ("X-Request-Timeout", "0", 0.001),
    ],
)
def test_a_timeout_is_read_in_its_headers_unit(name, value, seconds):
    """Plain numbers are seconds, in a header named "-ms" milliseconds, and `grpc-timeout` has gRPC's own units."""
    assert parse_timeout(name, value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "soon", "-1", "nan", "inf", "1e999", "2s", "1" * 500, "2, 3", "٣" * 40])
def test_what_is_no_timeout_is_ignored(value):
    """A malformed, negative, endless or overlong value asks for nothing, and breaks nothing."""
    assert parse_timeout("X-Request-Timeout", value) is None


def test_the_frameworks_settings_beat_the_arguments():
    """`WEFT_DEADLINE`, `WEFT_DEADLINE_HEADER` and `WEFT_ACCESS_LOG` take precedence, and are checked as well."""
    found = {"WEFT_DEADLINE": 3.0, "WEFT_DEADLINE_HEADER": None}
    assert Settings(5.0, "X-Wait", "json").overridden(found.get) == Settings(3.0, None, "json")
    with pytest.raises(weft.InvalidValue, match="deadline"):
        Settings().overridden({"WEFT_DEADLINE": -1.0}.get)


REMAINING = [("2", 2.0), ("60", 5.0), ("nonsense", 5.0)]


@pytest.mark.parametrize(("asked", "expected"), REMAINING)
def test_a_client_of_flask_can_shorten_the_deadline(asked, expected):
    """The header shortens the app's deadline, and never makes it longer; nonsense changes nothing."""
    app = flask.Flask(__name__)
    Weft(app, deadline=5.0)
    app.add_url_rule("/", view_func=lambda: str(weft.remaining()))
    answer = app.test_client().get("/", headers={"X-Request-Timeout": asked})
    assert expected - 1.0 < float(answer.text) <= expected


def test_a_client_bounds_a_view_that_has_its_own_deadline():
    """A view's own deadline, or its having none, does not reach beyond what the client has asked for."""
    app = flask.Flask(__name__)
    Weft(app, deadline=5.0)
    app.add_url_rule("/", "longer", weft_deadline(60.0)(lambda: str(weft.remaining())))
    app.add_url_rule("/none", "none", weft_deadline(None)(lambda: str(weft.remaining())))
    for path in ("/", "/none"):
        answer = app.test_client().get(path, headers={"X-Request-Timeout": "2"})
        assert 1.0 < float(answer.text) <= 2.0


def test_an_app_may_choose_another_header_or_none():
    """`WEFT_DEADLINE_HEADER` names the header that counts; None: no header does."""
    for name, expected in (("X-Wait-Ms", 1.5), (None, 5.0)):
        app = flask.Flask(__name__)
        app.config["WEFT_DEADLINE_HEADER"] = name
        Weft(app, deadline=5.0)
        app.add_url_rule("/", view_func=lambda: str(weft.remaining()))
        answer = app.test_client().get("/", headers={"X-Wait-Ms": "1500", "X-Request-Timeout": "1"})
        assert expected - 0.5 < float(answer.text) <= expected


@pytest.mark.parametrize(("asked", "expected"), REMAINING)
def test_a_client_of_an_asgi_app_can_shorten_the_deadline(client_of, asked, expected):
    """The header shortens the app's deadline, and never makes it longer; nonsense changes nothing."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(weft.remaining()).encode()})

    async def asking(scope, receive, send):
        scope["headers"] = [*scope["headers"], (b"x-request-timeout", asked.encode())]
        await asgi.Weft(app, deadline=5.0)(scope, receive, send)

    async def test():
        answer = await client_of(asking).get()
        assert expected - 1.0 < float(answer.body) <= expected

    asyncio.run(test())


@pytest.mark.parametrize(
    ("patch", "patcher"),
    [
        ("from gevent import monkey; monkey.patch_all()", "gevent"),
        ("import eventlet; eventlet.monkey_patch()", "eventlet"),
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        "import flask; from weft.adapters.flask import Weft; Weft(flask.Flask('x'))",
        "from weft.adapters.asgi import Weft; Weft(None)",
        "import weft; weft.map(len, ['x']).outcomes()",
    ],
)
def test_green_threads_are_refused_at_once(patch, patcher, use):
    """Where gevent or eventlet has replaced the threads, installing weft, or its first use, tells so and what to do."""
    code = textwrap.dedent(f"{patch}\n{use}")
    command = [sys.executable, "-W", "ignore", "-c", code]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    said = ended.stderr.strip().splitlines()[-1]
    assert f"weft needs real threads, and {patcher} has replaced them" in said
    assert "--worker-class gthread" in said
