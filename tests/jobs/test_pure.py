"""What needs no store: the lifecycle, names, options, arguments as JSON."""

import datetime as dt
import pickle
import threading
from dataclasses import dataclass
from uuid import UUID

import chores
import pytest

import weft
from weft import jobs
from weft.jobs import stores
from weft.jobs.addresses import public
from weft.jobs.codec import Signature
from weft.jobs.identity import new_uid
from weft.jobs.lifecycle import FINAL, STEPS, ImpossibleStep, State, Step, advance
from weft.jobs.records import Claim
from weft.jobs.schedule import Cron
from weft.jobs.serving import parse_queues
from weft.jobs.settling import CRASHES, after_crash, failed


def test_every_state_can_be_reached_and_left():
    """From scheduled and available all others are reached; what is final is left by a person's wish alone."""
    reached = {State.SCHEDULED, State.AVAILABLE}
    while more := {step.target for step in STEPS.values() if step.sources & reached} - reached:
        reached |= more
    assert reached == set(State)
    for state in FINAL:
        assert {step for step, (sources, _) in STEPS.items() if state in sources} == {Step.REVIVE}
    for state in set(State) - FINAL:
        assert any(state in sources for sources, _ in STEPS.values())


def test_an_impossible_step_is_told():
    """The error names the state, the step, and where it could begin."""
    with pytest.raises(ImpossibleStep, match="a completed job cannot cancel: only one that is available, retryable"):
        advance(State.COMPLETED, Step.CANCEL)
    assert advance(State.RUNNING, Step.COMPLETE) is State.COMPLETED


