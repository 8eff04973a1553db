"""Runs `weft logs tail`: opens the logs, shows how they end, and follows them."""

import argparse
import gzip
import os
import stat
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from io import FileIO
from pathlib import Path

from weft.cli.logs.entries import Entry
from weft.cli.logs.following import Follower, follow
from weft.cli.logs.picking import Wanted
from weft.cli.logs.reading import end_of_lines, forwards
from weft.cli.logs.showing import as_json, render
from weft.cli.logs.view import View
from weft.cli.output import Style, printable, say, wants_color, write_lines_at_once
from weft.cli.parsing import UsageError, nearest

__all__ = ["tail"]

_PAUSE = 0.25  # seconds between two looks at a log that does not grow
_GZIP = b"\x1f\x8b"


def _pause() -> None:
    time.sleep(_PAUSE)


def tail(args: argparse.Namespace, wait: Callable[[], object] = _pause) -> int:
    """Show what the arguments say and return the exit status; with `--follow`, go on until interrupted.

    Args:
        args: what the command line says.
        wait: is called when no log has grown, before looking again.

    Raises:
        UsageError: a file that cannot be read or followed.
    """
    write_lines_at_once()
    if args.files == ["-"]:
        _show_input(args)
    elif args.follow:
        _follow_files(args, wait)
    else:
        _show_files(args)
    return 0


def _show_files(args: argparse.Namespace) -> None:
    with ExitStack() as stack:
        files = [stack.enter_context(_open(name)) for name in args.files]  # all of them, before anything is shown
        for name, file in zip(args.files, files, strict=True):
            _show_end(_view(name, args), name, file, args.lines)


def _follow_files(args: argparse.Namespace, wait: Callable[[], object]) -> None:
    with ExitStack() as stack:
        followed = []
        for name in args.files:
            view = _view(name, args)
            follower = stack.enter_context(closing(_follower(name, view, args.lines)))
            followed.append((follower, view.show))
        follow(followed, wait)


def _show_input(args: argparse.Namespace) -> None:
    if sys.stdin is None:
        raise UsageError("logs tail: standard input is closed: write weft logs tail FILE")
    view = _view("-", args)
    with FileIO(sys.stdin.fileno(), closefd=False) as source:
        if not args.follow:
            view.show_last(source, args.lines)
            return
        for lines in forwards(source):
            view.show(lines)


def _open(name: str) -> FileIO:
    try:
        return Path(name).open("rb", buffering=0)
    except FileNotFoundError as error:
        raise UsageError(f"logs tail: {name}: {error.strerror}: {_advice(Path(name))}") from error
    except IsADirectoryError as error:
        raise UsageError(f"logs tail: {name} is a folder: name a file in it") from error
    except OSError as error:
        raise UsageError(f"logs tail: {name}: {error.strerror}") from error


def _advice(path: Path) -> str:
    found = nearest(path.name, [each.name for each in path.parent.iterdir()]) if path.parent.is_dir() else None
    return f"did you mean {path.with_name(found)}?" if found else "write -f to wait for it"


def _view(name: str, args: argparse.Namespace) -> View:
    style = Style(color=wants_color(sys.stdout, no_color=args.no_color))
    form: Callable[[Entry], str] = as_json if args.json else partial(render, style=style)
    prefix = f"{style(printable(name), 'blue')}: " if len(args.files) > 1 and not args.json else ""
    return View(Wanted(args.level, args.logger, args.grep), form, prefix)


def _show_end(view: View, name: str, file: FileIO, count: int) -> None:
    if not _is_regular(file):
        view.show_last(file, count)
    elif not _is_compressed(file):
        view.show_end(file, file.seek(0, os.SEEK_END), count)
    else:
        try:
            with gzip.open(file) as unpacked:
                view.show_last(unpacked, count)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UsageError(f"logs tail: {name} is damaged: see what gzip -cd makes of it") from error


def _follower(name: str, view: View, count: int) -> Follower:
    path = Path(name)
    if not path.exists():
        say(f"weft: {printable(name)} is not there yet: waiting for it")
        return Follower(path, None, 0)
    with ExitStack() as stack:
        file = stack.enter_context(_open(name))
        if not _is_regular(file):
            raise UsageError(f"logs tail: {name} is no ordinary file: write weft logs tail -f - < {name}")
        if _is_compressed(file):
            raise UsageError(f"logs tail: {name} is compressed and does not grow: leave -f away")
        end = end_of_lines(file, file.seek(0, os.SEEK_END))
        view.show_end(file, end, count)
        stack.pop_all()  # it belongs to the follower
    return Follower(path, file, end)


def _is_regular(file: FileIO) -> bool:
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def _is_compressed(file: FileIO) -> bool:
    file.seek(0)
    begins = file.read(len(_GZIP))
    file.seek(0)
    return begins == _GZIP
