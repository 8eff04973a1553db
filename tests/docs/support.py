"""What the pages use behind the scenes: an internet on this machine, and a way to ask an application something."""

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Upstream(BaseHTTPRequestHandler):
    """Answers for every host, as a proxy does. A host's first label says how it behaves.

    `slow` takes 300 ms, `stuck` never answers, `down` says 503, `flaky` says 503 to the first of its requests; all
    others answer at once, with a JSON object that holds the host and the path.
    """

    protocol_version = "HTTP/1.1"
    server: "Internet"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        host = url.netloc or self.headers.get("Host", "")
        kind = host.partition(".")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.seen[host] = seen = self.server.seen.get(host, 0) + 1
        if kind == "stuck":
            self.server.ending.wait()
        if kind.startswith("slow"):
            self.server.ending.wait(0.3)
        status = 503 if kind.startswith("down") or (kind.startswith("flaky") and seen == 1) else 200
        answer = {"host": host, "path": url.path}
        if body:
            answer["body"] = json.loads(body)
        self._answer(status, json.dumps(answer).encode())

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names that http.server looks for

    def _answer(self, status: int, body: bytes) -> None:
        with contextlib.suppress(OSError):  # the caller has hung up: its deadline has passed
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Internet(ThreadingHTTPServer):
    """A proxy on this machine that is itself whatever it is asked for."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Upstream)
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.seen: dict[str, int] = {}

    def handle_error(self, *_: object) -> None:
        """Say nothing of callers who hang up."""


@contextlib.contextmanager
def internet() -> Iterator[Internet]:
    """Send what this process and its children ask any `http://` host to a server on this machine."""
    server = Internet()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="internet", daemon=True)
    thread.start()
    proxy = f"http://127.0.0.1:{server.server_port}"
    os.environ.update(http_proxy=proxy, HTTP_PROXY=proxy, no_proxy="127.0.0.1", NO_PROXY="127.0.0.1")
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


def ask(app, path: str, method: str = "GET") -> str:
    """What the application, WSGI (with a test client of its own) or ASGI, answers to one request: status and body."""
    if hasattr(app, "test_client"):
        answer = app.test_client().open(path, method=method, buffered=True)
        app._got_first_request = False  # the page goes on to add views, which Flask refuses after its first request
        return f"{answer.status_code} {answer.get_data(as_text=True).strip()}"
    return asyncio.run(_ask_asgi(app, path, method))


async def _ask_asgi(app, path: str, method: str) -> str:
    sent: list[dict] = []
    over = asyncio.Event()
    incoming = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict:
        if incoming:
            return incoming.pop()
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        sent.append(message)

    route, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": route, "raw_path": route.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(b"host", b"testserver")], "client": ("127.0.0.1", 1), "server": ("testserver", 80), "state": {},
    }  # fmt: skip
    await app(scope, receive, send)
    over.set()
    status = next(message["status"] for message in sent if message["type"] == "http.response.start")
    return f"{status} {b''.join(message.get('body', b'') for message in sent).decode()}"
