"""Decompression bombs: what the inspection takes, and what decoders would have taken.

python benchmarks/images_bombs.py [--rounds 5] [--dry]
"""

import argparse
import json
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from PIL import Image

from harness import Report

HERE = Path(__file__).parent
CODE = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
from image_peers import peak
kind, harmless, path = sys.argv[1], *map(Path, sys.argv[2:])

def inspect(path):
    from weft.uploads import UploadRefused, look
    try:
        look(path)
        return "taken"
    except UploadRefused as error:
        return f"{{error.status}} {{error.reason}}"

def pillow(path):
    import warnings
    from PIL import Image
    warnings.simplefilter("ignore")
    image = Image.open(path)
    image.thumbnail((1600, 1600))
    return "decoded"

def pyvips(path):
    import pyvips
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
    pyvips.Image.thumbnail(str(path), 1600).copy_memory()
    return "decoded"

look = {{"weft's inspection": inspect, "Pillow thumbnail": pillow, "pyvips thumbnail": pyvips}}[kind]
look(harmless)
before, began = peak(), time.perf_counter()
said = look(path)
print(json.dumps([said, time.perf_counter() - began, peak() - before]))
"""
PEERS = ["weft's inspection", "Pillow thumbnail", "pyvips thumbnail"]


def png(path, width, height):
    packed = zlib.compressobj(9)
    row = b"\0" + b"\x80" * (3 * width)
    rows = b"".join(packed.compress(row) for _ in range(height)) + packed.flush()
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def bombs(folder):
    grey = Image.new("RGB", (10_000, 10_000), "grey")
    png(folder / "PNG 12,000 x 12,000", 12_000, 12_000)
    grey.save(folder / "progressive JPEG 10,000 x 10,000", "JPEG", progressive=True)
    grey.save(folder / "baseline JPEG 10,000 x 10,000", "JPEG")
    frames = [Image.new("P", (2000, 2000), at) for at in range(200)]
    frames[0].save(folder / "GIF of 200 frames, 2,000 x 2,000", "GIF", save_all=True, append_images=frames[1:])
    return sorted(folder.iterdir())


def measure(peer, harmless, path):
    words = [sys.executable, "-c", CODE.format(here=str(HERE)), peer, str(harmless), str(path)]
    return json.loads(subprocess.run(words, check=True, capture_output=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="print, and write no result")
    options = parser.parse_args()
    report = Report(
        "images_bombs",
        "Small files that become large: what it takes to look at one, in a new process after a harmless picture; weft "
        "refuses it from its header. The others decode it (of the GIF its first frame).",
    )
    worst = {"seconds": 0.0, "memory": 0.0}
    with tempfile.TemporaryDirectory(prefix="weft-bombs-") as name:
        harmless = Path(name) / "harmless.png"
        Image.new("RGB", (8, 8)).save(harmless)
        (Path(name) / "bombs").mkdir()
        for path in bombs(Path(name) / "bombs"):
            case = f"{path.name}, {path.stat().st_size / 1000:,.0f} kB"
            for peer in PEERS:
                runs = [measure(peer, harmless, path) for _ in range(options.rounds)]
                said = runs[0][0]
                seconds = report.row(case, f"{peer}: {said}", "time", "ms", [run[1] * 1000 for run in runs])
                memory = report.row(case, f"{peer}: {said}", "peak memory", "MiB", [run[2] for run in runs])
                if peer == PEERS[0]:
                    worst = {"seconds": max(worst["seconds"], seconds), "memory": max(worst["memory"], memory)}
    report.ratio("a bomb, refused from its header: ms", worst["seconds"], "at most 50", met=worst["seconds"] <= 50)
    report.ratio("a bomb, refused from its header: MiB", worst["memory"], "at most 50", met=worst["memory"] <= 50)
    if not options.dry:
        report.write()


if __name__ == "__main__":
    main()
