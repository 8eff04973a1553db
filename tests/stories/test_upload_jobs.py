"""Uploads and jobs together: two rooms that do not know each other, in one application."""

import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image as Pillow

sys.path.insert(0, str(Path(__file__).parent))

import upload_jobs

import weft
from weft.jobs import stores
from weft.jobs.codec import Signature, decode_json, encode_json
from weft.uploads import convert
from weft.uploads.storing import storages

pytestmark = pytest.mark.slow


class Folder:
    """A storage that is a folder."""

    def __init__(self, path):
        self.path = path
        path.mkdir()

    def put(self, source, key):
        shutil.move(source, self.path / key)

    def open(self, key):
        return (self.path / key).open("rb")

    @contextmanager
    def local(self, key):
        yield self.path / key

    def delete(self, key):
        (self.path / key).unlink(missing_ok=True)


@pytest.fixture
def storage(tmp_path):
    made = Folder(tmp_path / "kept")
    before = storages.install(made)
    yield made
    storages.install(before)


@pytest.fixture
def store(tmp_path):
    yield weft.jobs.use(f"sqlite:{tmp_path / 'jobs.db'}")
    found, stores._store = stores._store, None
    found.close()


@pytest.fixture
def uploads(tmp_path, storage):
    """Photos as a request leaves them: in the storage, with a note of each."""
    found = []
    for number in range(3):
        source = tmp_path / f"{number}.jpg"
        Pillow.effect_noise((400, 300), 20 * (number + 1)).convert("RGB").save(source)
        found.append(convert(source, weft.uploads.Image()))
    return found


def test_an_upload_is_carried_unchanged(uploads):
    """As a job's argument and as its result, alone and in lists, with all that stands in it."""
    full = weft.Upload(
        "key.jpg", 2**40, "sha256:" + "0" * 64, "jpeg", "Zoë ☃ \u2028.jpg", {"receive": 0.1, "inspect": 1e-9}
    )
    bare = weft.Upload("k", 0, "")
    for upload in (*uploads, full, bare):
        assert decode_json(encode_json(upload), weft.Upload) == upload
        signature = Signature(upload_jobs.compress.fn, "compress")
        assert signature.decode(signature.encode((upload, 60), {})) == ((), {"upload": upload, "width": 60})
        assert signature.result_type is weft.Upload


def test_a_batch_as_durable_jobs(store, uploads, storage):
    """Each file is a job; the handles of all tell how far the batch has come, and what was made."""
    with running():
        handles = [upload_jobs.compress.enqueue(upload, 60) for upload in uploads]
        handles += [upload_jobs.compress_async.enqueue(upload, 60) for upload in uploads]
        made = [handle.result(timeout=20) for handle in handles]
    assert {str(handle.status()) for handle in handles} == {"completed"}
    assert all(isinstance(each, weft.Upload) for each in made)
    for each in made:
        with Pillow.open(storage.path / each.key) as picture:
            assert (picture.format, picture.size) == ("WEBP", (60, 45))
    assert [each.filename for each in made] == ["0.webp", "1.webp", "2.webp"] * 2


def test_lists_of_uploads_are_carried(store, uploads):
    """As a whole batch in one job."""
    with running():
        assert upload_jobs.echo.enqueue(uploads).result(timeout=20) == uploads


@contextmanager
def running():
    worker = weft.jobs.embedded(default=2)
    try:
        yield
    finally:
        worker.stop()
