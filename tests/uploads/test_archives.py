"""Facts about archives: nothing in them is believed, and a bomb is told from its directory."""

import io
import resource
import struct
import time
import zipfile

import pytest
from documents import archive, document, lying, nameless, overlapping, workbook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_pictures import Folder, quarters, save

from weft.uploads import Limits, Unzip, UploadRefused, convert, inspect
from weft.uploads.files.unzip import make_unzipped

ROOMY = Limits(unpacked=2_000_000_000)


@pytest.fixture
def unzipped(tmp_path):
    """Unpack, and give what came of it; all that is written is in its folder."""

    def unzip(content, recipe=None, limits=None):
        source, folder = tmp_path / "source", tmp_path / "made"
        source.write_bytes(content)
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        try:
            return make_unzipped(source, recipe or Unzip(), folder, limits or Limits())
        finally:
            assert {path.name for path in tmp_path.iterdir()} == {"source", "made"}
            assert all(path.name.isdigit() for path in folder.iterdir())

    return unzip


def refusal(unzipped, content, recipe=None, limits=None):
    with pytest.raises(UploadRefused) as caught:
        unzipped(content, recipe, limits)
    return caught.value.status, caught.value.reason


def test_the_files_come_out_under_names_of_ours(unzipped, tmp_path):
    """With the format that each proved to have, and its own name to be shown."""
    picture = save(quarters(), tmp_path / "made.jpg").read_bytes()
    (tmp_path / "made.jpg").unlink()
    made = unzipped(archive({"a/photo.txt": picture, "b/notes.md": "# Notes", "c.pdf": document(), "d": b"\0\1"}))
    assert [(one.format, one.filename) for one in made] == [
        ("jpeg", "photo.txt"), ("txt", "notes.md"), ("pdf", "c.pdf"), ("bin", "d"),
    ]  # fmt: skip
    assert made[0].path.read_bytes() == picture


def test_each_file_becomes_an_upload(tmp_path):
    """With a key of its own."""
    source, storage = tmp_path / "a.zip", Folder(tmp_path / "kept")
    source.write_bytes(archive({"x/a.txt": "first", "y/a.txt": "second"}))
    made = convert(source, Unzip(allow={"txt"}), storage=storage)
    assert [one.filename for one in made] == ["a.txt", "a.txt"]
    assert [(storage.path / one.key).read_text() for one in made] == ["first", "second"]


def test_folders_and_noise_are_left_out(unzipped):
    """What systems put in by themselves is nobody's upload."""
    made = unzipped(archive({"a/": "", "a/b.txt": "b", "__MACOSX/a/._b.txt": "\0", "a/.DS_Store": "\0"}))
    assert [one.filename for one in made] == ["b.txt"]


