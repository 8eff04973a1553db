"""Facts about the latency histogram."""

import math
import pickle
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InvalidValue
from weft.telemetry.histogram import RELATIVE_ERROR, Histogram

DURATIONS = st.floats(min_value=1e-6, max_value=1e6)


def histogram(durations):
    made = Histogram()
    for seconds in durations:
        made.record(seconds)
    return made


def state(made):
    return made.count, made.minimum, made.maximum, list(made.buckets())


@given(st.lists(DURATIONS, min_size=1, max_size=200), st.floats(min_value=0, max_value=1))
def test_quantile_is_within_the_stated_error(durations, q):
    """Each quantile is within 1 % of the recorded duration of that rank."""
    exact = sorted(durations)[max(1, math.ceil(q * len(durations))) - 1]
    assert histogram(durations).quantile(q) == pytest.approx(exact, rel=RELATIVE_ERROR * (1 + 1e-9))


@given(st.lists(DURATIONS), st.lists(DURATIONS))
def test_merging_is_the_same_as_recording_in_one(left, right):
    """Two merged histograms are what one would be that had recorded everything."""
    merged, whole = histogram(left), histogram(left + right)
    merged.merge(histogram(right))
    assert state(merged) == state(whole)
    assert merged.total == pytest.approx(whole.total)


def test_extremes_and_mean_are_exact():
    """The minimum, the maximum, the total and the mean carry no error."""
    made = histogram([0.1, 0.2, 0.6])
    assert (made.minimum, made.maximum) == (0.1, 0.6)
    assert made.total == pytest.approx(0.9)
    assert made.mean == pytest.approx(0.3)
    assert made.quantile(0) == pytest.approx(0.1, rel=0.01)
    assert made.quantile(1) == pytest.approx(0.6, rel=0.01)


def test_an_empty_histogram_knows_nothing():
    """Without a recording there is no quantile and no mean, rather than a zero that looks like a measurement."""
    assert Histogram().quantile(0.5) is None
    assert Histogram().mean is None


@pytest.mark.parametrize("seconds", [-0.001, math.nan])
def test_what_is_no_duration_is_refused(seconds):
    """A negative duration or NaN raises InvalidValue, and nothing is counted."""
    made = Histogram()
    with pytest.raises(InvalidValue, match="is no duration"):
        made.record(seconds)
    assert made.count == 0


@pytest.mark.parametrize("q", [-0.1, 1.1, 95, math.nan])
def test_a_quantile_outside_0_to_1_is_refused(q):
    """Asking for quantile 95 raises InvalidValue, which says to write 0.95."""
    with pytest.raises(InvalidValue, match=r"write 0\.95"):
        histogram([1.0]).quantile(q)


def test_durations_beyond_the_range_count_at_its_ends():
    """A duration of 0 and one of infinity are counted, in the first and the last bucket."""
    made = histogram([0.0, math.inf])
    assert next(made.buckets())[0] <= 1.1e-6
    assert sum(count for _, count in made.buckets()) == made.count == 2


def test_memory_does_not_grow_with_the_recordings():
    """After all buckets are in use, further recordings take no memory: 1,400 buckets at most."""
    spread = [10 ** (-6 + 12 * step / 20_000) for step in range(20_000)]
    made = histogram(spread)
    tracemalloc.start()
    for seconds in spread:
        made.record(seconds)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(list(made.buckets())) <= 1400
    # The counts themselves outgrow the interpreter's cached small integers; that is all.
    assert grown < 1400 * 64


def test_a_histogram_travels_between_processes():
    """Pickling keeps everything, so that worker processes can send theirs to be merged."""
    made = histogram([0.1, 0.5, 2.0])
    assert state(pickle.loads(pickle.dumps(made))) == state(made)
