"""The example, with a real tus client: tuspy."""

import hashlib
import json
import os
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
import requests
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from weft.cli.demo.server import Server, free_port

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]  # of the client
HERE = Path(__file__).parent
METADATA = {"filename": "holiday.bin", "filetype": "application/octet-stream"}
ENCODED = "filename aG9saWRheS5iaW4=,filetype YXBwbGljYXRpb24vb2N0ZXQtc3RyZWFt"
DATA = os.urandom(3_000_000)


@pytest.fixture
def serve(tmp_path):
    """Start the server in the test's folder, at the same address each time."""
    port = free_port("127.0.0.1", 0)
    words = [sys.executable, "-m", "uvicorn", "--app-dir", str(HERE), "--log-level", "warning", "--port", str(port)]

    def start():
        return Server([*words, "app:app"], f"http://127.0.0.1:{port}/uploads", {}, tmp_path)

    start.url = f"http://127.0.0.1:{port}"
    return start


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "holiday.bin"
    path.write_bytes(DATA)
    return path


def arrived(serve):
    with urlopen(f"{serve.url}/uploads") as answer:
        return json.loads(answer.read())


def test_an_upload_goes_on_after_the_server_was_killed(serve, source, tmp_path):
    """The second half is sent to another process, and the file in the storage is the whole one."""
    client = TusClient(f"{serve.url}/files/")
    with serve() as server:
        uploader = client.uploader(str(source), chunk_size=500_000, metadata=METADATA)
        uploader.upload(stop_at=1_500_000)
        os.killpg(server.pid, 9)
    with pytest.raises((TusCommunicationError, requests.ConnectionError)):
        uploader.upload_chunk()
    with serve():
        again = client.uploader(str(source), chunk_size=500_000, url=uploader.url)
        assert again.offset == 1_500_000
        again.upload()
        [(key, upload)] = arrived(serve).items()
    digest = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
    assert upload == {"size": len(DATA), "digest": digest, "filename": "holiday.bin"}
    assert (tmp_path / "uploads" / key).read_bytes() == DATA
    assert [path.name for path in (tmp_path / "parts").iterdir() if key in path.name] == []


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(serve):
    """By the size that the client announces."""
    with serve():
        for size, status in ((25_000_001, 413), (10**10, 413)):
            headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size), "Upload-Metadata": ENCODED}
            assert requests.post(f"{serve.url}/files/", headers=headers, timeout=20).status_code == status
        assert arrived(serve) == {}


def test_more_than_was_announced_is_refused(serve, tmp_path):
    """A client that announces little and sends much has its chunk refused; nothing gets into the storage."""
    with serve():
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": ENCODED}
        url = requests.post(f"{serve.url}/files/", headers=headers, timeout=20).headers["Location"]
        headers |= {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        answer = requests.patch(url, headers=headers, data=b"x" * 1_000_000, timeout=20)
        assert answer.status_code >= 400
        assert arrived(serve) == {}
    assert not (tmp_path / "uploads").exists()
