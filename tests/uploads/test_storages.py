"""Storages: one contract, kept by a folder and by an object store over the network."""

import errno
import http.server
import os
import stat
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from bodies import Environ, form, part

from weft.errors import InvalidValue
from weft.uploads.arriving import receiving, spools
from weft.uploads.errors import StorageError
from weft.uploads.storing import local, storages
from weft.uploads.storing.keys import checked_key, new_key
from weft.uploads.storing.local import LocalStorage
from weft.uploads.storing.objects import ObjectStorage

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning:moto", "ignore::DeprecationWarning")
BIG = 11_000_003  # bytes: more than two parts of S3


@pytest.fixture(autouse=True, scope="module")
def _started(s3):
    """The server, and obstore's own loop, are no leaks of the first test that needs them."""
    ObjectStorage(f"s3://shop?endpoint={s3}&region=us-east-1").delete("nothing")


@pytest.fixture(params=["file", "s3"])
def storage(request, tmp_path):
    if request.param == "file":
        return storages.open_storage(f"file:{tmp_path}/kept")
    return storages.open_storage(f"s3://shop/{new_key()}?endpoint={request.getfixturevalue('s3')}&region=us-east-1")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(b"content")
    return path


def test_a_file_is_kept_under_its_key(storage, source):
    """What was put can be opened, and the source is gone."""
    key = new_key("txt")
    storage.put(source, key)
    assert not source.exists()
    with storage.open(key) as file:
        assert file.read(3) == b"con"
        assert file.read() == b"tent"
        assert file.seek(1) == 1
        assert file.read(2) == b"on"


def test_a_large_file_comes_back_as_it_was(storage, source):
    """A file of several parts is the same, opened and as a path."""
    data = os.urandom(BIG)
    source.write_bytes(data)
    key = new_key()
    storage.put(source, key)
    with storage.open(key) as file:
        assert file.read() == data
    with storage.local(key) as path:
        assert path.read_bytes() == data
    storage.delete(key)  # the server of the tests keeps a descriptor for each


def test_an_empty_file_is_kept(storage, source):
    """A file of no bytes is a file."""
    source.write_bytes(b"")
    key = new_key()
    storage.put(source, key)
    with storage.open(key) as file:
        assert file.read() == b""


def test_a_path_lasts_as_long_as_its_block(storage, source):
    """The storage's own file stays; a copy of it is gone."""
    key = new_key()
    storage.put(source, key)
    with storage.local(key) as path:
        assert path.read_bytes() == b"content"
    assert path.exists() == isinstance(storage, LocalStorage)
    storage.open(key).close()


def test_the_last_one_under_a_key_counts(storage, source, tmp_path):
    """A second file under a key takes the place of the first as a whole."""
    other = tmp_path / "other"
    other.write_bytes(b"other")
    storage.put(source, "key")
    storage.put(other, "key")
    with storage.open("key") as file:
        assert file.read() == b"other"


def test_what_is_not_there(storage, source):
    """A key without a file is told as such; deleting it twice is no error."""
    storage.put(source, "key")
    storage.delete("key")
    storage.delete("key")
    with pytest.raises(FileNotFoundError):
        storage.open("key")
    with pytest.raises(FileNotFoundError), storage.local("key"):
        pass


@pytest.mark.parametrize(
    "key", ["", ".", "..", "../x", "a/b", "/etc/passwd", ".incoming", "a\\b", "a\0", "a\n", "é", "x" * 201]
)
def test_keys_lead_nowhere_else(storage, source, key):
    """What is no plain name is refused by every method, before anything is touched."""
    for use in (storage.open, storage.local, storage.delete, lambda key: storage.put(source, key)):
        with pytest.raises(InvalidValue, match="upload.key"):
            use(key)
    assert source.exists()


def test_keys_cannot_be_guessed():
    """A new key is random, has its ending, and is one."""
    assert len({new_key() for _ in range(100)}) == 100
    assert checked_key(new_key("webp")).endswith(".webp")


# -- folders


def test_nobody_else_may_read(tmp_path, source):
    """Folder and file are the user's own, whatever the source was."""
    source.chmod(0o644)
    storage = LocalStorage(tmp_path / "kept")
    storage.put(source, "key")
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "kept" / "key").stat().st_mode) == 0o600


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, source, monkeypatch):
    """First the file is synchronized, then renamed, then the folder is synchronized."""
    seen = []

    def fsync(file):
        found = Path(f"/proc/self/fd/{file}").readlink()
        seen.append((found.name, (tmp_path / "kept" / "key").exists()))

    monkeypatch.setattr(local.os, "fsync", fsync)
    LocalStorage(tmp_path / "kept").put(source, "key")
    assert seen == [("source", False), ("kept", True)]


def test_a_source_from_another_file_system_is_carried(tmp_path, source, monkeypatch):
    """It is copied beside, then renamed: what is under the key is whole; nothing else is left."""
    rename, failed = Path.rename, []

    def across(path, target):
        if path == source:
            failed.append(path)
            raise OSError(errno.EXDEV, "another device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", across)
    storage = LocalStorage(tmp_path / "kept")
    storage.put(source, "key")
    assert failed
    assert (storage.folder / "key").read_bytes() == b"content"
    assert not source.exists()
    assert list(storage.spool.iterdir()) == []


