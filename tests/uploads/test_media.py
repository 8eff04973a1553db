"""Facts about audio and video: what ffmpeg may do, and that it is gone when its time is up."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from PIL import Image
from sample_pictures import Folder

import weft
from weft.errors import InvalidValue
from weft.uploads import Limits, Media, Poster, UploadRefused, convert
from weft.uploads.converting import places, workplaces
from weft.uploads.files.media import find_ffmpeg, make_media, make_poster

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture(scope="module", autouse=True)
def home():
    """The folder in which this process works; its lock is kept open for the life of the process."""
    return workplaces._home_of_this_process()


@pytest.fixture(autouse=True)
def _as_at_the_beginning(no_leaks, home):
    yield
    places.close()
    places._budget = None
    weft.close(grace=5)
    assert not list(home.iterdir()), "folders left behind"
    assert not running(), "programs left behind"


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A video with sound, one without, a large one, a long one, and a sound."""
    folder = tmp_path_factory.mktemp("samples")

    def generate(name, *sources, more=()):
        inputs = [word for source in sources for word in ("-f", "lavfi", "-i", source)]
        command = [find_ffmpeg(), "-v", "error", *inputs, *more, str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    generate(
        "video.mp4", "testsrc=size=321x241:rate=10:duration=2", "sine=duration=2", more=("-metadata", "title=At home")
    )
    generate("silent.webm", "testsrc=size=320x240:rate=5:duration=1")
    generate("large.mp4", "testsrc=size=2000x1500:rate=1:duration=1")
    generate("long.mp4", "testsrc=size=640x480:rate=5:duration=600", more=("-preset", "ultrafast", "-g", "9999"))
    generate("sound.wav", "sine=duration=2")
    return folder


@pytest.fixture
def storage(tmp_path):
    return Folder(tmp_path / "kept")


def running():
    """The process ids of ffmpegs that were started from here."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if b"-protocol_whitelist" in words:
            found.append(int(entry.name))
    return found


def facts(path):
    """What ffmpeg itself says of a file."""
    command = [find_ffmpeg(), "-hide_banner", "-i", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def refusal(source, recipe, storage, limits=None):
    with pytest.raises(UploadRefused) as caught:
        convert(source, recipe, limits, storage=storage)
    assert not list(storage.path.iterdir())
    return caught.value.status, caught.value.reason


@pytest.mark.parametrize("wanted", ["mp4", "webm", "mp3", "m4a", "ogg", "flac", "wav"])
@pytest.mark.parametrize("name", ["video.mp4", "sound.wav"])
def test_media_in_all_formats(samples, tmp_path, name, wanted):
    """Video stays where the format has any, sound in all; what the file carried along is dropped."""
    (made,) = make_media(samples / name, Media(wanted, width=100), tmp_path, Limits())
    told = facts(made.path)
    assert ("Video:" in told) == (name == "video.mp4" and wanted in {"mp4", "webm"})
    assert "Audio:" in told
    assert "At home" not in told
    if "Video:" in told:
        assert re.search(r" 100x7[46][, ]", told)


def test_a_width_never_scales_up(samples, tmp_path):
    """And an odd size becomes even, which H.264 needs."""
    (made,) = make_media(samples / "video.mp4", Media("mp4", width=4000), tmp_path, Limits())
    assert re.search(r" 320x240[, ]", facts(made.path))


@pytest.mark.parametrize("wanted", ["jpeg", "png", "webp"])
def test_a_poster(samples, tmp_path, wanted):
    """A picture of the video, in the format asked for; of a short one its first."""
    for at in (0.0, 1.0, 99.0):
        (made,) = make_poster(samples / "video.mp4", Poster(at, width=160, format=wanted), tmp_path, Limits())
        with Image.open(made.path) as picture:
            assert picture.format.lower() == wanted
            assert picture.size == (160, 120)
        made.path.unlink()


def test_through_the_runner(samples, storage):
    """In a process of its own, and kept as any upload."""
    made = convert(samples / "video.mp4", Poster(), storage=storage)
    assert made.filename == "video.jpeg"
    assert (storage.path / made.key).stat().st_size == made.size


def test_what_is_not_in_it_is_told(samples, storage):
    """No picture in a sound, no sound in a silent video."""
    assert refusal(samples / "sound.wav", Poster(), storage) == (422, "nothing")
    assert refusal(samples / "silent.webm", Media("mp3"), storage) == (422, "nothing")


def test_limits_hold(samples, storage):
    """Pixels of a picture, bytes of what is made."""
    assert refusal(samples / "large.mp4", Poster(), storage, Limits(megapixels=2)) == (413, "too-large")
    assert refusal(samples / "large.mp4", Media(), storage, Limits(megapixels=2)) == (413, "too-large")
    assert refusal(samples / "sound.wav", Media("wav"), storage, Limits(unpacked=20_000)) == (413, "too-large")


def test_its_time_is_limited(samples, storage):
    """The program is killed when the time is up."""
    began = time.monotonic()
    assert refusal(samples / "long.mp4", Media("webm"), storage, Limits(seconds=0.5)) == (422, "slow")
    assert time.monotonic() - began < 3
    gone()


def gone():
    for _ in range(500):
        if not running():
            return
        threading.Event().wait(0.01)
    pytest.fail("ffmpeg is still running")


def begun():
    for _ in range(1000):
        if running():
            return
        threading.Event().wait(0.01)
    pytest.fail("ffmpeg has not begun")


def test_cancellation_kills_it(samples, storage):
    """Who no longer waits for a conversion ends it, its process and the program."""

    async def main():
        task = asyncio.ensure_future(convert(samples / "long.mp4", Media("webm"), storage=storage))
        await asyncio.to_thread(begun)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(gone)

    asyncio.run(main())
    assert not list(storage.path.iterdir())


def test_it_dies_with_its_process(samples, storage):
    """Also where that is killed and can tell nobody."""
    killer = threading.Thread(target=lambda: (begun(), os.kill(parent_of(running()[0]), signal.SIGKILL)))
    killer.start()
    with pytest.raises(weft.WorkerCrashed):
        convert(samples / "long.mp4", Media("webm"), storage=storage)
    killer.join()
    gone()


def parent_of(pid):
    return int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


HOSTILE = {
    "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "remote playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:%d/x.ts\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "subtitles": b"1\n00:00:00,000 --> 00:00:01,000\nHello\n",
    "noise": bytes(range(256)) * 40,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_read_other_files_is_refused(tmp_path, storage, name):
    """By its first bytes, and by ffmpeg itself where those are of a video; nothing is asked for over the network."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        content = HOSTILE[name]
        content = content % server.getsockname()[1] if b"%d" in content else content
        source = tmp_path / "a.mp4"
        source.write_bytes(content)
        assert refusal(source, Media(), storage)[0] == 415
        (tmp_path / "made").mkdir()
        with pytest.raises(UploadRefused):  # as if it had come through the first look
            make_media(source, Media(), tmp_path / "made", Limits())
        with pytest.raises(BlockingIOError):
            server.accept()


def test_broken_files_are_refused(samples, tmp_path, storage):
    """Cut off, filled with zeros, or empty; what ffmpeg says of it is for our own eyes."""
    whole = (samples / "video.mp4").read_bytes()
    source = tmp_path / "a.mp4"
    for content, status in ((whole[:3000], 422), (whole[:40] + bytes(5000), 422), (b"", 422)):
        source.write_bytes(content)
        with pytest.raises(UploadRefused) as caught:
            convert(source, Media(), storage=storage)
        assert caught.value.status == status
        assert str(tmp_path) not in str(caught.value)


def test_ffmpeg_is_found(monkeypatch, tmp_path):
    """By the environment, on the path, from imageio-ffmpeg; where there is none, what to install is told."""
    monkeypatch.delenv("WEFT_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "imageio_ffmpeg" in find_ffmpeg()
    program = shutil.copy("/bin/true", tmp_path / "ffmpeg")
    assert find_ffmpeg() == str(program)
    monkeypatch.setenv("WEFT_FFMPEG", "/opt/ffmpeg")
    assert find_ffmpeg() == "/opt/ffmpeg"
    monkeypatch.delenv("WEFT_FFMPEG")
    program.unlink()
    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", fail)
    with pytest.raises(ImportError, match=r"apt install ffmpeg.*weft\[media\]"):
        find_ffmpeg()


def fail():
    raise RuntimeError("no ffmpeg exe could be found")


def test_a_program_that_is_not_there_is_told(samples, tmp_path, monkeypatch):
    """With the name of the setting that is wrong."""
    monkeypatch.setenv("WEFT_FFMPEG", str(tmp_path / "missing"))
    with pytest.raises(ImportError, match="WEFT_FFMPEG"):
        make_media(samples / "sound.wav", Media("mp3"), tmp_path, Limits())


def test_impossible_recipes_are_refused_where_they_are_written():
    """With what to write instead."""
    for wrong in (lambda: Media("avi"), lambda: Media(width=0), lambda: Poster(at=-1), lambda: Poster(format="gif")):
        with pytest.raises(InvalidValue, match="write"):
            wrong()
