"""The example does what its README says."""

import time

import pytest


@pytest.mark.slow
def test_blocking_and_async_calls_run_together(serve):
    """One scope runs a blocking function and an async one, a map runs many, and a stuck one is given up in time."""
    get = serve("uvicorn")
    assert get("/page") == (200, {"old": 200, "new": 200})
    assert get("/many?count=20") == (200, {"answered": 20})
    began = time.monotonic()
    status, problem = get("/stuck")
    assert (status, problem["title"]) == (504, "Gateway Timeout")
    assert time.monotonic() - began < 2.0
