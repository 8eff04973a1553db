"""`weft demo`: bring the services up, and stay until Ctrl-C, or look at them once (`--check`)."""

import signal
import sys
import tempfile
import webbrowser
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from weft.cli.demo.photos.folder import default_folder, environ_of
from weft.cli.demo.photos.keeper import Keeper
from weft.cli.demo.photos.shelf import missing
from weft.cli.demo.selftest import Failed, self_test
from weft.cli.demo.server import NotStarted, Server, demo_server, free_port
from weft.cli.parsing import UsageError
from weft.testing import faults

__all__ = ["check", "serve"]

_GOODBYES = (signal.SIGINT, signal.SIGTERM)


def serve(args: Namespace) -> int:
    """Start the services, open the page, and stay until interrupted. Returns the exit status."""
    port = _port(args)  # before anything is written
    folder = default_folder() if args.folder is None else Path(args.folder)
    try:
        with _interruptible(), _worker(environ_of(folder)) as environ, _both(args, port, environ) as app:
            _say(f"weft demo: {app.url} ({args.framework}). Press Ctrl-C to stop.")
            _say(f"weft demo: {missing() or f'photos are kept in {folder.absolute()}'}")
            if not args.no_browser:
                webbrowser.open(app.url)
            app.wait()
    except KeyboardInterrupt:
        _say("\nweft demo: stopped")
        return 0
    _say("weft demo: the server has ended by itself")
    return 1


def check(args: Namespace) -> int:
    """Start both services, fetch the page, run the three ways, print a table. Returns the exit status."""
    port = _port(args)
    with _interruptible(), tempfile.TemporaryDirectory() as folder, _both(args, port, environ_of(Path(folder))) as app:
        try:
            sys.stdout.write(self_test(app.url))
        except Failed as error:
            _say(f"weft demo: {error}")
            return 1
    return 0


@contextmanager
def _interruptible() -> Iterator[None]:
    before = {number: signal.signal(number, _interrupt) for number in _GOODBYES}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _worker(environ: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    if missing():  # the page says what; the rest can be shown without
        yield environ
        return
    with Keeper(environ) as keeper:
        yield {**environ, **keeper.environ}


@contextmanager
def _both(args: Namespace, port: int, environ: Mapping[str, str]) -> Iterator[Server]:
    try:
        with faults.server() as upstream, demo_server(args.framework, args.host, port, upstream.url, environ) as app:
            yield app
    except NotStarted as error:
        raise UsageError(str(error)) from error


def _port(args: Namespace) -> int:
    try:
        port = free_port(args.host, args.port)
    except (OSError, OverflowError) as error:
        raise UsageError(f"cannot listen at {args.host}:{args.port}: {error}") from error
    if port != args.port:
        _say(f"weft demo: port {args.port} is taken, so it is {port}")
    return port


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in _GOODBYES:  # impatience must not keep us from ending the server
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
