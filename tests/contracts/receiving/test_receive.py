"""What a view that receives files is promised, whatever its framework: one application, one suite, real servers."""

import os
import signal
import threading

import pytest
from bodies import BOUNDARY, chunk, digest, form, part
from sites import ALL, FASTAPI, FLASK, STREAMING, head, read, reset, running

pytestmark = pytest.mark.slow
PHOTO = os.urandom(1_500_000)
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """Stack -> its site, started at first use."""
    from contextlib import ExitStack

    found = {}
    with ExitStack() as stack:

        def site(name):
            if name not in found:
                found[name] = stack.enter_context(running(ALL[name], tmp_path_factory.mktemp("app")))
            return found[name]

        yield site


@pytest.fixture(params=ALL)
def site(request, sites):
    """Each of the frameworks."""
    return sites(request.param)


@pytest.fixture(params=STREAMING)
def streaming(request, sites):
    """Those whose views are called before the body is there."""
    return sites(request.param)


@pytest.fixture(autouse=True)
def _nothing_else_is_left(request):
    """Whatever happens, what is in the storage is what a test was told of, and nothing is on its way."""
    name = "site" if "site" in request.fixturenames else "streaming" if "streaming" in request.fixturenames else None
    if name is None:
        yield
        return
    site = request.getfixturevalue(name)
    before = site.kept()
    yield
    site.wait_until(lambda: not site.arriving() and site.debug()["under_way"] == 0)
    expected = getattr(request.node, "expected", set())
    site.wait_until(lambda: site.kept() - before == expected)


def taken(request, answer):
    """The files of an answer, which may be kept."""
    assert answer.status == 200, answer
    found = answer.json["files"]
    request.node.expected = {key for files in found.values() for key, *_ in files}
    return found


# -- what is good


def test_files_and_fields(request, site):
    """Files are in the storage, whole, with size and digest, under keys of ours; fields are text."""
    body = form(
        part("title", "Grüße".encode()),
        part("photo", PHOTO, "cat.png", "image/png"),
        part("tag", b"a"),
        part("more", b"1", "one.txt"),
        part("tag", b"b"),
        part("more", b"22", "two.txt"),
    )
    answer = site.send(body)
    files = taken(request, answer)
    assert answer.json["fields"] == {"title": ["Grüße"], "tag": ["a", "b"]}
    [[key, size, found, format_, filename]] = files["photo"]
    assert (size, found, format_, filename) == (len(PHOTO), digest(PHOTO), None, "cat.png")
    assert (site.folder / "kept" / key).read_bytes() == PHOTO
    assert [(size, filename) for _, size, _, _, filename in files["more"]] == [(1, "one.txt"), (2, "two.txt")]


def test_a_raw_body_is_one_file(request, site):
    """A body that is no form is taken as a file where the view says so."""
    answer = site.send(PHOTO, "/upload?raw=photo&filename=../cat.png", "POST", Content_Type="image/png")
    [[key, size, found, _, filename]] = taken(request, answer)["photo"]
    assert (size, found, filename) == (len(PHOTO), digest(PHOTO), "cat.png")
    assert (site.folder / "kept" / key).read_bytes() == PHOTO


def test_a_body_in_chunks(request, streaming):
    """A body whose length was not announced is taken as any other."""
    body = form(part("photo", PHOTO, "cat.png"))
    with streaming.connect() as connection:
        connection.sendall(head(Transfer_Encoding="chunked"))
        for start in range(0, len(body), 100_000):
            connection.sendall(chunk(body[start : start + 100_000]))
        connection.sendall(chunk(b""))
        assert taken(request, read(connection))["photo"][0][2] == digest(PHOTO)


def test_a_file_input_left_empty(request, site):
    """As browsers send it: it is no file."""
    answer = site.send(form(part("photo", b"", ""), part("title", b"x")))
    assert taken(request, answer) == {}
    assert answer.json["fields"] == {"title": ["x"]}


@pytest.mark.parametrize("path", ["/async"])
def test_an_async_view_of_flask(request, sites, path):
    """It awaits the same function."""
    answer = sites("Flask, gunicorn").send(form(part("photo", PHOTO, "cat.png")), path)
    assert taken(request, answer)["photo"][0][2] == digest(PHOTO)


def test_a_plain_view_of_django_under_asgi(request, sites):
    """It is called on a thread, and blocks."""
    answer = sites("Django, uvicorn").send(form(part("photo", PHOTO, "cat.png")), "/plain")
    assert taken(request, answer)["photo"][0][2] == digest(PHOTO)


