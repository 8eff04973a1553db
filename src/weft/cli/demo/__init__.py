"""Watch a page ask many addresses: one after the other, with a pool of five threads, and with weft; and drop photos.

Starts an example application on a production server of this machine, an upstream service whose addresses are slow,
broken or endless on purpose, and a worker that makes the photos small. Press Ctrl-C to stop them all.
"""

from argparse import ArgumentParser, Namespace
from importlib.util import find_spec

from weft.cli.parsing import UsageError

__all__ = ["add_arguments", "run"]

_NEEDED = {
    "flask": ("flask", "gunicorn", "requests"),
    "fastapi": ("fastapi", "uvicorn", "requests"),
    "sanic": ("sanic", "requests"),
    "django": ("django", "gunicorn", "requests"),
}


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the command's options."""
    parser.add_argument(
        "--framework",
        choices=list(_NEEDED),
        default="flask",
        help="flask on gunicorn (the default), fastapi on uvicorn, sanic on its own server, django on gunicorn",
    )
    parser.add_argument("--port", type=int, default=8765, help="8765, or any free one if that is taken")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (127.0.0.1: this machine alone)")
    parser.add_argument("--folder", help="where photos are kept (~/.local/state/weft/demo); the next demo finds them")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument("--check", action="store_true", help="run the three ways once, print their timings, and end")


def run(args: Namespace) -> int:
    """Run the demo until it is interrupted, or once with `--check`; return the exit status."""
    for name in _NEEDED[args.framework]:
        if find_spec(name) is None:
            raise UsageError(f"'weft demo' needs {name!r}, which is not installed: run pip install 'weft[demo]'")
    from weft.cli.demo.command import check, serve  # noqa: PLC0415 - after the look at what is installed

    return check(args) if args.check else serve(args)
