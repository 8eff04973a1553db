"""What a file seems to be by its first bytes. A guess that decides who looks further, and proof of nothing."""

import re

__all__ = ["HEAD", "sniff"]

HEAD = 4096
"""How many of the first bytes tell."""

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (8, b"WEBP", "webp"),
    (8, b"WAVE", "wav"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"BM", "bmp"),
    (0, b"%PDF-", "pdf"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"PK\x05\x06", "zip"),  # an empty one
    (0, b"\x1f\x8b\x08", "gzip"),
    (0, b"\x1aE\xdf\xa3", "webm"),
    (0, b"OggS", "ogg"),
    (0, b"fLaC", "flac"),
    (0, b"ID3", "mp3"),
    (0, b"PAR1", "parquet"),
)
_BRANDS = {
    b"avif": "avif",
    b"avis": "avif",
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "heic"),
    **dict.fromkeys((b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"dash", b"M4V "), "mp4"),
    **dict.fromkeys((b"M4A ", b"M4B "), "m4a"),
    b"qt  ": "mov",
}
_RIFF = b"RIFF"
_LEAST_BOX, _MOST_BRANDS = 16, 512
_UNWELCOME = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")  # SVG, HTML, XML, PHP: what a browser or a server would run
_CSV = re.compile(rb"[^\r\n]*[,;\t|][^\r\n]*(?:\r\n|\r|\n|$)")


def sniff(head: bytes) -> str | None:
    """The format that the first bytes suggest; None: none that is known here, such as SVG and HTML.

    Text is "csv" where its first line has something to separate, "txt" otherwise.

    Args:
        head: the first `HEAD` bytes, or all there are.
    """
    for offset, magic, kind in _MAGIC:
        if head.startswith(magic, offset) and (offset == 0 or head.startswith(_RIFF)):
            return kind
    if head[4:8] == b"ftyp":
        return _brand(head)
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:  # noqa: PLR2004 - an MPEG frame, layer 3
        return "mp3"
    return _text(head)


def _brand(head: bytes) -> str | None:
    # The file's own brand first, then those that it says to be compatible with: phones write "mif1" before "heic".
    size = int.from_bytes(head[:4], "big")
    if size < _LEAST_BOX:
        return None
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(size, _MOST_BRANDS, len(head)), 4))]
    if brands[0] in {b"mif1", b"msf1"} and (b"avif" in brands or b"avis" in brands):
        return "avif"
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)


def _text(head: bytes) -> str | None:
    if not head.strip() or _UNWELCOME.search(head) or _MARKUP.match(head):
        return None
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < HEAD - 4:  # else a character that the cut has halved
            return None
    return "csv" if _CSV.match(head) else "txt"
