"""The example does what its README says."""

import json
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from weft.cli.demo.server import Server, free_port

HERE = Path(__file__).parent


@pytest.fixture
def shop(tmp_path):
    """The app on gunicorn, with its own configuration; its log is in a folder of the test's."""
    port = free_port("127.0.0.1", 0)
    words = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        str(HERE / "gunicorn.conf.py"),
        "--bind",
        f"127.0.0.1:{port}",
    ]
    with Server([*words, "app:app"], f"http://127.0.0.1:{port}/", {"PYTHONPATH": str(HERE)}, tmp_path) as running:
        yield running


def order(shop, **form):
    """Send an order; returns the status and the request's id."""
    connection = HTTPConnection(urlsplit(shop.url).netloc, timeout=30)
    try:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/orders", urlencode(form), kind)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["X-Request-ID"]
    finally:
        connection.close()


@pytest.mark.slow
def test_every_line_belongs_to_its_request(shop, tmp_path):
    """Lines of views and of their calls have the id that the client got, the access line tells of both; no secret."""
    good, bad = order(shop, customer="ada", item="tea", card="4f1a"), order(shop, customer="mallory", item="tea")
    assert shop.stop() == 0
    found = [json.loads(line) for line in (tmp_path / "shop.log").read_text("utf-8").splitlines()]
    said = {status: [line["message"] for line in found if line.get("request_id") == id_] for status, id_ in (good, bad)}
    assert {status: sorted(messages) for status, messages in said.items()} == {
        200: ["POST /orders 200", "asking the bank", "ordered tea"],
        409: ["POST /orders 409", "asking the bank", "ordered tea", "refused"],
    }
    (access,) = (line for line in found if line.get("status") == 409)
    assert (access["calls"], access["calls_ok"]) == (2, 2)
    assert {line.get("card_token") for line in found if line["message"] == "ordered tea"} == {"[masked]"}
