"""Pictures made for a test, honest ones and others, and a storage to keep them in."""

import io
import random
import shutil
import struct
import zlib
from contextlib import contextmanager

import pillow_heif
from PIL import Image, ImageChops, ImageCms

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
CORNERS = (RED, GREEN, BLUE, WHITE)


class Folder:
    """A storage that is a folder."""

    def __init__(self, path):
        self.path = path
        path.mkdir(exist_ok=True)

    def put(self, source, key):
        shutil.move(source, self.path / key)

    def open(self, key):
        return (self.path / key).open("rb")

    @contextmanager
    def local(self, key):
        yield self.path / key

    def delete(self, key):
        (self.path / key).unlink(missing_ok=True)


def quarters(width=120, height=80, mode="RGB"):
    """Red, green, blue and white in its corners, so that every turn shows."""
    image = Image.new("RGB", (width, height))
    for at, color in enumerate(CORNERS):
        image.paste(color, ((at % 2) * width // 2, (at // 2) * height // 2, *_end(at, width, height)))
    return image.convert(mode)


def _end(at, width, height):
    return (width // 2 if at % 2 == 0 else width, height // 2 if at < 2 else height)


def corners(image):
    """The colours in the middle of its quarters, in reading order."""
    width, height = image.size
    rgb = image.convert("RGB")
    return [rgb.getpixel((width * x // 4, height * y // 4)) for y in (1, 3) for x in (1, 3)]


def near(found, wanted, by=12):
    """Whether two colours, or lists of them, look the same."""
    if isinstance(found, int):
        return abs(found - wanted) <= by
    return len(found) == len(wanted) and all(near(one, other, by) for one, other in zip(found, wanted, strict=True))


def photo(width, height, seed=1):
    """Something like a photograph: soft shapes, edges and grain."""
    chance = random.Random(seed)

    def shapes(cell):
        size = width // cell + 2, height // cell + 2
        return Image.frombytes("RGB", size, chance.randbytes(3 * size[0] * size[1]))

    soft = shapes(80).resize((width, height), Image.Resampling.BICUBIC)
    image = Image.blend(soft, shapes(8).resize((width, height)), 0.12)
    return ImageChops.add(image, Image.effect_noise((width, height), 8).convert("RGB"), 1, -128)


def frames(count, width=60, height=40):
    """Frames that differ."""
    return [Image.new("RGB", (width, height), (10 * at % 256, 255 - 9 * at % 256, 40)) for at in range(count)]


def save(image, path, **options):
    """Save it by its ending; HEIC too."""
    if path.suffix == ".heic":
        pillow_heif.from_pillow(image).save(path, **options)
    else:
        image.save(path, **options)
    return path


def exif(orientation=1):
    """Where and how a photo was taken."""
    made = Image.Exif()
    made[0x0112] = orientation
    made[0x010F] = "Camera of Ada"
    made.get_ifd(0x8825)[1] = "N"
    made.get_ifd(0x8825)[2] = (48.0, 51.0, 29.0)
    return made


def png_claiming(path, width, height):
    """A PNG file of that size, white and of a few bytes for each thousand rows."""
    packed = zlib.compressobj(9)
    row = b"\0" + b"\xff" * ((width + 7) // 8)
    rows = b"".join(packed.compress(row) for _ in range(height)) + packed.flush()
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
            (b"IDAT", rows),
            (b"IEND", b""),
        ):
            file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))
    return path


def display_p3():
    """A profile with the primaries of Display P3, whose red is redder than any of sRGB, and a gamma of 2.2."""

    def fixed(*numbers):
        return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)

    text = b"made for a test\0"
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 80,
        b"cprt": b"text\0\0\0\0" + text,
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249),
        b"rXYZ": b"XYZ \0\0\0\0" + fixed(0.51512, 0.24120, -0.00105),  # adapted to D50, as in all profiles
        b"gXYZ": b"XYZ \0\0\0\0" + fixed(0.29198, 0.69225, 0.04189),
        b"bXYZ": b"XYZ \0\0\0\0" + fixed(0.15710, 0.06657, 0.78407),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body, begin = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", begin + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", 128 + len(table + body), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    made = head.ljust(68, b"\0") + fixed(0.9642, 1.0, 0.8249) + b"\0" * 48 + table + body
    ImageCms.getOpenProfile(io.BytesIO(made))  # or it is none
    return made
