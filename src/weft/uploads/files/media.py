"""Audio and video, by ffmpeg as a program of its own: what goes wrong in it goes wrong in it alone.

It runs in a conversion's process, and in that process's group: who kills the one, at the limit or because nobody waits
any more, kills the other. It may open files and nothing else (a playlist could have it read from the network), reads
formats that are on a list, and has bounds of its own on time, memory and output.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from weft.errors import InvalidValue
from weft.uploads.converting.conversions import CONVERSIONS, Conversion, Made, Where
from weft.uploads.errors import UploadRefused
from weft.uploads.inspecting.inspection import Inspection
from weft.uploads.inspecting.looking import look
from weft.uploads.limits import Limits

__all__ = ["Media", "Poster", "find_ffmpeg", "make_media", "make_poster"]

MediaFormat = Literal["mp4", "webm", "mp3", "m4a", "ogg", "flac", "wav"]
PosterFormat = Literal["jpeg", "png", "webp"]

_TAKEN = frozenset({"mp4", "mov", "m4a", "webm", "mp3", "wav", "flac", "ogg"})
_DEMUXERS = "mov,mp4,matroska,webm,mp3,wav,flac,ogg"  # none that opens another file, as playlists do
_CODECS: Mapping[str, tuple[str, ...]] = {
    "mp4": ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart"),
    "webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "5", "-b:v", "1M", "-c:a", "libopus"),
    "mp3": ("-vn", "-c:a", "libmp3lame", "-q:a", "3"),
    "m4a": ("-vn", "-c:a", "aac", "-f", "ipod"),
    "ogg": ("-vn", "-c:a", "libopus"),
    "flac": ("-vn", "-c:a", "flac"),
    "wav": ("-vn", "-c:a", "pcm_s16le"),
}
_STILLS: Mapping[str, tuple[str, ...]] = {
    "jpeg": ("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"),
    "png": ("-c:v", "png"),
    "webp": ("-c:v", "libwebp"),
}
_VIDEO = {"mp4", "webm"}
_EVEN = "trunc(iw/2)*2"
_VIDEO_MEMORY = 400_000_000  # bytes, measured: 1080p takes 217 MB as H.264 and 334 as VP9
_AUDIO_MEMORY = 64_000_000  # 35 to 51
_POSTER_MEMORY = 160_000_000  # 61 of 1080p, 140 of 4K
_ADDRESSES = 4 << 30  # bytes of address space, most of which it reserves and never uses
_FILES = 64
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
_LAST_WORDS = 2_000


@dataclass(frozen=True, slots=True)
class Media:
    """Audio or video in another format: `Media(format="mp4", width=1280)`. The first stream of each kind, no metadata.

    Attributes:
        format: "mp4" (H.264, AAC), "webm" (VP9, Opus), "mp3", "m4a" (AAC), "ogg" (Opus), "flac" or "wav".
        width: pixels at most; the height follows. None: as it is.

    Raises:
        InvalidValue: an unknown format, or an impossible width.
    """

    format: MediaFormat = "mp4"
    width: int | None = None

    def __post_init__(self) -> None:
        if self.format not in get_args(MediaFormat):
            raise InvalidValue(f"format={self.format!r} is unknown: write one of {', '.join(get_args(MediaFormat))}")
        _refuse_width(self.width)


@dataclass(frozen=True, slots=True)
class Poster:
    """One picture of a video: `Poster(at=1.0, width=640)`.

    Attributes:
        at: seconds from its start; a video that is shorter gives its first picture.
        width: pixels at most; None: as it is.
        format: "jpeg", "png" or "webp".

    Raises:
        InvalidValue: a negative time, an unknown format, or an impossible width.
    """

    at: float = 1.0
    width: int | None = None
    format: PosterFormat = "jpeg"

    def __post_init__(self) -> None:
        if not 0 <= self.at < float("inf"):
            raise InvalidValue(f"at={self.at!r} is no time in a video: write seconds from its start, 0 or more")
        if self.format not in get_args(PosterFormat):
            raise InvalidValue(f'format={self.format!r} is none of a poster: write "jpeg", "png" or "webp"')
        _refuse_width(self.width)


def make_media(source: Path, recipe: Media, folder: Path, limits: Limits) -> tuple[Made, ...]:
    """Carry the recipe out.

    Raises:
        UploadRefused: 413 pictures with too many pixels, or more made than the limit on what is unpacked; 422 damaged,
            nothing in it for such a format, or not done in time.
        ImportError: there is no ffmpeg here.
    """
    made = folder / f"media.{recipe.format}"
    streams = ("-map", "0:v:0?") if recipe.format in _VIDEO else ()
    scale = ("-vf", _scale(recipe.width)) if recipe.format in _VIDEO else ()
    _run([*_input(source, limits), *streams, "-map", "0:a:0?", *scale, *_CODECS[recipe.format], str(made)], limits)
    return (_checked(made, recipe.format, limits),)


def make_poster(source: Path, recipe: Poster, folder: Path, limits: Limits) -> tuple[Made, ...]:
    """Carry the recipe out.

    Raises:
        UploadRefused: 413 a picture with too many pixels; 422 damaged, no picture in it, or not done in time.
        ImportError: there is no ffmpeg here.
    """
    made = folder / f"poster.{recipe.format}"
    still = ["-map", "0:v:0", "-vf", _scale(recipe.width), "-frames:v", "1", *_STILLS[recipe.format]]
    still += ["-f", "image2", "-update", "1", str(made)]
    _run(["-ss", f"{recipe.at:.3f}", *_input(source, limits), *still], limits)
    if not made.exists() or not made.stat().st_size:
        _run([*_input(source, limits), *still, "-y"], limits)
    return (_checked(made, recipe.format, limits),)


def find_ffmpeg() -> str:
    """The program: what `WEFT_FFMPEG` says, or the one on the path, or the one that imageio-ffmpeg brings.

    Raises:
        ImportError: there is none; the message says what to install.
    """
    found = os.environ.get("WEFT_FFMPEG") or shutil.which("ffmpeg")
    if found:
        return found
    try:
        from imageio_ffmpeg import get_ffmpeg_exe  # noqa: PLC0415 - an extra

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError) as missing:
        raise ImportError(
            "audio and video need ffmpeg, and there is none here: install it (apt install ffmpeg), name it by the "
            "environment variable WEFT_FFMPEG, or run pip install 'weft[media]'"
        ) from missing


def _input(source: Path, limits: Limits) -> list[str]:
    pixels = str(int(limits.megapixels * 1_000_000))
    # Options stand before what they are for. `file:` because a name is no place for a protocol.
    allowed = ["-protocol_whitelist", "file", "-format_whitelist", _DEMUXERS, "-max_pixels", pixels, "-threads", "1"]
    return [*allowed, "-i", f"file:{source.resolve()}", "-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn"]


def _scale(width: int | None) -> str:
    # Even numbers, because H.264 with half the colours has no others.
    broad = _EVEN if width is None else f"trunc(min({width}\\,iw)/2)*2"
    return f"scale=w={broad}:h=-2"


def _run(arguments: list[str], limits: Limits) -> None:
    command = [find_ffmpeg(), "-hide_banner", "-nostdin", "-v", "error", "-filter_threads", "1", *arguments[:-1]]
    command += ["-threads", "1", arguments[-1]]
    try:
        done = subprocess.run(  # noqa: S603 - the arguments are ours; the one path among them is absolute
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=limits.seconds,
            check=False,
            preexec_fn=_bounds(limits),  # after a fork: it calls nothing that takes a lock
        )
    except subprocess.TimeoutExpired as late:
        told = f"this file takes more than {limits.seconds:g} s to convert"
        raise UploadRefused(422, "slow", told) from late
    except FileNotFoundError as missing:
        raise ImportError(f"there is no ffmpeg at {command[0]}: WEFT_FFMPEG must name the program") from missing
    _refuse_failed(done, limits)


def _refuse_failed(done: "subprocess.CompletedProcess[bytes]", limits: Limits) -> None:
    if done.returncode == 0:
        return
    words = done.stderr[-_LAST_WORDS:].decode("utf-8", "replace").strip()
    if done.returncode == -signal.SIGXCPU:
        error = UploadRefused(422, "slow", f"this file takes more than {limits.seconds:g} s to convert")
    elif done.returncode == -signal.SIGXFSZ or "File too large" in words:
        error = _too_much(limits)
    elif "Cannot allocate memory" in words or "malloc of size" in words:
        error = UploadRefused(413, "memory", "this file takes more memory to convert than is allowed")
    elif "Picture size" in words or "max_pixels" in words:
        error = UploadRefused(413, "too-large", f"its pictures have more than {limits.megapixels:g} megapixels")
    elif "matches no streams" in words or "does not contain any stream" in words:
        error = UploadRefused(422, "nothing", "there is nothing in this file to make it of")
    else:
        error = UploadRefused(422, "damaged", "this file cannot be read as audio or video")
    error.add_note(f"ffmpeg ended with {done.returncode}: {words}")  # not for the client: it has our paths in it
    raise error


def _too_much(limits: Limits) -> UploadRefused:
    return UploadRefused(413, "too-large", f"it comes to more than {limits.unpacked / 1_000_000:.3g} MB")


def _checked(made: Path, format_: str, limits: Limits) -> Made:
    if not made.exists() or not made.stat().st_size:
        raise UploadRefused(422, "nothing", "there is nothing in this file to make it of")
    if made.stat().st_size >= limits.unpacked:
        raise _too_much(limits)
    return Made(made, format_)


def _bounds(limits: Limits) -> Callable[[], None] | None:
    """What the program does to itself before it begins; None where the system has no such bounds."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:  # pragma: no cover
        return None
    seconds = int(limits.seconds) + 1
    wanted = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: limits.unpacked,
        resource.RLIMIT_AS: _ADDRESSES,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_CORE: 0,
    }
    caps = {kind: _lower(value, resource.getrlimit(kind)) for kind, value in wanted.items()}
    die_with_parent = _libc()

    def bound() -> None:
        if die_with_parent is not None:
            die_with_parent(_DEATH_SIGNAL, signal.SIGKILL)
        for kind, pair in caps.items():
            resource.setrlimit(kind, pair)

    return bound


def _lower(wanted: int, before: tuple[int, int]) -> tuple[int, int]:
    bounds = [each for each in before if each >= 0]  # a negative one is none
    least = min([wanted, *bounds])
    return least, least


def _libc() -> "Callable[[int, int], object] | None":
    return ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _refuse_width(width: int | None) -> None:
    if width is not None and width < 2:  # noqa: PLR2004 - the smallest even number
        raise InvalidValue(f"width={width} shows nothing: write a number of pixels, 2 or more")


def _memory(_: Inspection, recipe: Media | Poster) -> int:
    if isinstance(recipe, Poster):
        return _POSTER_MEMORY
    return _VIDEO_MEMORY if recipe.format in _VIDEO else _AUDIO_MEMORY


def _look(path: Path, _recipe: Media | Poster, limits: Limits) -> Inspection:
    return look(path, _TAKEN, limits)


CONVERSIONS[Media] = Conversion(make_media, Where.PROCESSES, _memory, _look)
CONVERSIONS[Poster] = Conversion(make_poster, Where.PROCESSES, _memory, _look)