def test_a_handler_of_sanic_that_does_not_stream(request, sites):
    """Its body was read by Sanic, and is taken from there."""
    answer = sites("Sanic").send(form(part("photo", PHOTO, "cat.png")), "/buffered")
    assert taken(request, answer)["photo"][0][2] == digest(PHOTO)


# -- what is not


END = f"--{BOUNDARY}--\r\n".encode()


def of(*parts, end=END):
    return b"".join(parts) + end


FILE = part("photo", b"x" * 10_000, "x.bin")
REFUSED = {
    "a large file": (of(part("photo", b"x" * 3_000_001, "x.bin")), {}, 413, "too-large"),
    "a large request": (of(*[part("photo", b"x" * 2_999_000, "x.bin")] * 3), {}, 413, "too-large"),
    "many files": (of(*[FILE] * 4), {}, 413, "files"),
    "many fields": (of(*[part("title", b"")] * 4), {}, 413, "fields"),
    "a large field": (of(part("title", b"x" * 1001)), {}, 413, "too-large"),
    "no text in a field": (of(FILE, part("title", b"\xff")), {}, 422, "field"),
    "an empty file": (of(FILE, part("photo", b"", "x.bin")), {}, 422, "empty"),
    "an empty body": (b"", {}, 400, "multipart"),
    "no end": (of(FILE, end=b""), {}, 400, "multipart"),
    "half an end": (of(FILE, end=f"--{BOUNDARY}".encode()), {}, 400, "multipart"),
    "another boundary": (of(FILE).replace(BOUNDARY.encode(), b"another"), {}, 400, "multipart"),
    "rubbish after a boundary": (of(FILE, f"--{BOUNDARY}rubbish\r\n".encode()), {}, 400, "multipart"),
    "no disposition": (of(f"--{BOUNDARY}\r\n\r\nx\r\n".encode()), {}, 400, "multipart"),
    "an endless header": (of(FILE, f"--{BOUNDARY}\r\nX: {'x' * 100_000}\r\n".encode()), {}, 400, "multipart"),
    "many headers": (of(FILE, f"--{BOUNDARY}\r\n{'X: x' * 1000}\r\n".encode()), {}, 400, "multipart"),
    "no boundary": (of(FILE), {"Content_Type": "multipart/form-data"}, 400, "multipart"),
    "no form": (b"{}", {"Content_Type": "application/json"}, 415, "content-type"),
    "no type": (b"{}", {"Content_Type": ""}, 415, "content-type"),
    "a form without files": (b"a=b", {"Content_Type": "application/x-www-form-urlencoded"}, 415, "content-type"),
    "a compressed form": (of(FILE), {"Content_Encoding": "gzip"}, 415, "content-encoding"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(site, what):
    """It is answered with its status and the reason, and nothing of it is kept."""
    body, headers, status, reason = REFUSED[what]
    answer = site.send(body, **headers)
    if answer.status == 0:  # the server closed while we were sending, and the system threw its answer away
        assert len(body) > 1_000_000
        return
    assert (answer.status, answer.headers["content-type"], answer.reason) == (status, PROBLEM, reason)


def test_ten_gigabytes_announced(streaming):
    """They are refused before any of them is read."""
    with streaming.connect() as connection:
        connection.sendall(head(Content_Length="10000000000") + part("photo", b"x", "x.bin")[:-2])
        answer = read(connection)
    assert (answer.status, answer.reason) == (413, "too-large")


def test_ten_gigabytes_not_announced(streaming):
    """They are cut off at the limit; what is sent by then is little more."""
    sent = 0
    with streaming.connect() as connection:
        connection.sendall(head(Transfer_Encoding="chunked") + chunk(part("photo", b"", "x.bin")[:-2]))
        try:
            while sent < 10_000_000_000:
                connection.sendall(chunk(b"x" * 100_000))
                sent += 100_000
        except ConnectionError:
            pass
        answer = read(connection)
    assert answer.status in {0, 413}
    assert sent < 50_000_000


@pytest.mark.parametrize("length", ["-1", "x", "1_000", "0x10", "1, 2"])
def test_lengths_that_are_none(site, length):
    """They are refused, by the server or by us."""
    with site.connect() as connection:
        connection.sendall(head(Content_Length=length))
        assert read(connection).status == 400


def test_a_slow_client(streaming):
    """One that sends a byte now and then is cut off when its time is over, with 408."""
    with streaming.connect() as connection:
        connection.sendall(head("/upload?seconds=0.5", Content_Length="1000000") + FILE)
        answered = threading.Event()

        def drip():
            while not answered.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        answer = read(connection)
        answered.set()
        thread.join()
    assert (answer.status, answer.reason) == (408, "slow")


def test_a_silent_client(streaming):
    """One that sends nothing more is cut off as well."""
    with streaming.connect() as connection:
        connection.sendall(head("/upload?seconds=0.3", Content_Length="1000000") + FILE)
        answer = read(connection)
    assert (answer.status, answer.reason) == (408, "slow")


STAGES = {
    "before the body": b"",
    "in the head of a part": FILE[:30],
    "in a file": part("photo", b"x" * 700_000, "x.bin")[:-2],
    "between the parts": FILE,
    "in the last boundary": of(FILE)[:-6],
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("leave", [reset, lambda connection: connection.close()], ids=["reset", "close"])
def test_clients_that_go_away(site, stage, leave):
    """They leave nothing behind, and harm nobody."""
    for _ in range(3):
        connection = site.connect()
        connection.sendall(head(Content_Length="1000000") + STAGES[stage])
        leave(connection)


def test_one_that_goes_away_while_its_file_is_on_the_disk(streaming):
    """What was on the disk of it is removed."""
    with streaming.connect() as connection:
        connection.sendall(head(Content_Length="4000000") + part("photo", PHOTO, "x.bin")[:-2])
        streaming.wait_until(streaming.arriving)
        reset(connection)


def test_a_user_has_so_many_uploads(request, streaming):
    """One more is refused with 429 and when to come back; that of another user is not."""
    with streaming.connect() as connection:
        connection.sendall(head("/upload?user=ada", Content_Length="4000000") + part("photo", PHOTO, "x.bin")[:-2])
        streaming.wait_until(streaming.arriving)
        answer = streaming.send(of(FILE), "/upload?user=ada")
        assert (answer.status, answer.reason, answer.headers["retry-after"]) == (429, "uploads", "5")
        others = taken(request, streaming.send(of(FILE), "/upload?user=bob"))
        reset(connection)
    streaming.wait_until(lambda: streaming.debug()["under_way"] == 0)
    again = taken(request, streaming.send(of(FILE), "/upload?user=ada"))
    request.node.expected = {files["photo"][0][0] for files in (others, again)}


def test_a_storage_that_fails_half_way(site):
    """The first of two files is taken back; the answer says that it is no fault of the client's, and no names."""
    answer = site.send(of(FILE, FILE), "/upload?storage=failing")
    assert (answer.status, answer.headers["content-type"]) == (503, PROBLEM)
    assert b"example.org" not in answer.body


def test_a_full_disk(site):
    """It is answered with 507."""
    answer = site.send(of(FILE), "/upload?storage=full")
    assert (answer.status, answer.headers["content-type"]) == (507, PROBLEM)


HOSTILE = {
    "../../etc/passwd": "passwd",
    "..\\..\\boot.ini": "boot.ini",
    "/etc/cron.d/x": "x",
    ".htaccess": "htaccess",
    "a\u202egnp.exe": "agnp.exe",
    "x\x00y\x1b[31m.png": "xy[31m.png",
    "..": "",
    "x" * 300 + ".png": "x" * 116 + ".png",
    "%0D%0ASet-Cookie: x": "Set-Cookie: x",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(request, site, name):
    """They are shown harmless, and name nothing on the disk."""
    answer = site.send(of(part("photo", b"x", name).replace(b"%0D%0A", b"%0D%0A")))
    [[key, *_, filename]] = taken(request, answer)["photo"]
    assert filename == HOSTILE[name]
    assert (site.folder / "kept" / key).read_bytes() == b"x"


@pytest.mark.parametrize("stack", [FLASK, FASTAPI], ids=["Flask, gunicorn", "FastAPI, uvicorn"])
def test_a_killed_server(stack, tmp_path):
    """What it had received in part is swept when the next one starts to receive, and what was kept stays."""
    with running(stack, tmp_path) as site:
        kept = site.send(of(FILE)).json["files"]["photo"][0][0]
        with site.connect() as connection:
            connection.sendall(head(Content_Length="4000000") + part("photo", PHOTO, "x.bin")[:-2])
            site.wait_until(site.arriving)
            os.killpg(site.server.pid, signal.SIGKILL)
            read(connection)
    [left] = site.arriving()
    with running(stack, tmp_path) as site:
        other = site.send(of(FILE)).json["files"]["photo"][0][0]
        assert site.arriving() == []
        assert site.kept() == {kept, other}
        assert not left.parent.exists()
