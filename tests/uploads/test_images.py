"""Facts about pictures that are made anew: one contract, kept by both engines."""

import io
import zipfile

import pytest
from PIL import Image as Pillow
from sample_pictures import BLUE, CORNERS, RED, WHITE, corners, display_p3, exif, frames, near, photo, quarters, save

from weft.errors import InvalidValue
from weft.uploads import Image, Limits, Thumbnails, UploadRefused, look
from weft.uploads.images import engine
from weft.uploads.images.geometry import Fitted, fitted
from weft.uploads.images.recipes import render, render_thumbnails

MANY = Limits(frames=100)


def opened(path):
    """The picture in a file, which is not kept open, and its bytes."""
    content = path.read_bytes()
    image = Pillow.open(io.BytesIO(content))
    image.content = content
    return image


FORMATS = ("jpeg", "png", "webp", "avif")


@pytest.fixture(params=["vips", "pillow"], autouse=True)
def engine_name(request, monkeypatch):
    if request.param == "pillow":
        monkeypatch.setattr(engine, "_has", lambda module: module != "pyvips")
    return request.param


@pytest.fixture
def made(tmp_path):
    """Carry a recipe out, and open what came of it."""

    def make(source, recipe):
        folder = tmp_path / "made"
        folder.mkdir(exist_ok=True)
        (one,) = render(source, recipe, folder, MANY)
        assert one.path.parent == folder
        assert look(one.path, limits=MANY).format == one.format
        return opened(one.path)

    return make


@pytest.mark.parametrize("written", FORMATS)
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "avif", "gif", "heic"])
def test_every_format_becomes_every_other(tmp_path, made, ending, written):
    """What is taken can be written in each format, and shows the same."""
    source = save(quarters(), tmp_path / f"a.{ending}")
    image = made(source, Image(width=60, format=written))
    assert (image.format, image.size) == (written.upper(), (60, 40))
    assert near(corners(image), CORNERS, 30)


