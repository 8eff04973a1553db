"""One photo of 12 MP made 1600 pixels wide, at equal quality: time, peak memory and bytes.

Equal quality: each peer writes with the lowest quality that is as much like the exact picture, by SSIM, as Pillow's
full decode at quality 80 is. The exact picture is Pillow's LANCZOS over all pixels, before it is compressed.

python benchmarks/images_one.py [--rounds 7] [--dry]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

import image_peers
from harness import Report
from images_batch import in_turn

HERE = Path(__file__).parent
REFERENCE = "Pillow, full decode"


def ssim(one, other):
    """Structural similarity of two pictures' luma, on windows of 7 x 7."""
    import numpy as np
    from skimage.metrics import structural_similarity

    arrays = [np.asarray(image.convert("L")) for image in (one, other)]
    return structural_similarity(*arrays)


def qualities(folder, source):
    """The quality at which each peer is as good as the reference, and how good that is."""
    photo = Image.open(source)
    exact = photo.resize((image_peers.WIDTH, photo.height * image_peers.WIDTH // photo.width), Image.Resampling.LANCZOS)
    target = folder / "tried.jpg"

    def quality_of(peer, quality):
        image_peers.ONE[peer](source, target, quality)
        return ssim(exact, Image.open(target))

    wanted = quality_of(REFERENCE, image_peers.QUALITY)
    found = {}
    for peer in image_peers.ONE:
        candidates = range(image_peers.QUALITY - 6, 96)
        found[peer] = next((q for q in candidates if quality_of(peer, q) >= wanted - 0.0005), candidates[-1])
    return found, wanted


def one(peer, folder):
    words = ["one", peer, str(folder / "in" / "000.jpg"), str(folder / "out" / "x.jpg"), str(QUALITIES[peer]), "5"]
    done = subprocess.run([sys.executable, "image_peers.py", *words], cwd=HERE, check=True, capture_output=True)
    return json.loads(done.stdout)


QUALITIES = {}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dry", action="store_true", help="print, and write no result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weft-images-") as name:
        folder = Path(name)
        (folder / "out").mkdir()
        (source,) = image_peers.photos(folder, 1)
        found, wanted = qualities(folder, source)
        QUALITIES.update(found)
        measured = in_turn(one, list(image_peers.ONE), folder, options.rounds)
    report = Report(
        "images_one",
        "One photo-like JPEG of 12 MP made 1600 pixels wide, as a JPEG at equal quality: each peer with the lowest "
        f"quality that reaches the SSIM of {REFERENCE} at {image_peers.QUALITY}, which is {wanted:.4f}. Each run in a "
        "new process, the best of 5 there; memory is what its peak grows by, after the imports and a small picture.",
    )
    for peer, runs in measured.items():
        case = f"quality {found[peer]}"
        report.row(case, peer, "time", "ms", [run["seconds"] * 1000 for run in runs])
        report.row(case, peer, "peak memory", "MiB", [run["rss"] for run in runs])
        report.row(case, peer, "peak memory after 5", "MiB", [run["after"] for run in runs])
        report.row(case, peer, "size", "kB", [run["bytes"] / 1000 for run in runs])

    def ratio(metric, other, upside):
        pairs = zip(measured["weft"], measured[other], strict=True)
        return statistics.median(b[metric] / a[metric] if upside else a[metric] / b[metric] for a, b in pairs)

    value = ratio("seconds", REFERENCE, upside=True)
    report.ratio(f"the same photo: faster than {REFERENCE}", value, "at least 2", met=value >= 2)
    value = ratio("rss", REFERENCE, upside=False)
    report.ratio(f"the same photo: peak memory, weft / {REFERENCE}", value, "at most 0.5", met=value <= 0.5)
    value = ratio("seconds", "OpenCV", upside=True)
    report.ratio("the same photo: faster than OpenCV", value, "at least 1", met=value >= 1)
    if not options.dry:
        report.write()


if __name__ == "__main__":
    main()
