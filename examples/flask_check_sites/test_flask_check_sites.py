"""The example does what its README says."""

import time
from urllib.parse import urlencode

import pytest


@pytest.mark.slow
def test_all_sites_are_asked_at_once(serve, upstream):
    """Twenty sites of 0.3 s each take far less than one after the other would, and late ones do not hold the page."""
    get = serve("gunicorn")
    fates = [*["/delay/0.3"] * 20, "/silence", "/status/500", "/reset"]
    began = time.monotonic()
    status, found = get("/check-sites?" + urlencode([("url", f"{upstream}{fate}?{i}") for i, fate in enumerate(fates)]))
    assert status == 200
    assert 2.0 <= time.monotonic() - began < 4.0
    said = list(found.values())
    assert said.count("answered 200") == 20
    assert said.count("late") == 1
    assert said.count("answered 500") == 1
    assert said.count("failed: ConnectionReset") == 1