def test_a_full_disk_is_the_storage_s_fault(tmp_path, source, monkeypatch):
    """ENOSPC is told as a StorageError with its number; nothing is under the key, and the source is still there."""

    def full(_file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(local.os, "fsync", full)
    storage = LocalStorage(tmp_path / "kept")
    with pytest.raises(StorageError) as caught:
        storage.put(source, "key")
    assert caught.value.errno == errno.ENOSPC
    assert source.exists()
    with pytest.raises(FileNotFoundError):
        storage.open("key")


def test_a_source_that_is_a_link_is_not_followed(tmp_path, source):
    """A link in the place of the source does not bring another file in."""
    link = tmp_path / "link"
    link.symlink_to(source)
    with pytest.raises(StorageError):
        LocalStorage(tmp_path / "kept").put(link, "key")


# -- object stores


@contextmanager
def failing_proxy(address, fail_after):
    """A server that passes requests on, until so many have come; then it answers 500 to all but DELETE."""
    upstream, seen = urlsplit(address), []

    class Proxy(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((self.command, self.path))
            if len(seen) > fail_after and self.command != "DELETE":
                self._answer(500, {}, b"")
                return
            connection = http.client.HTTPConnection(upstream.hostname, upstream.port)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            self._answer(answer.status, dict(answer.headers), answer.read())
            connection.close()

        def _answer(self, status, headers, body):
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in {"content-length", "connection", "transfer-encoding", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815 - names of the base class

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_store_that_fails_half_way(s3, source, tmp_path):
    """A large file of which some parts are refused is not kept at all, and its parts are given up."""
    source.write_bytes(os.urandom(BIG))
    with failing_proxy(s3, fail_after=2) as (address, seen):
        storage = ObjectStorage(f"s3://shop/half?endpoint={address}&region=us-east-1")
        with pytest.raises(StorageError, match="s3://shop"):
            storage.put(source, "key")
    assert source.exists()
    assert ("DELETE", "/shop/half/key") in [(method, path.partition("?")[0]) for method, path in seen]
    with pytest.raises(FileNotFoundError):
        ObjectStorage(f"s3://shop/half?endpoint={s3}&region=us-east-1").open("key")
    with urlopen(f"{s3}/shop?uploads") as answer:
        assert b"<Upload>" not in answer.read()


def test_a_store_that_cannot_be_reached(source):
    """Every method says so within seconds, and the source is still there."""
    storage = ObjectStorage("s3://shop?endpoint=http://127.0.0.1:9&region=us-east-1")
    with pytest.raises(StorageError, match="cannot keep a file in s3://shop"):
        storage.put(source, "key")
    with pytest.raises(StorageError, match="cannot read"):
        storage.open("key")
    assert source.exists()


def test_an_upload_into_an_object_store(s3, tmp_path, monkeypatch):
    """It arrives on the disk, in the user's own spool, and nothing of it stays there."""
    monkeypatch.setattr(receiving, "shared_spool", lambda: tmp_path / "spool")
    storage = ObjectStorage(f"s3://shop/up?endpoint={s3}&region=us-east-1")
    upload = receiving.receive(Environ(form(part("photo", b"x" * 1000, "x.png"))), storage=storage)["photo"]
    with storage.open(upload.key) as file:
        assert file.read() == b"x" * 1000
    storage.delete(upload.key)
    assert [path for path in (tmp_path / "spool").rglob("*") if path.is_file()] == []
    spools.close()


@pytest.mark.parametrize("url", ["s3://", "s3:bucket", "s3://user:secret@bucket", "s3://bucket?colour=red"])
def test_urls_that_name_no_bucket(url):
    """They are refused with what to write instead, and without the password."""
    with pytest.raises(InvalidValue, match="write s3://bucket") as caught:
        storages.open_storage(url)
    assert "secret" not in str(caught.value)


# -- the one of this process


@pytest.fixture
def _none_chosen():
    before = storages.install(None)
    yield
    storages.install(before)


@pytest.mark.usefixtures("_none_chosen")
def test_the_environment_tells(monkeypatch, tmp_path):
    """WEFT_UPLOADS names the storage; without it, it is a folder where the process was started; `use` overrides."""
    monkeypatch.chdir(tmp_path)
    assert storages.storage().folder == tmp_path / "weft-uploads"
    storages.install(None)
    monkeypatch.setenv("WEFT_UPLOADS", "file:elsewhere")
    assert storages.storage().folder == tmp_path / "elsewhere"
    assert storages.storage() is storages.storage()
    chosen = storages.use("file:/var/lib/shop")
    assert storages.storage() is chosen


@pytest.mark.parametrize("url", ["", "uploads", "ftp://host/x", "file:", "file://host/path", "file:x?mode=w"])
def test_urls_that_name_no_storage(url):
    """They are refused with the forms that there are."""
    with pytest.raises(InvalidValue, match="file:uploads"):
        storages.open_storage(url)
