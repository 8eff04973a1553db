"""Pictures made smaller, by weft and by others, each in a process of its own.

python benchmarks/image_peers.py batch PEER FOLDER       all files of FOLDER/in into FOLDER/out; prints figures as JSON
python benchmarks/image_peers.py one PEER FILE OUT Q N   one file N times
"""

import json
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

WIDTH, QUALITY = 1600, 80


def photos(folder, count, distinct=10, size=(4000, 3000)):
    """As many photo-like pictures of 12 MP; some are the same, which no peer can know."""
    from PIL import Image, ImageChops

    (folder / "in").mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(count):
        path = folder / "in" / f"{number:03}.jpg"
        if number < distinct:
            chance = random.Random(number)

            def shapes(cell, chance=chance):
                small = size[0] // cell + 2, size[1] // cell + 2
                return Image.frombytes("RGB", small, chance.randbytes(3 * small[0] * small[1]))

            soft = shapes(200).resize(size, Image.Resampling.BICUBIC)
            image = Image.blend(soft, shapes(12).resize(size, Image.Resampling.BICUBIC), 0.25)
            image = ImageChops.add(image, Image.effect_noise(size, 12).convert("RGB"), 1, -128)
            exif = Image.Exif()
            exif[0x0112] = 1
            exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.0)
            image.save(path, quality=90, exif=exif)
        else:
            path.unlink(missing_ok=True)
            path.hardlink_to(made[number % distinct])
        made.append(path)
    return made


def pillow_as_usual(source, target, quality=QUALITY):
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(Image.open(source))
    image.thumbnail((WIDTH, WIDTH))
    image.save(target, quality=quality)


def pillow_full(source, target, quality=QUALITY):
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(Image.open(source))
    height = round(image.height * WIDTH / image.width)
    image.resize((WIDTH, height), Image.Resampling.LANCZOS).save(target, quality=quality)


def opencv(source, target, quality=QUALITY):
    import cv2

    image = cv2.imread(str(source))
    height = round(image.shape[0] * WIDTH / image.shape[1])
    cv2.imwrite(
        str(target),
        cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA),
        [cv2.IMWRITE_JPEG_QUALITY, quality],
    )


def pyvips_raw(source, target, quality=QUALITY):
    import pyvips

    image = pyvips.Image.thumbnail(str(source), WIDTH, size="down")
    image.jpegsave(str(target), Q=quality, keep="none")


def weft_one(source, target, quality=QUALITY):
    from weft.uploads import Image, convert_file

    convert_file(source, Image(width=WIDTH, format="jpeg", quality=quality), target, overwrite=True)


ONE = {"weft": weft_one, "Pillow, full decode": pillow_full, "OpenCV": opencv, "raw pyvips": pyvips_raw}


def batch_pillow(files, out):
    threads = [threading.Thread(target=pillow_as_usual, args=(file, out / file.name)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def batch_pyvips(files, out):
    _tune_vips()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda file: pyvips_raw(file, out / file.name), files))


def batch_weft(files, out):
    import weft

    batch = weft.map(weft_async, [(file, out / file.name) for file in files])
    batch.values()


async def weft_async(pair):
    from weft.uploads import Image, convert_file

    await convert_file(pair[0], Image(width=WIDTH, format="jpeg", quality=QUALITY), pair[1], overwrite=True)


BATCH = {"weft": batch_weft, "Pillow, a thread each": batch_pillow, "raw pyvips, pool of 2": batch_pyvips}


def _tune_vips():
    import pyvips

    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)


def peak():
    """MiB of resident memory at most, so far."""
    # Not ru_maxrss, which a child begins with as its parent left it.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main():
    kind, peer, *words = sys.argv[1:]
    if kind == "batch":
        folder = Path(words[0])
        files, out = sorted((folder / "in").iterdir()), folder / "out"
        BATCH[peer](files[:2], out)  # what is imported late is there
        before, started = peak(), time.perf_counter()
        BATCH[peer](files, out)
        found = {"seconds": time.perf_counter() - started, "rss": peak(), "grown": peak() - before}
    else:
        source, target, quality, times = words
        if peer in {"weft", "raw pyvips"}:
            _tune_vips()
        small = Path(target).with_name("small.jpg")
        from PIL import Image

        Image.new("RGB", (1700, 1700)).save(small)
        ONE[peer](small, target, int(quality))
        before, taken, first = peak(), [], 0.0
        for _ in range(int(times)):
            started = time.perf_counter()
            ONE[peer](source, target, int(quality))
            taken.append(time.perf_counter() - started)
            first = first or peak() - before
        found = {"seconds": min(taken), "rss": first, "after": peak() - before, "bytes": Path(target).stat().st_size}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
