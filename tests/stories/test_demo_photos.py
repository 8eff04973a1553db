"""The demo's photos: what the servers take and refuse, and that a killed worker or a stopped demo loses none."""

import io
import json
import os
import signal
import time
from contextlib import contextmanager

import pytest
import requests
from PIL import Image

from weft.cli.demo.photos.folder import default_folder
from weft.cli.main import main

pytestmark = pytest.mark.slow
ALL = pytest.mark.parametrize("framework", ["flask", "fastapi", "sanic", "django"])
NOT_INSTALLED = ("PIL", "pyvips", "multipart", "msgspec", "cronsim")


def photo(number):
    file = io.BytesIO()
    Image.effect_noise((2400, 1800), 20 + number).convert("RGB").save(file, "JPEG", quality=90)
    return file.getvalue()


def until(true):
    end = time.monotonic() + 60
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


class Page:
    """What the page does, without a browser."""

    def __init__(self, url):
        self.url = f"{url}photos/"

    def post(self, path, **more):
        return requests.post(self.url + path, timeout=30, **more)

    def add(self, name, content, **fields):
        return self.post("add", files={"photo": (name, content, "image/jpeg")}, data=fields)

    def listed(self):
        return requests.get(f"{self.url}list", timeout=30).json()

    def photos(self):
        return self.listed()["photos"]

    def when_done(self):
        until(lambda: all(each["state"] in {"completed", "discarded"} for each in self.photos()))
        return self.photos()


@pytest.fixture
def demo(shown):
    @contextmanager
    def run(framework, **environ):
        with shown(framework, **environ) as (process, url):
            yield process, Page(url)

    return run


@ALL
def test_photos_are_made_small(demo, framework):
    """What is sent is listed, made small, and served as what it is; what is no photo is told so, and harms nobody."""
    with demo(framework) as (_, page):
        page.add("../cat.jpg", photo(1)).raise_for_status()
        page.add("evil.jpg", b"<svg><script>alert(1)</script></svg>").raise_for_status()
        cat, evil = page.when_done()
        small = requests.get(f"{page.url}small/{cat['uid']}", timeout=30)
        assert requests.get(f"{page.url}small/{evil['uid']}", timeout=30).status_code == 404
        assert requests.get(f"{page.url}small/unknown", timeout=30).status_code == 404
    assert (cat["name"], cat["state"], evil["state"]) == ("cat.jpg", "completed", "discarded")
    assert cat["after"] == len(small.content) < cat["before"]
    assert "no format that is known" in evil["error"]
    assert (small.headers["content-type"], small.headers["x-content-type-options"]) == ("image/webp", "nosniff")
    assert Image.open(io.BytesIO(small.content)).size == (1600, 1200)


def test_a_photo_that_comes_twice_is_one(demo, tmp_path):
    """A photo that is sent again with the same id, as the page does when no answer came, is kept once."""
    with demo("flask") as (_, page):
        uids = {page.add("cat.jpg", photo(1), id="one").json()["uid"] for _ in range(2)}
        assert len(uids) == len(page.when_done()) == 1
        assert len([file for file in (tmp_path / "demo" / "photos").iterdir() if file.is_file()]) == 2


@ALL
def test_what_cannot_be_taken_is_explained(demo, framework):
    """A form without a photo, one with two, one that is too large and an impossible id are refused with a sentence."""
    with demo(framework) as (_, page):
        answers = [
            (422, page.post("add", files={"other": ("cat.jpg", b"x")})),
            (413, page.post("add", files=[("photo", ("cat.jpg", b"x")), ("photo", ("dog.jpg", b"x"))])),
            (413, page.add("cat.jpg", b"x" * 50_500_000)),
            (400, page.add("cat.jpg", b"x", id="x" * 101)),
            (404, page.post("do/unheard-of")),
        ]
        assert [answer.status_code for _, answer in answers] == [status for status, _ in answers]
        assert all(json.loads(answer.text)["detail"] for _, answer in answers)
        assert page.photos() == []