HOSTILE = [
    "../evil.txt", "a/../../evil.txt", "/etc/passwd", "C:evil.txt", "C:\\evil.txt", "..\\evil.txt", "a\\b.txt",
    "\\\\server\\share", "a//b.txt", "./a.txt", "a/./b.txt", "new\nline.txt", "bell\7.txt", "right\u202eleft.txt",
    "x" * 300, "/".join("x" * 40), "file.txt:stream",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused(unzipped, name):
    """The archive as a whole, before anything is written."""
    assert refusal(unzipped, archive({"good.txt": "x", name: "x"})) == (422, "name")


def test_a_name_cut_by_a_nul_byte_is_refused(unzipped):
    """Python's own reader would show what stands before it."""
    content = archive({"good.txt@.exe": "x"}).replace(b"good.txt@", b"good.txt\0")
    assert refusal(unzipped, content) == (422, "name")


def test_an_empty_name_is_refused(unzipped, tmp_path):
    """It can be looked at, and not unpacked."""
    assert refusal(unzipped, nameless()) == (422, "name")
    assert inspect(tmp_path / "source").files == 1


def test_names_that_are_alike_are_refused(unzipped):
    """On some systems they would be one file."""
    for other in ("A.TXT", "a.txt"):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as writing:
            writing.writestr("a.txt", "1")
            if other == "a.txt":
                with pytest.warns(UserWarning, match="Duplicate"):
                    writing.writestr(other, "2")
            else:
                writing.writestr(other, "2")
        assert refusal(unzipped, made.getvalue()) == (422, "name")
    assert refusal(unzipped, archive({"caf\u00e9": "1", "cafe\u0301": "2"})) == (422, "name")


@pytest.mark.parametrize("mode", [0o120777, 0o010644, 0o020644, 0o060644, 0o140644])
def test_links_and_devices_are_refused(unzipped, mode):
    """Whatever they point to."""
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = mode << 16
    assert refusal(unzipped, archive({link: "/etc/passwd"})) == (422, "name")


def test_what_is_not_allowed_inside_is_refused(unzipped):
    """By what it is, and not by what it is called."""
    assert refusal(unzipped, archive({"a.jpg": "<script>"}), Unzip(allow={"jpeg"})) == (415, "format")
    assert refusal(unzipped, archive({"a.jpg": document()}), Unzip(allow={"jpeg"})) == (415, "format")
    assert len(unzipped(archive({"a.jpg": document()}), Unzip(allow={"pdf"}))) == 1


def test_an_archive_in_an_archive_is_refused(unzipped):
    """By its name, or by its first bytes where the name lies; a workbook is none."""
    inner = archive({"a.txt": "x"})
    assert refusal(unzipped, archive({"a.ZIP": inner})) == (415, "format")
    for content in (inner, b"\x1f\x8b\x08" + bytes(20), b"7z\xbc\xaf\x27\x1c" + bytes(20), b"Rar!\x1a\x07\x00"):
        assert refusal(unzipped, archive({"a.txt": content})) == (415, "format")
    assert [one.format for one in unzipped(archive({"a": workbook("")}))] == ["xlsx"]


def test_limits_hold(unzipped):
    """On the number of files, and on what they come to."""
    content = archive({f"{n}.txt": "x" * 1000 for n in range(20)})
    assert len(unzipped(content)) == 20
    assert refusal(unzipped, content, limits=Limits(files=19)) == (413, "files")
    assert refusal(unzipped, content, limits=Limits(unpacked=19_999)) == (413, "bomb")


def zip_of_zips():
    """16 archives in each of 16 archives: 42.zip's idea."""
    inner = archive({"0.bin": bytes(4_000_000)})
    for _ in range(2):
        inner = archive({f"lib {n}.zip": inner for n in range(16)})
    return inner


BOMBS = {
    "zeros": lambda: archive({f"{n}.txt": bytes(10_000_000) for n in range(10)}),
    "overlapping": lambda: overlapping(250, 1_000_000),
    "many": lambda: overlapping(60_000, 1),
    "zip of zips": zip_of_zips,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_from_the_directory(unzipped, name, tmp_path):
    """In less than 50 ms and 50 MB, with nothing written."""
    content = BOMBS[name]()
    (tmp_path / "source").write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(3):
        began = time.perf_counter()
        assert refusal(unzipped, content, limits=ROOMY)[0] in {413, 415}
        times.append(time.perf_counter() - began)
    assert min(times) < 0.05
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
    assert not list((tmp_path / "made").iterdir())


def test_a_lying_directory_is_found_out_while_unpacking(unzipped, tmp_path):
    """No file is written further than the directory says."""
    assert refusal(unzipped, lying("a.txt", bytes(5_000_000), 1000)) == (422, "damaged")
    assert max(path.stat().st_size for path in (tmp_path / "made").iterdir()) <= 1000
    assert refusal(unzipped, lying("a.txt", bytes(1000), 5000)) == (422, "damaged")


def directory(content):
    """Where its directory starts, and where its end stands."""
    end = content.rindex(b"PK\5\6")
    return struct.unpack_from("<L", content, end + 16)[0], end


def changed(content, at, layout, value):
    made = bytearray(content)
    struct.pack_into(layout, made, at, value)
    return bytes(made)


def test_what_is_no_whole_archive_is_refused(unzipped):
    """422, wherever it is broken."""
    whole = archive({"a.txt": "hello", "b.txt": "world"})
    start, end = directory(whole)
    broken = {
        "cut": whole[:-5],
        "head": whole[:60],
        "in front": b"MZ" + whole,
        "behind": whole + b"<?php",
        "fewer": changed(changed(whole, end + 8, "<H", 3), end + 10, "<H", 3),
        "more": changed(changed(whole, end + 8, "<H", 1), end + 10, "<H", 1),
        "disks": changed(whole, end + 4, "<H", 1),
        "elsewhere": changed(whole, end + 16, "<L", start + 1),
        "entry": changed(whole, start, "<L", 0),
        "crc": changed(whole, start + 16, "<L", 1),
        "deflate": whole[:35] + b"\xff" + whole[36:],
    }
    for name, content in broken.items():
        assert content != whole
        assert refusal(unzipped, content) == (422, "damaged"), name
    assert refusal(unzipped, changed(whole, start + 8, "<H", 1)) == (422, "locked")
    for method in (12, 14, 93, 99):
        assert refusal(unzipped, changed(whole, start + 10, "<H", method)) == (422, "method")


def test_an_empty_archive_has_nothing_in_it(tmp_path):
    """422: there is nothing to make of it."""
    source = tmp_path / "a.zip"
    source.write_bytes(archive({}))
    assert inspect(source).files == 0
    with pytest.raises(UploadRefused) as caught:
        convert(source, Unzip(), storage=Folder(tmp_path / "kept"))
    assert (caught.value.status, caught.value.reason) == (422, "nothing")


def test_documents_of_offices_are_told_apart(tmp_path):
    """By their parts; those with macros have formats of their own."""
    source = tmp_path / "a"
    for part, kind in {
        "word/document.xml": "docx", "ppt/presentation.xml": "pptx", "xl/workbook.xml": "xlsx", "other": "zip",
    }.items():  # fmt: skip
        source.write_bytes(archive({"[Content_Types].xml": "<Types/>", part: "<x/>"}))
        found = inspect(source)
        assert (found.format, found.files, found.unpacked) == (kind, 2, len("<Types/><x/>"))
    source.write_bytes(archive({"[Content_Types].xml": "", "word/vbaProject.bin": "", "word/document.xml": ""}))
    assert inspect(source).format == "docm"
    source.write_bytes(archive({"xl/workbook.xml": "<x/>"}))
    assert inspect(source).format == "zip"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_archive_never_does_worse_than_be_refused(tmp_path, data):
    """Whichever of its bytes are changed: it is refused in words, or unpacked within the limits."""
    content = bytearray(archive({"a.txt": "hello" * 50, "b/c.csv": "a,b\n1,2\n"}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    source = tmp_path / "source"
    source.write_bytes(content)
    folder = tmp_path / "made"
    folder.mkdir(exist_ok=True)
    try:
        made = make_unzipped(source, Unzip(), folder, Limits(unpacked=1000))
        assert sum(one.path.stat().st_size for one in made) <= 1000
    except UploadRefused:
        pass
    finally:
        for path in folder.iterdir():
            path.unlink()