def test_uids_are_unique_and_in_order():
    """UUIDs of version 7, in the order of their making, from any number of threads."""
    made = []

    def make():
        made.append([new_uid() for _ in range(2000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(uids == sorted(uids) for uids in made)
    assert len({uid for uids in made for uid in uids}) == 8000
    found = UUID(made[0][0])
    assert (found.version, found.variant) == (7, "specified in RFC 4122")
    age = dt.datetime.now(dt.UTC).timestamp() - (found.int >> 80) / 1000
    assert -1 < age < 60


# -- options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queue": ""}, "a queue has a name"),
        ({"queue": "a=b"}, "a queue has a name"),
        ({"retries": -1}, "write 0 for a single attempt"),
        ({"retries": 2**31}, "1000000000 at most"),
        ({"retries": 1.5}, "no whole number"),
        ({"queue": "a\0"}, "a queue has a name"),
        ({"queue": "\ud800"}, "a queue has a name"),
        ({"queue": "a" * 501}, "a queue has a name"),
        ({"idempotency_key": "a\0b"}, "has no NUL"),
        ({"idempotency_key": "\ud800"}, "has no NUL"),
        ({"idempotency_key": 5}, "write text"),
        ({"priority": 101}, "-100 to 100"),
        ({"timeout": 0}, "leaves no time"),
        ({"timeout": "1"}, "not a number of seconds"),
        ({"delay": -1}, "0 or more"),
        ({"cron": "x"}, "Wrong number of fields: write minute, hour, day"),
        ({"cron": "0 0 30 2 *"}, "write minute, hour"),
        ({"cron": "0 3 * * *", "tz": "Vienna"}, "there is no such time zone: write one like Europe/Vienna"),
        ({"missed": "all"}, 'write "skip", or "run"'),
        ({"after": ["x"], "delay": 1}, "cannot have a delay as well"),
        ({"colour": "red"}, "no option 'colour': choose from after, backoff, cpu"),
    ],
)
def test_impossible_options_are_told(options, words):
    """Whoever declares or changes a job so is told what to write instead."""
    with pytest.raises((weft.InvalidValue, weft.InvalidCall), match=words):
        weft.job(**options)(chores.note.fn)
    with pytest.raises((weft.InvalidValue, weft.InvalidCall), match=words):
        chores.note.using(**options)


def test_only_functions_that_workers_find_are_jobs():
    """A function inside another, a lambda, a class, and an async one for processes are refused with advice."""

    def inside():
        pass

    with pytest.raises(weft.InvalidCall, match="made inside a function"):
        weft.job(inside)
    with pytest.raises(weft.InvalidCall, match="made inside a function"):
        weft.job(lambda: None)
    with pytest.raises(weft.InvalidCall, match="is no function"):
        weft.job(int)
    with pytest.raises(weft.InvalidCall, match="cannot be cpu=True"):
        weft.job(cpu=True)(chores.note_async.fn)
    with pytest.raises(weft.InvalidCall, match="two jobs are declared as 'chores.note'"):
        weft.job(name="chores.note")(chores.fail.fn)


def test_a_job_is_its_function():
    """Called, it is the function; name and docstring are the function's."""
    assert chores.note("x") == "x"
    assert (chores.note.name, chores.note.__doc__) == ("chores.note", "Remember the word.")
    assert repr(chores.note) == "<Job chores.note>"


# -- arguments


def test_arguments_come_back_as_they_are_declared():
    """Dataclasses, defaults, further positional and named arguments keep their types."""
    stored = chores.scale.signature.encode((chores.Size(3), 4, 5, 6), {"x": 1})
    args, kwargs = chores.scale.signature.decode(stored)
    assert (args, kwargs) == ((chores.Size(3, 0), 4, 5, 6), {"x": 1.0})


def test_what_json_cannot_carry_is_refused_by_name():
    """The message names the argument, its type, and what to pass instead."""
    with pytest.raises(jobs.NotSerializable, match=r"chores.note cannot be stored with word=lock.*Pass what JSON can"):
        chores.note.enqueue(threading.Lock())


def test_arguments_of_another_type_are_refused_where_they_are_given():
    """A wrong type is the caller's mistake, and is told to the caller: nothing is stored."""
    with pytest.raises(jobs.NotSerializable, match="Expected `str`, got `int`"):
        chores.note.enqueue(3)
    with pytest.raises(TypeError, match="missing a required argument: 'word'"):
        chores.note.enqueue()


def test_arguments_that_another_version_has_stored_are_told():
    """One that the function no longer takes is named."""
    with pytest.raises(
        jobs.NotSerializable, match="not those that it declares: Object contains unknown field `colour`"
    ):
        chores.note.signature.decode(b'{"colour": "red"}')
    with pytest.raises(jobs.NotSerializable):
        chores.note.signature.decode(b"no json")


def test_types_that_cannot_be_resolved_are_not_checked():
    """A hint that only type checkers see hinders nobody."""

    def odd(value: "Unknown") -> None:  # noqa: F821
        pass

    assert Signature(odd, "odd").decode(b'{"value": [1]}') == ((), {"value": [1]})


# -- schedules


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        ("30 2 * * *", "2026-03-28T12:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),  # no 2:30
        ("30 2 * * *", "2026-10-24T12:00+02:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),  # 2:30 twice
        ("0 9 * * 1-5", "2026-11-27T12:00+01:00", ["2026-11-30T09:00+01:00", "2026-12-01T09:00+01:00"]),
    ],
)
def test_schedules_know_their_time_zone(expression, start, expected):
    """Where clocks are put forth or back, what falls into the hour runs once."""
    cron = Cron(expression, "Europe/Vienna")
    moment = dt.datetime.fromisoformat(start).timestamp()
    for when in expected:
        moment = cron.after(moment)
        assert moment == dt.datetime.fromisoformat(when).timestamp()
    assert cron.before(moment) == dt.datetime.fromisoformat(expected[0]).timestamp()


def test_in_the_hour_that_comes_twice_times_lie_where_they_should():
    """In each minute of the night on which clocks are put back, the next time is later, and the last one earlier."""
    night = dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC).timestamp()
    for expression in ("30 2 * * *", "0 2 * * *", "*/20 * * * *", "0 0 * * *"):
        cron = Cron(expression, "Europe/Vienna")
        times = [cron.before(night)]
        while times[-1] < night + 6 * 3600:
            times.append(cron.after(times[-1]))
        for minute in range(6 * 60):
            moment = night + 60 * minute + 1
            assert cron.after(moment) == min(time for time in times if time > moment)
            assert cron.before(moment) == max(time for time in times if time < moment)


