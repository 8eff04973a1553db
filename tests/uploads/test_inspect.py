"""Facts about looking at files by their headers."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image
from sample_pictures import Folder, frames, photo, png_claiming, quarters, save

from weft.uploads import Inspection, Limits, Upload, UploadRefused, inspect, look
from weft.uploads.inspecting.sniffing import sniff

MANY = Limits(frames=1000, megapixels=1000)
STILL = ("jpg", "png", "gif", "webp", "avif", "heic")


@pytest.mark.parametrize("ending", STILL)
@pytest.mark.parametrize("size", [(120, 80), (1, 1), (255, 513)])
def test_the_size_is_in_the_header(tmp_path, ending, size):
    """Of every format that is taken, format, size and frames are found."""
    path = save(quarters(*size), tmp_path / f"a.{ending}")
    if ending == "heic":  # the size that its pixels are coded in; what is shown of it may be less
        size = tuple(extent + extent % 2 if extent > 64 else 64 for extent in size) if size != (120, 80) else size
    wanted = Inspection(ending.replace("jpg", "jpeg"), path.stat().st_size, *size, frames=1)
    assert inspect(path) == wanted


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("p.jpg", {"progressive": True}),
        ("x.jpg", {"exif": b"Exif\0\0" + b"x" * 60_000}),
        ("l.webp", {"lossless": True}),
        ("e.webp", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}),
        ("i.png", {"dpi": (300, 300)}),
    ],
)
def test_variants_are_read(tmp_path, name, options):
    """Progressive JPEG, long metadata, lossless and extended WebP, and chunks before the pixels are no obstacle."""
    seen = look(save(photo(321, 213), tmp_path / name, **options))
    assert (seen.width, seen.height, seen.frames) == (321, 213, 1)


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "avif"])
def test_frames_are_counted(tmp_path, ending):
    """The frames of an animation are counted, and count as pixels."""
    first, *rest = frames(12)
    path = save(first, tmp_path / f"a.{ending}", save_all=True, append_images=rest)
    seen = inspect(path, limits=MANY)
    assert (seen.frames, seen.megapixels) == (12, 12 * 60 * 40 / 1e6)


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "avif"])
def test_animations_are_refused_by_default(tmp_path, ending):
    """One frame is what `Limits()` takes: 413, with the reason."""
    first, *rest = frames(12)
    path = save(first, tmp_path / f"a.{ending}", save_all=True, append_images=rest)
    found = "more than 1" if ending in {"gif", "webp"} else "12"  # these two are counted, and no further than needed
    with pytest.raises(UploadRefused, match=f"has {found} frames: at most 1 are taken") as caught:
        inspect(path)
    assert (caught.value.status, caught.value.reason) == (413, "frames")


def test_one_frame_that_is_larger_than_its_screen_counts(tmp_path):
    """A GIF whose frame reaches beyond its screen has the size that a decoder would make of it."""
    made = bytearray(save(quarters(), tmp_path / "a.gif").read_bytes())
    made[6:10] = b"\x01\0\x01\0"
    (tmp_path / "b.gif").write_bytes(made)
    assert (look(tmp_path / "b.gif").width, look(tmp_path / "b.gif").height) == (120, 80)


@pytest.mark.parametrize(
    "content",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b'\xef\xbb\xbf<?xml version="1.0"?><svg/>',
        b"\n <!DOCTYPE html><script>alert(1)</script>",
        b"<?php system($_GET[0]); ?>",
        b"\x7fELF\x02\x01\x01\0",
        b"MZ\x90\0",
        b"RIFF\x10\0\0\0AVI LIST",
        b"\0" * 100,
    ],
)
def test_what_is_not_known_is_refused(tmp_path, content):
    """SVG, HTML, PHP, programs and anything else: 415, whatever the file is called."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(UploadRefused) as caught:
        inspect(path)
    assert (caught.value.status, caught.value.reason) == (415, "format")


