"""Make pictures smaller, or of another format: many at once, each upright and without what the camera wrote into it.

for example:
  weft convert *.jpg --width 1600 --out small        at most 1600 pixels wide, into the folder small
  weft convert *.heic --format webp --quality 75     beside the originals, as .webp
  weft convert photos/* --width 1600 --json | jq .   one line of JSON for each

JPEG, PNG, WebP, AVIF, GIF and HEIC are read. Pictures are never scaled up, originals never written to, and a file that
exists is kept unless --overwrite is said. Each result appears whole or not at all.

exit status: 0 all are converted, 1 some are not, 2 wrong usage, 130 interrupted, 141 nobody reads the output
"""

import argparse

from weft.cli.parsing import UsageError, at_least, bytes_of, seconds

__all__ = ["add_arguments", "run"]

_FORMS = """\
--json, version 1 (keys may be added; none is renamed or removed); sizes in bytes, durations in seconds:
  {"type": "result", "version": 1, "source": "a.jpg", "ok": true, "target": "small/a.jpeg", "format": "jpeg",
   "before": 5400000, "after": 410000, "seconds": 0.21, "error": null}
  error:   {"kind": "UploadRefused", "message": "..."}; then target, format and after are null
  and last, once:
  {"type": "summary", "version": 1, "ok": 49, "not_ok": 1, "undone": 0, "stopped": null, "before": 270000000,
   "after": 20000000, "seconds": 4.2}
  stopped: "interrupt" or null; before and after are of what was converted
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.usage = "weft convert [options] FILE..."
    parser.epilog = _FORMS
    parser.add_argument("files", nargs="+", metavar="FILE", help="a picture")
    made = parser.add_argument_group("what to make")
    made.add_argument("--width", type=at_least(1), metavar="N", help="pixels across at most")
    made.add_argument("--height", type=at_least(1), metavar="N", help="pixels down at most")
    made.add_argument("--cover", action="store_true", help="fill the box of --width and --height, and cut off the rest")
    made.add_argument("--format", choices=("jpeg", "png", "webp", "avif"), help="what to write (default: as it is)")
    made.add_argument("--quality", type=at_least(1), metavar="N", help="1 to 100 (default: 80, for AVIF 55)")
    made.add_argument("--metadata", action="store_true", help="keep EXIF, with the place where it was taken")
    made.add_argument(
        "--animation",
        choices=("refuse", "first", "keep"),
        default="first",
        help="what moves (default: first)",
    )
    _add_conduct(parser)


def _add_conduct(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("how to do it")
    how.add_argument("-o", "--out", metavar="DIR", help="the folder to write to (default: beside each original)")
    how.add_argument("--overwrite", action="store_true", help="replace files that exist; originals never")
    how.add_argument("-j", "--jobs", type=at_least(1), metavar="N", help="how many at once (default: usable CPUs)")
    how.add_argument("-t", "--timeout", type=seconds, default=120.0, metavar="S", help="for each (default: 120)")
    how.add_argument("--max-size", type=bytes_of, default=500_000_000, metavar="SIZE", help="of one (default: 500MB)")
    how.add_argument("--megapixels", type=at_least(1), default=200, metavar="N", help="at most, of one (default: 200)")
    shown = parser.add_argument_group("what to print")
    shown.add_argument("--json", action="store_true", help="a line of JSON for each, and one for the summary")
    shown.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary; failures only")
    shown.add_argument("--no-color", action="store_true", help="no colour (also by NO_COLOR in the environment)")


def run(args: argparse.Namespace) -> int:
    """Convert everything and return the exit status."""
    if args.cover and not (args.width and args.height):
        raise UsageError("convert: --cover needs a box to cover: write --width and --height")
    from weft.cli.converting import convert  # noqa: PLC0415 - help and mistakes need not wait for an imaging library

    return convert(args)