def test_a_job_that_comes_by_itself_takes_no_arguments():
    """Nobody would give them."""
    with pytest.raises(TypeError, match="missing a required argument: 'word'"):
        weft.job(cron="0 3 * * *", name="x")(chores.note.fn)


# -- settling

CLAIM = Claim(7, "uid", "task", "default", b"{}", 1, 3, 2.0, 100.0, 0, None, 60.0)


def test_failures_are_tried_again_until_the_attempts_are_used_up():
    """Full jitter below a bound that doubles; the last failure goes to the dead letters, with its traceback."""
    first = failed(CLAIM, LookupError("x"), 1000.0, 0.5)
    second = failed(CLAIM._replace(attempt=2), LookupError("x"), 1000.0, 0.5)
    third = failed(CLAIM._replace(attempt=3), LookupError("x"), 1000.0, 0.5)
    assert (first.step, first.again_at) == (Step.TRY_LATER, 1001.0)
    assert (second.step, second.again_at) == (Step.TRY_LATER, 1002.0)
    assert (third.step, third.error) == (Step.GIVE_UP, "LookupError: x")


def test_crashes_are_counted_apart_from_attempts():
    """A job that takes its process along is tried again uncharged, and given up after three."""
    assert after_crash(7, 1, 0, "killed by SIGKILL").step is Step.HAND_BACK
    last = after_crash(7, 1, CRASHES - 1, "killed by SIGKILL")
    assert (last.step, last.error) == (Step.GIVE_UP, "given up: killed by SIGKILL, and it was so 3 times")


def test_queues_are_read_from_words():
    """`images=2,mail` is two queues; nonsense is told."""
    assert parse_queues("images=2, mail") == {"images": 2, "mail": 10}
    for words in ("", "=2", "mail=", "mail=x", "mail=0"):
        with pytest.raises(weft.InvalidValue, match="write images=2,mail=10"):
            parse_queues(words)


@dataclass
class Box:
    content: bytes
    when: dt.datetime


@weft.job(name="test_pure.box")
def keep(box: Box) -> Box:
    return box


def test_bytes_and_times_are_carried():
    """JSON carries bytes (base64), times and dataclasses of them."""
    box = Box(b"\0\xff", dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    assert keep.signature.decode(keep.signature.encode((box,), {})) == ((), {"box": box})


def test_a_job_is_found_again_by_other_processes_under_whatever_name_its_module_has_it():
    """As a decorated function, and as one that was made a job under another name."""
    for job in (chores.note, chores.made_of_plain):
        assert pickle.loads(pickle.dumps(job)) is job


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("celery+redis://a:s3:cret@host/0?visibility=soon", "celery+redis://a:***@host/0?visibility=soon"),
        ("celery+amqp://h//?results=redis://:s3cret@i/1&more=1", "celery+amqp://h//?results=redis://:***@i/1&more=1"),
        ("sqlite:jobs.db?sync=no", "sqlite:jobs.db?sync=no"),
    ],
)
def test_an_address_that_names_no_store_is_shown_with_what_is_wrong_and_without_passwords(url, shown):
    """Its options are shown: one of them may be the fault."""
    with pytest.raises(weft.InvalidValue) as caught:
        stores.open_store(url)
    assert str(caught.value).startswith(f"{shown!r} names no job store")


@pytest.mark.parametrize(
    ("url", "user", "shown"),
    [
        ("postgresql://shop:s3cret@a:5432,b:5433/jobs?password=s3cret", True, "postgresql://shop@a:5432,b:5433/jobs"),
        ("postgresql://a/jobs", True, "postgresql://a/jobs"),
        ("redis://s3cret@host:6379/0", False, "redis://host:6379/0"),
        ("amqp://guest:s3cret@host//", False, "amqp://host//"),
    ],
)
def test_messages_name_a_server_without_its_secrets(url, user, shown):
    """All hosts are named. For brokers nobody is: a token may be in the place of the user."""
    assert public(url, user=user) == shown
