"""Workers and producers killed at random, on a disk that is full now and slow then."""

import os
import random

import chaos
import pytest


@pytest.mark.slow
def test_chaos_loses_nothing(tmp_path):
    """Nothing acknowledged is lost, the file is sound, and each job's life is a possible one.

    For three minutes: `python tests/jobs/chaos.py --seconds 180`.
    """
    if os.geteuid() != 0:
        pytest.skip("a disk that can be filled has to be mounted, which needs root")
    seed = random.randrange(1_000_000)
    faults, figures = chaos.chaos(tmp_path, 12.0, seed)
    assert not faults, (seed, figures, faults[:5])
    assert figures["acknowledged"] > 100
    assert set(figures["killed"]) == {"producer", "worker"}
