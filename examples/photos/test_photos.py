"""Photos that are dropped are made small, and a killed server loses none."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from PIL import Image

from weft.cli.demo.server import free_port

HERE = Path(__file__).parent
COUNT = 12

pytestmark = pytest.mark.slow


def photo(number):
    file = io.BytesIO()
    Image.effect_noise((2400, 1800), 20 + number).convert("RGB").save(file, "JPEG", quality=90)
    return file.getvalue()


@contextmanager
def server(folder, port):
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        f"--bind=127.0.0.1:{port}",
        "--threads=4",
        "--chdir",
        str(folder),
        "app:app",
    ]
    environ = {**os.environ, "PYTHONPATH": str(HERE)}
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            until(lambda: answers(port))
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def answers(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/").status == 200
    except OSError:
        return False


def until(true):
    end = time.monotonic() + 40
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_killed_server_loses_no_photo(tmp_path):
    """Twelve photos are sent, and the server is killed while they are made small: in the end all are."""
    port = free_port("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port}/photos"

    def shown():
        return requests.get(url, timeout=20).json()

    with server(tmp_path, port):
        files = [("photo", (f"../{number}.jpg", photo(number), "image/jpeg")) for number in range(COUNT)]
        bad = ("photo", ("evil.svg", b"<svg><script>alert(1)</script></svg>", "image/jpeg"))
        answer = requests.post(url, files=[*files, bad], timeout=40)
        assert len(json.loads(answer.text)) == COUNT + 1
        until(lambda: any(each["state"] == "completed" for each in shown()))
    with server(tmp_path, port):
        until(lambda: all(each["state"] in {"completed", "discarded"} for each in shown()))
        found = {each["name"]: each for each in shown()}
        (evil,) = (each for name, each in found.items() if "evil" in name)
        done = [each for each in found.values() if each["state"] == "completed"]
        small = requests.get(f"{url}/{done[0]['uid']}", timeout=20)
    assert len(done) == COUNT
    assert all(each["after"] < each["before"] for each in done)
    assert evil["state"] == "discarded"
    assert (small.headers["content-type"], small.headers["x-content-type-options"]) == ("image/webp", "nosniff")
    assert Image.open(io.BytesIO(small.content)).size == (1600, 1200)
