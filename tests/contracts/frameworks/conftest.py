"""Runs the applications of the contract, each on its server."""

import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from weft.cli.demo.server import Server, free_port
from weft.testing import faults

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

from stacks import HOST, Site  # noqa: E402 - found through the line above


@pytest.fixture(scope="module")
def upstream():
    with faults.server() as service:
        yield service


@pytest.fixture(scope="module")
def serve(upstream, tmp_path_factory):
    """Run a stack in a folder of its own, until the block is left; see `Site`."""

    @contextmanager
    def run(stack, *options, **environ):
        folder = tmp_path_factory.mktemp("app")
        for file in FOLDER.glob("*.py"):
            shutil.copy(file, folder)
        port = free_port(HOST, 0)
        *words, app = stack.words if stack.words[0].startswith("-") else (*stack.words, "")
        words = [sys.executable, *words, *options, *filter(None, [app])]
        words = [word.replace("PORT", str(port)) for word in words]
        environ = {"UPSTREAM": upstream.url, "PYTHONPATH": str(folder), **dict(stack.environ), **environ}
        with Server(words, f"http://{HOST}:{port}/debug", environ, folder) as server:
            yield Site(stack, port, server, folder)

    return run
