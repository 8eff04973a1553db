"""Fuzzes the inspection step: no bytes whatever make it crash, hang or take memory.

    pip install atheris
    python tests/uploads/fuzz_inspect.py FOLDER -max_total_time=600 -timeout=2 -rss_limit_mb=400

FOLDER keeps what has led to new paths. The suite does a little of the same (`test_inspect_anything.py`).
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from documents import archive, document, row, workbook
from sample_pictures import frames, quarters, save

from weft.uploads import Inspection, Limits, UploadRefused, look

SEEDS = ("jpg", "png", "gif", "webp", "avif", "heic")
STATUSES = {413, 415, 422}
LIMITS = (Limits(), Limits(frames=50), Limits(frames=10**9, megapixels=1e9, pages=10**9, rows=10**9, files=10**9))


def seeds(folder):
    """An honest file of each format, still and moving, and some that are no pictures."""
    first, *rest = frames(4, 16, 16)
    for ending in SEEDS:
        yield save(quarters(24, 16), folder / f"still.{ending}")
    for ending in ("gif", "webp", "png", "avif"):
        yield save(first, folder / f"moving.{ending}", save_all=True, append_images=rest)
    yield save(quarters(24, 16), folder / "long.jpg", progressive=True, exif=b"Exif\0\0" + b"x" * 300)
    for name, content in (
        ("svg", b"<svg/>"),
        ("csv", b"a,b\n1,2\n"),
        ("mp4", b"\0\0\0\x18ftypisom\0\0\2\0isommp42"),
        ("pdf", document(2)),
        ("zip", archive({"a/b.txt": "hello" * 9})),
        ("xlsx", workbook(row(1, "a", 2), '<dimension ref="A1:B1"/>')),
    ):
        (folder / name).write_bytes(content)
        yield folder / name


def examine(path, content):
    """Look at these bytes under each of the limits; what comes of it is an `Inspection` within them, or a refusal."""
    path.write_bytes(content)
    for limits in LIMITS:
        seen = _seen(path, limits)
        if isinstance(seen, UploadRefused):
            assert seen.status in STATUSES, seen
            assert str(seen).isprintable()
        else:
            assert isinstance(seen, Inspection)
            assert seen.size == len(content)
            assert seen.megapixels <= limits.megapixels
            assert 0 <= seen.frames <= limits.frames


def _seen(path, limits):
    try:
        return look(path, None, limits)
    except UploadRefused as error:
        return error


def main():
    """Run until told to stop; libFuzzer's own options are taken."""
    import atheris

    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").exists() else None) as folder:
        path = Path(folder) / "input"
        corpus = Path(next((word for word in sys.argv[1:] if not word.startswith("-")), folder))
        corpus.mkdir(exist_ok=True)
        for seed in list(seeds(Path(folder))):
            (corpus / seed.name).write_bytes(seed.read_bytes())
        _instrument(atheris)
        atheris.Setup(sys.argv, lambda content: examine(path, content))
        atheris.Fuzz()


def _instrument(atheris):
    from weft.uploads.inspecting import boxes, looking, pictures, sniffing

    for module in (boxes, looking, pictures, sniffing):
        for name, value in list(vars(module).items()):
            if callable(value) and getattr(value, "__module__", "") == module.__name__ and hasattr(value, "__code__"):
                setattr(module, name, atheris.instrument_func(value))
    # The tables hold the functions as they were.
    from weft.uploads import PROBES

    for kind, probe in list(PROBES.items()):
        PROBES[kind] = getattr(sys.modules[probe.__module__], probe.__name__)


if __name__ == "__main__":
    main()
