"""Facts about `weft convert`."""

import json
import os
import pty
import re
import signal
import subprocess
import threading

import pytest
from commandline import command, environment, weft
from PIL import Image

COLOR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def photos(tmp_path):
    """Three pictures and one that is damaged."""
    paths = [tmp_path / f"{name}.jpg" for name in "abc"]
    for path in paths:
        Image.effect_noise((400, 300), 50).convert("RGB").save(path, quality=95)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(paths[0].read_bytes()[:9000])
    return [*paths, bad]


def test_files_are_converted_into_a_folder(tmp_path, photos):
    """Each into the folder, under its name and the ending of its format; one bad file stops no other."""
    done = weft("convert", *photos, "--width", 100, "--format", "webp", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.webp", "b.webp", "c.webp"]
    with Image.open(tmp_path / "out" / "a.webp") as image:
        assert image.size == (100, 75)
    assert "bad.jpg  this JPEG file is damaged" in done.stdout
    assert done.stdout.count("%") == 3
    assert "3 pictures converted" in done.stderr
    assert "1 not" in done.stderr
    assert "became" in done.stderr


def test_all_is_well(photos):
    """Status 0 where all are converted; beside the originals where no folder is named."""
    done = weft("convert", *photos[:3], "--format", "avif")
    assert (done.returncode, done.stderr.count("3 pictures converted")) == (0, 1)
    assert photos[0].with_suffix(".avif").exists()


def test_json_is_a_line_for_each(photos):
    """As the help says, and the summary last."""
    done = weft("convert", *photos, "--width", 100, "--format", "png", "--json")
    *results, summary = map(json.loads, done.stdout.splitlines())
    by_name = {result["source"]: result for result in results}
    good, bad = by_name[str(photos[0])], by_name[str(photos[3])]
    assert (good["ok"], good["target"], good["format"]) == (True, str(photos[0].with_suffix(".png")), "png")
    assert good["before"] == photos[0].stat().st_size
    assert good["after"] == photos[0].with_suffix(".png").stat().st_size
    assert (bad["ok"], bad["target"], bad["error"]["kind"]) == (False, None, "UploadRefused")
    assert (summary["ok"], summary["not_ok"], summary["undone"], summary["stopped"]) == (3, 1, 0, None)
    assert summary["before"] == sum(path.stat().st_size for path in photos[:3])
    assert done.stderr == ""


def test_originals_and_what_exists_are_kept(photos, tmp_path):
    """A file that stands there is kept unless told otherwise; an original always."""
    one = photos[0].rename(tmp_path / "a.jpeg")
    before = one.read_bytes()
    assert weft("convert", one, "--overwrite").returncode == 1
    assert one.read_bytes() == before
    target = tmp_path / "b.webp"
    target.write_text("mine")
    assert weft("convert", photos[1], "--format", "webp").returncode == 1
    assert target.read_text() == "mine"
    assert weft("convert", photos[1], "--format", "webp", "--overwrite", "--quiet").stdout == ""
    assert target.read_bytes()[8:12] == b"WEBP"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "required: FILE"),
        (("a.jpg", "--cover"), "write --width and --height"),
        (("a.jpg", "--quality", "101"), "from 1 to 100"),
        (("a.jpg", "--width", "0"), "whole number of 1 or more"),
        (("a.jpg", "--format", "bmp"), "invalid choice"),
        (("a.jpg", "a.png"), "would get one name"),
        (("a.jpg", "--out", "/dev/null/x"), "--out /dev/null/x"),
        (("a.jpg", "--animation", "keep", "--format", "png"), 'write format="webp"'),
    ],
)
def test_wrong_usage_is_told_in_one_line(words, told):
    """Status 2, and what to write instead."""
    done = weft("convert", *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_files_that_are_none_are_told(tmp_path, photos):
    """A missing file, a folder and what is no picture."""
    (tmp_path / "x.svg").write_text("<svg/>")
    done = weft("convert", "missing.jpg", tmp_path, tmp_path / "x.svg", "--json")
    told = [json.loads(line)["error"]["message"] for line in done.stdout.splitlines()[:-1]]
    instead = "send avif, gif, heic, jpeg, png, webp"
    assert set(told) == {
        "No such file or directory",
        "Is a directory",
        f"the file is of no format that is known here: {instead}",
    }


def test_a_terminal_sees_a_bar(photos):
    """On a terminal a line for each, in colour, above a bar; the cursor comes back."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        command("convert", *photos, "--width", 100, "--format", "webp"),
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment(TERM="xterm-256color", COLUMNS="100"),
    )  # fmt: skip
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:
        pass  # Linux says EIO where others say end of file
    os.close(ours)
    assert running.wait(30) == 1
    text = written.decode()
    plain = COLOR.sub("", text)
    assert "0/4" in plain
    assert "saved" in plain
    assert plain.count("✓") == 3
    assert "✗" in plain
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l") >= 0
    assert "Traceback" not in plain


def test_ctrl_c_leaves_nothing_half_done(tmp_path):
    """Status 130 and what is done so far; no half file, no working folder."""
    photo = tmp_path / "big.png"
    Image.effect_noise((2400, 1800), 50).save(photo, compress_level=1)
    names = [tmp_path / f"{number}.png" for number in range(12)]
    for name in names:
        name.hardlink_to(photo)
    (tmp_path / "tmp").mkdir()
    words = command("convert", *names, "--format", "webp", "--out", tmp_path / "out", "--json", "--jobs", 1)
    running = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(TMPDIR=str(tmp_path / "tmp"))
    )
    watchdog = threading.Timer(50, running.kill)
    watchdog.start()
    assert json.loads(running.stdout.readline())["ok"]
    running.send_signal(signal.SIGINT)
    rest, complaints = running.communicate()
    watchdog.cancel()
    assert running.returncode == 130
    summary = json.loads(rest.splitlines()[-1])
    assert summary["stopped"] == "interrupt"
    assert summary["undone"] > 0
    assert b"Traceback" not in complaints
    for made in (tmp_path / "out").iterdir():
        assert made.suffix == ".webp"
        with Image.open(made) as image:
            image.load()
    (common,) = (tmp_path / "tmp").iterdir()
    assert not list(common.iterdir())