def test_what_is_not_allowed_is_refused(tmp_path):
    """415 for a format that is none of those allowed, and the message says which to send."""
    path = save(quarters(), tmp_path / "a.jpg")  # by its name a JPEG
    path = path.rename(tmp_path / "a.png")
    assert inspect(path, {"jpeg"}).format == "jpeg"
    with pytest.raises(UploadRefused, match="jpeg files are not taken here: send png, webp"):
        inspect(path, {"png", "webp"})


@pytest.mark.parametrize(
    "content",
    [
        b"GIF89a/*" + b" " * 40 + b"*/=1;alert(1)//",
        b"GIF87a",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\0\0",
        b"\xff\xd8" + b"\xff" * 20_000,
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIDAT" + b"\0" * 40,
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"RIFF\0\0\0\0WEBPALPH" + b"\0" * 40,
        b"\0\0\0\x18ftypavif\0\0\0\0avifmif1",
    ],
)
def test_headers_that_are_none_are_refused(tmp_path, content):
    """A file that has the first bytes of a picture, or script behind them, and no picture: 422."""
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(UploadRefused) as caught:
        inspect(path)
    assert (caught.value.status, caught.value.reason) == (422, "damaged")


def test_nothing_is_refused(tmp_path):
    """A file of no bytes: 422."""
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UploadRefused, match="empty") as caught:
        inspect(tmp_path / "a.jpg")
    assert caught.value.status == 422


def test_a_file_of_10_gb_is_refused_unread(tmp_path):
    """Too many bytes: 413, from the size alone."""
    path = tmp_path / "a.jpg"
    with path.open("wb") as file:
        file.truncate(10_000_000_000)
    with pytest.raises(UploadRefused, match="at most 25 MB") as caught:
        inspect(path)
    assert (caught.value.status, caught.value.reason) == (413, "too-large")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp42", "mp4"),
        (b"\0\0\0\x18ftypqt  \0\0\2\0qt  \0\0\0\0", "mov"),
        (b"\0\0\0\x18ftypM4A \0\0\2\0M4A \0\0\0\0", "m4a"),
        (b"\x1aE\xdf\xa3", "webm"),
        (b"ID3\x04", "mp3"),
        (b"\xff\xfb\x90\x64\0", "mp3"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "wav"),
        (b"OggS\0", "ogg"),
        (b"fLaC\0", "flac"),
        (b"%PDF-1.7\n", "pdf"),
        (b"PK\x03\x04", "zip"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"BM", "bmp"),
        (b"II*\0", "tiff"),
        (b"name;born\r\nAda;1815\r\n", "csv"),
        (b"hello\n", "txt"),
        (("x" + "\u00e9" * 3000).encode()[:4096], "txt"),  # the cut halves a character
    ],
)
def test_formats_are_told_by_their_first_bytes(content, wanted):
    """Pictures, sound, video, documents, archives and text are told apart."""
    assert sniff(content) == wanted


BOMBS = """
import json, resource, sys, time
from pathlib import Path
from weft.uploads import look, UploadRefused, Limits
look(Path(sys.argv[1]))  # imports and tables are there before anything is measured
def rss():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
found = []
for name in sys.argv[2:]:
    before, began = rss(), time.perf_counter()
    try:
        look(Path(name))
        said = "taken"
    except UploadRefused as error:
        said = f"{error.status} {error.reason}"
    found.append([Path(name).name, said, time.perf_counter() - began, rss() - before])
print(json.dumps(found))
"""