def test_the_format_is_kept(tmp_path, made):
    """Without a format it stays what it was; a GIF becomes a PNG, a HEIC file a JPEG."""
    for ending, kept in (("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("gif", "PNG"), ("heic", "JPEG")):
        assert made(save(quarters(), tmp_path / f"a.{ending}"), Image()).format == kept


@pytest.mark.parametrize(
    ("recipe", "size"),
    [
        (Image(), (120, 80)),
        (Image(width=60), (60, 40)),
        (Image(height=20), (30, 20)),
        (Image(width=60, height=10), (15, 10)),
        (Image(width=1000, height=1000), (120, 80)),
        (Image(width=40, height=40, fit="cover"), (40, 40)),
        (Image(width=100, height=20, fit="cover"), (100, 20)),
        (Image(width=200, height=40, fit="cover"), (120, 40)),
        (Image(width=1, height=1), (1, 1)),
    ],
)
def test_it_fits_into_the_box_to_the_pixel(tmp_path, made, recipe, size):
    """Inside the box or covering it, in the same size by both engines, and never larger than it was."""
    assert made(save(quarters(), tmp_path / "a.png"), recipe).size == size


def test_the_middle_covers_the_box(tmp_path, made):
    """What covers a box is the middle of the picture."""
    source = Pillow.new("RGB", (300, 100), RED)
    source.paste(BLUE, (100, 0, 200, 100))
    image = made(save(source, tmp_path / "a.png"), Image(width=80, height=80, fit="cover"))
    assert near(corners(image), [BLUE] * 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_stands_upright(tmp_path, made, orientation):
    """Each of the eight orientations of EXIF is turned into pixels, and then no longer said."""
    turn = {
        2: Pillow.Transpose.FLIP_LEFT_RIGHT,
        3: Pillow.Transpose.ROTATE_180,
        4: Pillow.Transpose.FLIP_TOP_BOTTOM,
        5: Pillow.Transpose.TRANSPOSE,
        6: Pillow.Transpose.ROTATE_90,
        7: Pillow.Transpose.TRANSVERSE,
        8: Pillow.Transpose.ROTATE_270,
    }
    stored = quarters().transpose(turn[orientation]) if orientation > 1 else quarters()
    source = save(stored, tmp_path / "a.jpg", exif=exif(orientation), quality=95)
    image = made(source, Image(width=60))
    assert image.size == (60, 40)
    assert near(corners(image), CORNERS, 30)
    assert image.getexif().get(0x0112, 1) == 1
    assert made(source, Image(width=60, metadata=True)).getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("written", FORMATS)
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "heic"])
def test_where_it_was_taken_is_forgotten(tmp_path, made, ending, written):
    """EXIF with its GPS, comments and text are gone, unless they are asked for."""
    source = save(quarters(), tmp_path / f"a.{ending}", exif=exif().tobytes())
    assert b"Camera of Ada" in source.read_bytes()
    bare = made(source, Image(format=written))
    assert not bare.getexif()
    assert b"Camera of Ada" not in bare.content
    kept = made(source, Image(format=written, metadata=True))
    assert kept.getexif()[0x010F] == "Camera of Ada"
    assert kept.getexif().get_ifd(0x8825)[1] == "N"


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_colours_are_brought_to_srgb(tmp_path, made, ending):
    """A colour in Display P3 becomes the same colour in sRGB, before its profile is dropped."""
    source = save(Pillow.new("RGB", (64, 64), (200, 100, 50)), tmp_path / f"a.{ending}", icc_profile=display_p3())
    image = made(source, Image(format="png"))
    assert near(image.convert("RGB").getpixel((32, 32)), (216, 92, 24), 6)
    assert "icc_profile" not in image.info


def test_a_profile_that_is_none_does_no_harm(tmp_path, made):
    """Where the profile cannot be read, the numbers are taken as they are."""
    source = save(quarters(), tmp_path / "a.png", icc_profile=b"no profile at all" * 20)
    assert near(corners(made(source, Image())), CORNERS)


def test_cmyk_becomes_rgb(tmp_path, made):
    """A JPEG for printers becomes one for screens, in about the same colours."""
    source = save(quarters().convert("CMYK"), tmp_path / "a.jpg", quality=95)
    image = made(source, Image(width=60))
    assert image.mode == "RGB"
    red, green, blue, white = corners(image)
    assert (max(red), max(green), max(blue)) == (red[0], green[1], blue[2])
    assert near(white, WHITE)


def test_sixteen_bits_become_eight(tmp_path, made):
    """A picture with 16 bits for each channel keeps its tones."""
    grey = Pillow.frombytes("I;16", (64, 64), b"".join(value.to_bytes(2, "little") for value in [0x8000] * 64 * 64))
    source = save(grey, tmp_path / "a.png")
    for written in ("jpeg", "png", "webp"):
        image = made(source, Image(format=written))
        assert near(image.convert("L").getpixel((32, 32)), 128, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA"])
@pytest.mark.parametrize("written", FORMATS)
def test_every_mode_is_written(tmp_path, made, mode, written):
    """Black and white, grey, palettes and transparency are written in every format."""
    source = quarters(mode="RGBA" if mode == "PA" else mode)
    if mode == "PA":
        source.putpixel((0, 0), (0, 0, 0, 0))
        source = source.quantize()
    image = made(save(source, tmp_path / "a.png"), Image(width=60, format=written))
    assert image.size == (60, 40)


def test_what_is_transparent_becomes_white_in_a_jpeg(tmp_path, made):
    """JPEG knows no transparency: there it is white; elsewhere it stays."""
    source = save(Pillow.new("RGBA", (64, 64), (255, 0, 0, 0)), tmp_path / "a.png")
    assert near(made(source, Image(format="jpeg")).getpixel((32, 32)), WHITE)
    for written in ("png", "webp", "avif"):
        assert made(source, Image(format=written)).convert("RGBA").getpixel((32, 32))[3] < 5


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "avif", "gif", "heic"])
@pytest.mark.parametrize("recipe", [Image(width=40), Image(width=40, height=40, fit="cover"), Image(format="png")])
def test_truncated_files_are_refused(tmp_path, made, ending, recipe):
    """A file that lacks its last part is damaged (422), however its header looks."""
    whole = save(photo(400, 600), tmp_path / f"a.{ending}").read_bytes()
    source = tmp_path / f"b.{ending}"
    source.write_bytes(whole[: len(whole) * 7 // 10])
    with pytest.raises(UploadRefused) as caught:
        made(source, recipe)
    assert (caught.value.status, caught.value.reason) == (422, "damaged")


def test_what_is_hidden_behind_a_picture_is_gone(tmp_path, made):
    """A JPEG that is a zip archive as well, and a PNG with PHP in its text: made anew they are neither."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("evil.php", "<?php system($_GET[0]); ?>")
    source = save(quarters(), tmp_path / "a.jpg", comment=b"<?php echo 1; ?>")
    source.write_bytes(source.read_bytes() + archive.getvalue())
    assert zipfile.is_zipfile(source)
    image = made(source, Image())
    assert not zipfile.is_zipfile(io.BytesIO(image.content))
    assert b"<?php" not in image.content


def test_pixels_that_are_none_are_refused(tmp_path, made):
    """A valid header and script for pixels: 422."""
    whole = save(quarters(), tmp_path / "a.gif").read_bytes()
    source = tmp_path / "b.gif"
    head = whole[: whole.index(b"\x2c") + 11]
    source.write_bytes(head + b"\x10<script>alert()<\0\x3b")
    with pytest.raises(UploadRefused):
        made(source, Image())


def test_a_file_cannot_tell_two_sizes(tmp_path, made, engine_name):
    """A decoder that is told of more pixels than the inspection saw refuses the file."""
    seen = look(save(quarters(), tmp_path / "a.png"))
    with pytest.raises(UploadRefused, match="contradicts itself"):
        engine.refuse_liar(seen, 121, 80)


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_animations_are_kept_or_stilled(tmp_path, made, ending):
    """All frames as a WebP that moves, or the first one."""
    first, *rest = frames(5)
    moving = {"save_all": True, "append_images": rest, "duration": 70}
    source = save(first, tmp_path / f"a.{ending}", **moving, **({"lossless": True} if ending == "webp" else {}))
    kept = made(source, Image(width=30, animation="keep"))
    assert (kept.format, kept.n_frames, kept.size) == ("WEBP", 5, (30, 20))
    kept.seek(4)
    assert near(kept.convert("RGB").getpixel((15, 10)), rest[-1].getpixel((0, 0)), 20)
    assert kept.info["duration"] == 70
    cut = made(source, Image(width=20, height=20, fit="cover", animation="keep"))
    assert (cut.n_frames, cut.size) == (5, (20, 20))
    still = made(source, Image(width=30, animation="first"))
    assert getattr(still, "n_frames", 1) == 1
    assert near(still.convert("RGB").getpixel((15, 10)), first.getpixel((0, 0)), 20)


def test_thumbnails_come_from_one_decode(tmp_path, engine_name, monkeypatch):
    """Several widths, in their order, each in its own file, and the source is decoded once."""
    source = save(quarters(400, 300), tmp_path / "a.jpg", quality=95)
    decoded = []
    if engine_name == "vips":
        from weft.uploads.images import vips

        monkeypatch.setattr(vips, "_decode", _counted(vips._decode, decoded))
    else:
        from weft.uploads.images import pillow

        monkeypatch.setattr(pillow, "_open", _counted(pillow._open, decoded))
    made = render_thumbnails(source, Thumbnails(widths=(50, 200, 100, 4000), format="webp"), tmp_path, MANY)
    assert [one.path.name for one in made] == ["50.webp", "200.webp", "100.webp", "4000.webp"]
    images = [opened(one.path) for one in made]
    assert [image.size for image in images] == [(50, 38), (200, 150), (100, 75), (400, 300)]
    assert all(near(corners(image), CORNERS, 30) for image in images)
    assert len(decoded) == 1


def test_quality_is_obeyed(tmp_path, made):
    """A lower quality is a smaller file."""
    source = save(photo(600, 400), tmp_path / "a.png")
    for written in ("jpeg", "webp", "avif"):
        sizes = [len(made(source, Image(format=written, quality=quality)).content) for quality in (20, 90)]
        assert sizes[0] * 2 < sizes[1]


def test_names_are_no_options(tmp_path, made):
    """A file name that libvips would read options from is a name."""
    source = save(quarters(), tmp_path / "a[shrink=8].jpg")
    assert made(source, Image()).size == (120, 80)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"height": -1},
        {"fit": "cover"},
        {"fit": "stretch"},
        {"format": "bmp"},
        {"quality": 0},
        {"quality": 101},
        {"animation": "some"},
        {"animation": "keep", "format": "jpeg"},
    ],
)
def test_impossible_recipes_are_refused_where_they_are_written(wrong):
    """A value that nothing could be made with is an `InvalidValue`, which says what to write."""
    with pytest.raises(InvalidValue, match="write|choose"):
        Image(**wrong)


def test_impossible_thumbnails_are_refused():
    """No width, the same width twice, and a width of nothing."""
    for widths in ((), (100, 100), (0,)):
        with pytest.raises(InvalidValue):
            Thumbnails(widths=widths)


def test_arithmetic_of_boxes():
    """Scaled down only; covering keeps the middle; nothing becomes less than a pixel."""
    assert fitted((4000, 3000), 1600, None, "inside") == Fitted(1600, 1200)
    assert fitted((4000, 3), 100, None, "inside") == Fitted(100, 1)
    assert fitted((100, 50), 50, 50, "cover") == Fitted(100, 50, (25, 0, 50, 50))
    assert fitted((100, 50), 500, 25, "cover") == Fitted(100, 50, (0, 12, 100, 25))


def _counted(fn, calls):
    def count(*args):
        calls.append(args)
        return fn(*args)

    return count
