"""CPython's own tests of `logging`, with weft in the place of its loggers and of its file handler."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

LEAST = {"loggers": 100, "handler": 140}  # tests that have to have run


@pytest.mark.slow
@pytest.mark.parametrize("what", LEAST)
def test_cpythons_own_tests_pass(what, tmp_path):
    """What CPython asks of its loggers and of its file handler, weft's do as well."""
    if importlib.util.find_spec("test.test_logging") is None:
        pytest.skip("this Python came without its own tests (Debian: libpython3-testsuite)")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("cpython_logging.py")), what],
        cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) >= LEAST[what]
