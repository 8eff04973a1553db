"""The example does what its README says."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.mark.slow
def test_the_server_answers_while_it_computes(serve):
    """Parts of a report are computed in processes, others are served meanwhile, and the endless is ended."""
    get = serve("uvicorn")
    assert get("/report?bound=20000") == (200, {"sums": [21171191, 21171191]})
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        endless = pool.submit(get, "/impatient")
        assert get("/health") == (200, {"ok": True})
        assert not endless.done()
        status, problem = endless.result()
    assert (status, problem["status"]) == (504, 504)
    assert time.monotonic() - began < 3.0
    assert get("/report?bound=1000&parts=1") == (200, {"sums": [76127]})