def bombs(folder):
    """The files of which imaging libraries make hundreds of megabytes."""
    white = Image.new("RGB", (10_000, 10_000), "white")
    first, *rest = frames(200, 300, 300)
    moving = {"save_all": True, "append_images": rest[:4]}
    small = Image.new("RGB", (64, 64))
    yield png_claiming(folder / "12000.png", 12_000, 12_000)
    yield save(white, folder / "progressive.jpg", progressive=True, quality=20)
    yield save(white, folder / "baseline.jpg", quality=20)
    yield save(first, folder / "200.gif", save_all=True, append_images=rest)
    yield save(first, folder / "moving.webp", **moving)
    yield save(first, folder / "moving.png", **moving)
    yield liar(save(small, folder / "liar.webp"), b"\x9d\x01\x2a\x40\0\x40\0", b"\x9d\x01\x2a\xff\x3f\xff\x3f")
    square = b"ispe\0\0\0\0\0\0%b\0\0%b"
    yield liar(save(small, folder / "liar.avif"), square % (b"\0\x40", b"\0\x40"), square % (b"\x75\x30", b"\x75\x30"))


def liar(path, true, false):
    """A small picture that declares a large one."""
    made = path.read_bytes()
    assert made.count(true) == 1
    path.write_bytes(made.replace(true, false))
    return path


def test_bombs_are_refused_from_the_header(tmp_path):
    """Each under 50 MB and 50 ms, in a process that did nothing else: 413."""
    harmless = save(quarters(), tmp_path / "a.png")
    files = [harmless, *bombs(tmp_path)]
    told = subprocess.run([sys.executable, "-c", BOMBS, *map(str, files)], capture_output=True, text=True, check=True)
    found = json.loads(told.stdout)
    assert len(found) == 8
    for name, said, seconds, megabytes in found:
        assert said in {"413 bomb", "413 frames"}, name
        assert seconds < 0.05, name
        assert megabytes < 50, name


def test_a_gif_of_dust_is_given_up(tmp_path):
    """A GIF that is cut into ever so small pieces costs no more than an honest one of its size."""
    made = save(quarters(), tmp_path / "a.gif").read_bytes()[:-1]
    (tmp_path / "b.gif").write_bytes(made + b"\x21\xfe" + b"\x01x" * 2_000_000 + b"\0\x3b")
    with pytest.raises(UploadRefused, match="too many pieces"):
        look(tmp_path / "b.gif", limits=MANY)


def test_it_is_awaited_in_async_code(tmp_path):
    """In a coroutine the same call is awaited, and the file is read on a thread."""
    path = save(quarters(), tmp_path / "a.png")

    async def main():
        return await inspect(path)

    assert asyncio.run(main()) == inspect(path)


def test_an_upload_is_looked_up_in_its_storage(tmp_path):
    """An `Upload` is found in the storage that is named."""
    storage = Folder(tmp_path / "kept")
    save(quarters(), storage.path / "a.png")
    assert inspect(Upload("a.png", 0, ""), storage=storage).width == 120
    with pytest.raises(FileNotFoundError):
        inspect(Upload("b.png", 0, ""), storage=storage)


def test_users_bring_their_own_probes(tmp_path, monkeypatch):
    """The table of probes is the user's to change."""
    from weft.uploads import PROBES

    monkeypatch.setitem(PROBES, "bmp", lambda path, limits: Inspection("bmp", 2, 7, 7, 1))
    (tmp_path / "a.bmp").write_bytes(b"BM")
    assert inspect(tmp_path / "a.bmp").width == 7


def test_refusals_travel_between_processes():
    """A refusal is the same behind a pickle."""
    import pickle

    before = UploadRefused(413, "bomb", "too much", retry_after=2.0)
    after = pickle.loads(pickle.dumps(before))
    assert (after.status, after.reason, str(after), after.retry_after) == (413, "bomb", "too much", 2.0)


def test_heic_collections_have_one_picture(tmp_path):
    """A HEIC file with a thumbnail has the size of its picture."""
    heif = pillow_heif.from_pillow(quarters(640, 480))
    heif.save(tmp_path / "a.heic", thumbnails=[64])
    seen = look(Path(tmp_path / "a.heic"))
    assert (seen.width, seen.height) == (640, 480)
