"""Facts about looking at files that are anything at all. (`fuzz_inspect.py` does the same for as long as one likes.)"""

import pytest
from fuzz_inspect import examine, seeds
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as some


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return [path.read_bytes() for path in seeds(tmp_path_factory.mktemp("seeds"))]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "input"


@some.composite
def edits(draw):
    """How to spoil a file: where, what to put there, and what to leave out."""
    return draw(
        some.lists(
            some.tuples(some.integers(0, 600), some.binary(max_size=8), some.integers(0, 40)), min_size=1, max_size=4
        )
    )


@seed(5)
@settings(max_examples=400, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
@given(which=some.integers(0, 99), changes=edits(), end=some.integers(0, 2000))
def test_spoilt_files_are_seen_or_refused(corpus, file, which, changes, end):
    """A file of any format, changed anywhere and cut off anywhere, is inspected within its limits or refused."""
    content = corpus[which % len(corpus)]
    for at, put, leave in changes:
        content = content[:at] + put + content[at + leave :]
    examine(file, content[:end] if end < 1000 else content)


@seed(5)
@settings(max_examples=200, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
@given(content=some.binary(max_size=200))
def test_any_bytes_are_seen_or_refused(file, content):
    """Any bytes at all are inspected within the limits or refused."""
    examine(file, content)
