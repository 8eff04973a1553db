"""The demo: what its servers answer, what they refuse, and how the command comes and goes."""

import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from weft.cli import demo as command
from weft.cli.demo.server import NotStarted, Server, demo_server, free_port
from weft.cli.main import main

pytestmark = pytest.mark.slow
ALL = pytest.mark.parametrize("framework", ["flask", "fastapi", "sanic", "django"])
WAYS = ["one-by-one", "pool", "weft"]


@pytest.fixture
def demo(upstream):
    @contextmanager
    def run(framework, host="127.0.0.1"):
        with demo_server(framework, host, free_port(host, 0), upstream.url) as server:
            yield lambda *request, **headers: ask(server.url, *request, **headers)

    return run


def ask(url, method, path, document=None, raw=None, **headers):
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        body = raw if document is None else json.dumps(document)
        chunked = "Transfer-Encoding" in headers
        headers = {"Content-Type": "application/json", **headers}
        connection.request(method, path, body, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    finally:
        connection.close()


def run(ask, way, urls, deadline=5.0):
    """The calls of one run, by index, and the seconds it took."""
    status, _, body = ask("POST", f"/check-sites/{way}", {"urls": urls, "deadline": deadline})
    assert status == 200, body
    *calls, end = map(json.loads, body.splitlines())
    return [call for _, call in sorted((call["index"], call) for call in calls)], end["total"]


# -- the applications


@ALL
def test_each_way_tells_how_each_call_went(demo, upstream, framework):
    """Each way streams one line for each call, with its seconds, its phases and its outcome, and the total at last."""
    urls = [upstream.url + path for path in ("/delay/0.2", "/status/500", "/reset", "/garbage", "/endless", "/ok")]
    with demo(framework) as ask:
        found = {way: run(ask, way, urls) for way in WAYS}
    for calls, total in found.values():
        assert [call["words"] for call in calls] == ["200", "500", "broken off", "garbled", "too large", "200"]
        assert [call["outcome"] for call in calls] == ["ok", "failed", "failed", "failed", "failed", "ok"]
        assert calls[0]["seconds"] >= 0.2
        assert all(sum(length for _, length in call["phases"]) <= call["seconds"] + 0.05 for call in calls)
        assert max(call["seconds"] for call in calls) <= total + 0.05


@ALL
def test_the_deadline_holds_for_weft(demo, upstream, framework):
    """What is not done by the deadline is cut off there, however long the others would wait for it."""
    with demo(framework) as ask:
        calls, total = run(ask, "weft", [upstream.url + "/silence", upstream.url + "/ok"], deadline=0.3)
    assert [call["outcome"] for call in calls] == ["late", "ok"]
    assert 0.3 <= total < 1.0


@ALL
def test_no_way_leads_into_the_network_around(demo, upstream, framework):
    """All three ways refuse private addresses, in any spelling, other ports of this machine, and redirects to them."""
    with socket.create_server(("127.0.0.1", 0)) as secret, demo(framework) as ask:
        port = secret.getsockname()[1]
        hidden = f"http://127.0.0.1:{port}/"
        urls = [
            hidden, f"http://localhost:{port}/", f"http://2130706433:{port}/", "http://10.0.0.1/", "http://[::1]/",
            "http://169.254.169.254/latest/meta-data/", f"{upstream.url}/redirect-to?url={hidden}",
            upstream.url.replace("http://", "http://evil@") + ":1/",
        ]  # fmt: skip
        for way in WAYS:
            calls, _ = run(ask, way, urls)
            assert all(call["outcome"] == "failed" for call in calls), calls
            assert {call["words"] for call in calls} <= {"not allowed", "no address"}, (way, calls)
        secret.setblocking(False)
        with pytest.raises(BlockingIOError):
            secret.accept()


@ALL
def test_impossible_wishes_are_explained(demo, framework):
    """No addresses, too many, too long ones and impossible deadlines are answered with 400 and a sentence."""
    wishes = [
        {}, {"urls": []}, {"urls": "x"}, {"urls": [1]}, {"urls": ["x"] * 41}, {"urls": ["x" * 2001]},
        {"urls": ["x"], "deadline": 0}, {"urls": ["x"], "deadline": "1"}, {"urls": ["x"], "deadline": 1000},
    ]  # fmt: skip
    with demo(framework) as ask:
        for wish in wishes:
            status, _, body = ask("POST", "/check-sites/weft", wish)
            assert (status, bool(json.loads(body)["detail"])) == (400, True), wish
        assert ask("POST", "/check-sites/fourth", {"urls": ["x"]})[0] == 404
        assert ask("GET", "/../secret")[0] == 404


@ALL
def test_only_so_much_is_read(demo, framework):
    """A body above 128 KiB is refused with 413 and a sentence, and one of untold length is not read beyond that.

    (Of such a one Werkzeug hands out the beginning, which is no JSON.)
    """
    body = json.dumps({"urls": ["x"], "more": "x" * 150_000}).encode()
    with demo(framework) as ask:
        status, _, answer = ask("POST", "/check-sites/weft", raw=body)
        assert (status, bool(json.loads(answer)["detail"])) == (413, True)
        status, _, answer = ask("POST", "/check-sites/weft", raw=iter([body]), **{"Transfer-Encoding": "chunked"})
        assert (status in {413, 400}, bool(json.loads(answer)["detail"])) == (True, True)


@ALL
def test_only_json_is_read(demo, framework):
    """Whatever a foreign page could send without asking (CORS), text or a body of no type, is refused with 415."""
    body = json.dumps({"urls": ["x"]}).encode()
    with demo(framework) as ask:
        for kind in ("text/plain", "", "application/x-www-form-urlencoded"):
            status, _, answer = ask("POST", "/check-sites/weft", raw=body, **{"Content-Type": kind})
            assert (status, bool(json.loads(answer)["detail"])) == (415, True)
        status, _, answer = ask("POST", "/check-sites/weft", raw=b"{")
        assert (status, bool(json.loads(answer)["detail"])) == (400, True)


@ALL
def test_the_page_needs_nothing_from_elsewhere(demo, framework):
    """The page and its files come from the demo alone, and its policy forbids everything else, inline code too."""
    with demo(framework) as ask:
        for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/style.css", "text/css")):
            status, headers, body = ask("GET", path)
            assert (status, headers["content-type"].split(";")[0]) == (200, kind)
            assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert b"https://" not in body
            assert b" style=" not in body


@ALL
def test_strangers_names_are_not_answered(demo, framework):
    """On loopback only loopback's names are answered, so that no web page can reach the demo by a name of its own."""
    with demo(framework) as ask:
        for name in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
            status, headers, _ = ask("GET", "/", Host=name)
            assert (status, headers["x-content-type-options"]) == (421, "nosniff")
        for name in ("localhost", "localhost:1", "127.0.0.1", "[::1]:9"):
            assert ask("GET", "/", Host=name)[0] == 200


# -- the command


def test_check_prints_a_table():
    """`weft demo --check` runs the three ways once, prints their timings and ends with status 0."""
    port = str(free_port("127.0.0.1", 0))
    done = subprocess.run(
        [sys.executable, "-m", "weft.cli", "demo", "--check", "--port", port],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line[:22].strip() for line in lines] == ["", "one after the other", "a pool of five", "weft"]
    assert done.stderr == ""


@pytest.mark.parametrize("goodbye", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@ALL
def test_it_leaves_nothing_behind(shown, goodbye, framework):
    """Ctrl-C and SIGTERM end the server and all of its processes; the command ends with status 0."""
    with shown(framework) as (process, url):
        assert ask(url, "GET", "/")[0] == 200
        left = children(process.pid)
        assert left
        process.send_signal(goodbye)
        assert process.wait(10) == 0
        assert not [pid for pid in left if Path(f"/proc/{pid}").exists()]


def test_a_port_that_is_taken_is_told(shown):
    """Where the port is taken the demo takes a free one, and says so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with shown("flask", "--port", str(port)) as (process, url):
            assert urlsplit(url).port != port
            assert ask(url, "GET", "/")[0] == 200
            process.terminate()
            assert f"port {port} is taken" in process.said


def test_a_server_that_does_not_come_up_is_told():
    """A server that ends at once is an error that says so, and leaves no process behind."""
    with pytest.raises(NotStarted, match="status 7"):
        Server([sys.executable, "-c", "raise SystemExit(7)"], "http://127.0.0.1:9/", {}).__enter__()


def test_a_foreign_address_is_told(capsys):
    """An address that is none of this machine's is wrong usage."""
    assert main(["demo", "--host", "203.0.113.1", "--no-browser"]) == 2
    assert "cannot listen" in capsys.readouterr().err


@ALL
def test_missing_extras_are_told(framework, capsys, monkeypatch):
    """Without the extras the command says what to install."""
    monkeypatch.setattr(command, "find_spec", lambda _name: None)
    assert main(["demo", "--framework", framework]) == 2
    assert "pip install 'weft[demo]'" in capsys.readouterr().err


def children(pid):
    """All processes below this one."""
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [below for child in found for below in children(child)]