@ALL
def test_other_pages_cannot_make_a_browser_do_it(demo, framework):
    """A request that a page of somebody else's sends (its Origin tells) is refused: it kills no worker."""
    with demo(framework) as (_, page):
        worker = until(lambda: page.listed()["worker"]["pid"])
        own = page.url.partition("/photos")[0]
        for origin in ("http://evil.example", "null", own.replace("127.0.0.1", "localhost"), f"{own}0"):
            for path in ("do/kill-worker", "do/forget", "add"):
                assert page.post(path, headers={"Origin": origin}).status_code == 403
        assert page.listed()["worker"] == {"pid": worker, "kills": 0}
        assert requests.get(f"{page.url}do/kill-worker", timeout=30).status_code in {404, 405}
        assert page.post("do/kill-worker", headers={"Origin": own}).json()["worker"]["kills"] == 1
        until(lambda: page.listed()["worker"]["pid"] not in {None, worker})


def test_a_killed_worker_loses_no_photo(demo):
    """The worker is killed again and again while it makes photos small: others take over, and in the end all are."""
    with demo("flask") as (_, page):
        for number in range(8):
            page.add(f"{number}.jpg", photo(number)).raise_for_status()
        for kills in range(3):
            until(lambda: any(each["state"] == "running" for each in page.photos()))
            worker = until(lambda: page.listed()["worker"]["pid"])
            assert page.post("do/kill-worker").json()["worker"]["kills"] == kills + 1
            until(lambda worker=worker: page.listed()["worker"]["pid"] not in {None, worker})
        done = page.when_done()
    assert [each["name"] for each in done] == [f"{number}.jpg" for number in range(8)]
    assert all(each["after"] < each["before"] for each in done)


def test_a_worker_that_dies_by_itself_is_replaced(demo):
    """A worker that is ended by somebody else is started again, too."""
    with demo("flask") as (_, page):
        worker = until(lambda: page.listed()["worker"]["pid"])
        os.kill(worker, signal.SIGTERM)
        until(lambda: page.listed()["worker"]["pid"] not in {None, worker})


def test_the_next_demo_finds_the_photos(demo):
    """What a demo that was stopped has not done, the next one does: the folder has it all."""
    with demo("flask") as (_, page):
        worker = until(lambda: page.listed()["worker"]["pid"])
        os.kill(worker, signal.SIGSTOP)  # nothing is done here
        before = page.add("cat.jpg", photo(1)).json()
        assert before["state"] == "available"
    with demo("sanic") as (_, page):
        (after,) = page.when_done()
    assert (after["uid"], after["state"]) == (before["uid"], "completed")


def test_photos_can_be_removed(demo, tmp_path):
    """All that is finished is forgotten when the person says so, files and all; not while something is under way."""
    with demo("flask") as (_, page):
        worker = until(lambda: page.listed()["worker"]["pid"])
        os.kill(worker, signal.SIGSTOP)
        page.add("cat.jpg", photo(1)).raise_for_status()
        refused = page.post("do/forget")
        assert (refused.status_code, "still" in refused.json()["detail"]) == (409, True)
        os.kill(worker, signal.SIGCONT)
        page.when_done()
        assert page.post("do/forget").json()["photos"] == []
        assert [file.name for file in (tmp_path / "demo" / "photos").iterdir()] == [".incoming"]


@ALL
def test_without_the_extras_the_page_says_what_to_install(demo, framework, tmp_path):
    """Where no imaging library is installed, the demo runs, and its page of photos says what to install."""
    code = f"import sys; sys.modules.update(dict.fromkeys({NOT_INSTALLED}))"
    (tmp_path / "sitecustomize.py").write_text(code)
    with demo(framework, PYTHONPATH=str(tmp_path)) as (_, page):
        words = page.listed()["missing"]
        assert "pip install 'weft[images,jobs]'" in words
        assert (page.add("cat.jpg", photo(1)).status_code, page.add("cat.jpg", b"x").json()["detail"]) == (501, words)
        assert page.post("do/kill-worker").json()["worker"] is None
        assert requests.get(f"{page.url}small/x", timeout=30).status_code == 404
        assert requests.get(page.url.removesuffix("/"), timeout=30).status_code == 200


def test_a_folder_that_cannot_be_made_is_told(tmp_path, capsys):
    """A folder in which nothing can be kept is wrong usage."""
    (tmp_path / "file").write_text("")
    assert main(["demo", "--no-browser", "--folder", str(tmp_path / "file")]) == 2
    assert "Name another folder with --folder" in capsys.readouterr().err


def test_the_folder_is_the_users_own(monkeypatch):
    """By default photos lie where the user's programs keep their state (XDG), and a relative path there counts not."""
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert str(default_folder()) == "/state/weft/demo"
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    assert str(default_folder()) == "/home/ada/.local/state/weft/demo"
