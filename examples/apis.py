"""Stands for the five services of others that a profile page asks: `python apis.py [PORT]`. Offers never answer."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {
    "account": lambda user: {"name": user.title(), "since": 1843},
    "orders": lambda _user: ["a loom", "cards, punched"],
    "messages": lambda _user: ["Charles has written to you"],
    "weather": lambda _user: "fog",
}
NEVER = threading.Event()


class Services(BaseHTTPRequestHandler):
    """`/account/ada` and the like are answered after 0.3 s; `/offers/ada` is not answered at all."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        service, _, user = self.path.strip("/").partition("/")
        if service == "offers":
            NEVER.wait()
        time.sleep(0.3)
        answer = ANSWERS.get(service)
        body = json.dumps(answer(user) if answer else {"error": "no such service"}).encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 9000), Services)
    server.daemon_threads = True
    server.serve_forever()
