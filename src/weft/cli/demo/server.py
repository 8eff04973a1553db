"""The demo's processes: an application on a production server, started, waited for, and ended with us."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from types import MappingProxyType, TracebackType
from typing import Self
from urllib.parse import urlsplit

from weft.cli.demo.guarding import UPSTREAM
from weft.cli.demo.web import HOST

__all__ = ["NotStarted", "Server", "demo_server", "free_port"]

_PATIENCE = 20.0  # seconds for the server to answer; a cold interpreter on a busy machine needs some
_FAREWELL = 5.0  # seconds from SIGTERM to SIGKILL
_UVICORN = ("--timeout-graceful-shutdown", "2", "--log-level", "warning")
_SANIC = ("--single-process", "--no-motd", "--no-access-logs")


class NotStarted(RuntimeError):
    """The server did not come up; the message is what it had to say."""


def free_port(host: str, wanted: int) -> int:
    """The wanted port, if it is free at that address, else some other that is.

    Raises:
        OSError: the address is none of this machine's.
    """
    try:
        return _bindable(host, wanted)
    except OSError:
        return _bindable(host, 0)


def _bindable(host: str, port: int) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


class Server:
    """A command that serves HTTP, in a process group of its own. Use with `with`.

    Args:
        command: the words to run.
        url: where it will answer, with whatever status, once it is up.
        environ: environment variables to set besides those of this process.
        folder: where it runs; None: here.

    Raises:
        NotStarted: on entering, when it ends at once or does not answer in 20 s.
    """

    def __init__(
        self, command: Sequence[str], url: str, environ: Mapping[str, str], folder: str | os.PathLike[str] | None = None
    ) -> None:
        self.url = url
        self._command = command
        self._environ = {**os.environ, **environ}
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process, or None before the start."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        # A group of its own: Ctrl-C reaches us alone, and we end the server in order.
        self._process = subprocess.Popen(  # noqa: S603 - the caller's own words
            self._command, env=self._environ, cwd=self._folder, start_new_session=True
        )
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def wait(self) -> int:
        """Block until the server ends by itself; return its exit status."""
        assert self._process is not None  # entered
        return self._process.wait()

    def stop(self) -> int:
        """End the server: SIGTERM, and 5 s later SIGKILL to all of its processes. Idempotent; the exit status."""
        process = self._process
        if process is None:
            return 0
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_FAREWELL)
        with suppress(ProcessLookupError, PermissionError):  # all of the group have gone, as they should
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    def _wait_until_it_answers(self, process: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if process.poll() is not None:
                raise NotStarted(f"the server ended at once, with status {process.returncode}: see above")
            if self._answers():
                return
            time.sleep(0.05)
        raise NotStarted(f"the server did not answer at {self.url} within {_PATIENCE:g} s")

    def _answers(self) -> bool:
        where = urlsplit(self.url)
        connection = HTTPConnection(where.netloc, timeout=1.0)
        try:
            connection.request("GET", where.path or "/")
            return bool(connection.getresponse().status)
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def demo_server(
    framework: str, host: str, port: int, upstream: str, environ: Mapping[str, str] = MappingProxyType({})
) -> Server:
    """The demo's application on its server.

    Args:
        framework: "flask", "fastapi", "sanic" or "django".
        host: the address to listen at.
        port: a free port there.
        upstream: the address of the upstream, as in "http://127.0.0.1:4711".
        environ: further environment variables: where photos are kept, and who keeps their worker.
    """
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - looked up, not bound
    url = f"http://{_bracketed(shown)}:{port}/"
    return Server(_command(framework, host, port), url, {**environ, UPSTREAM: upstream, HOST: host})


def _command(framework: str, host: str, port: int) -> list[str]:
    bind, where = ["--bind", f"{_bracketed(host)}:{port}"], ["--host", host, "--port", str(port)]
    gunicorn = ["gunicorn", "--config", "python:weft.cli.demo.gunicorn_settings", *bind]
    words = {
        "flask": [*gunicorn, "weft.cli.demo.app_flask:app"],
        "django": [*gunicorn, "weft.cli.demo.app_django:application"],
        "fastapi": ["uvicorn", *where, *_UVICORN, "weft.cli.demo.app_fastapi:app"],
        "sanic": ["sanic", *where, *_SANIC, "weft.cli.demo.app_sanic:app"],
    }
    return [sys.executable, "-m", *words[framework]]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
