"""A call is described before anything runs, and finds its place by what its function is."""

import functools
import pickle

import pytest

import weft
from weft.calls.call import Place, as_call


async def coroutine_function():
    return 1


def plain():
    return 1


@weft.cpu
def marked(x):
    """Double."""
    return 2 * x


class Callable:
    def __call__(self):
        return 1


class AsyncCallable:
    async def __call__(self):
        return 1


@pytest.mark.parametrize(
    ("fn", "place", "name"),
    [
        (coroutine_function, Place.LOOP, "coroutine_function"),
        (plain, Place.THREAD, "plain"),
        (functools.partial(coroutine_function), Place.LOOP, "coroutine_function"),
        (functools.partial(plain), Place.THREAD, "plain"),
        (AsyncCallable(), Place.LOOP, "AsyncCallable"),
        (Callable(), Place.THREAD, "Callable"),
        (marked, Place.PROCESS, "marked"),
        (weft.cpu(plain), Place.PROCESS, "plain"),
        (len, Place.THREAD, "len"),
        ("text".upper, Place.THREAD, "str.upper"),
    ],
)
def test_a_call_runs_where_its_function_belongs(fn, place, name):
    """Async functions on the loop, plain ones on threads, marked ones in processes; partials like what they wrap."""
    call = as_call(fn, (), {})
    assert (call.place, call.name) == (place, name)


def test_conditions_make_a_new_call():
    """A description is frozen: `using` leaves the first as it was."""
    call = weft.call(plain)
    other = call.using(timeout=2, retry=3, limit="db", name="special")
    assert (call.timeout, call.retry, call.limit, call.name) == (None, None, None, "plain")
    assert (other.timeout, other.retry, other.limit, other.name) == (2.0, weft.Retry(3), "db", "special")
    assert other.using(timeout=1).limit == "db"


def test_a_marked_function_is_still_a_function():
    """It keeps its name and docstring, and calling it runs it here."""
    assert marked(4) == 8
    assert marked.__doc__ == "Double."


def test_marked_functions_cross_to_a_process_by_name_or_by_what_they_wrap():
    """Decorated ones are found by name; those marked at the start are pickled around the function."""
    assert pickle.loads(pickle.dumps(marked)) is marked
    assert pickle.loads(pickle.dumps(weft.cpu(plain)))() == 1


def test_an_async_function_cannot_be_cpu_bound():
    """A process of ours has no loop to run it."""
    with pytest.raises(weft.InvalidCall, match="mark a plain function"):
        weft.cpu(coroutine_function)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": float("nan")}, {"retry": -1}])
def test_impossible_conditions_are_refused(options):
    """Where they are written."""
    with pytest.raises(weft.InvalidValue):
        weft.call(plain).using(**options)
