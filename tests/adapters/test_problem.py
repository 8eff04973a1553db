"""What strangers are told about overload and lateness."""

import errno
import json

import pytest

from weft.adapters.problem import problem_of
from weft.errors import DeadlineExceeded, Overloaded, TaskCancelled
from weft.uploads.errors import StorageError, UploadRefused


def test_overload_is_503_with_retry_after():
    """`Overloaded` is answered with 503 and the whole seconds after which another try may succeed, rounded up."""
    problem = problem_of(Overloaded("limit 'billing' is full", retry_after=1.2))
    assert problem.status == 503
    assert dict(problem.headers)["retry-after"] == "2"


@pytest.mark.parametrize(("wait", "told"), [(0.0, "0"), (0.01, "1"), (1.0, "1"), (-1.0, "0"), (float("inf"), "86400")])
def test_retry_after_is_an_integer_of_seconds(wait, told):
    """`Retry-After` is always a whole number of seconds, from 0 to a day."""
    assert dict(problem_of(Overloaded("full", retry_after=wait)).headers)["retry-after"] == told


def test_lateness_is_504():
    """`DeadlineExceeded` is answered with 504, which tells the seconds allowed and nothing about another try."""
    problem = problem_of(DeadlineExceeded(after=2.5))
    assert problem.status == 504
    assert "2.5 s" in problem.detail
    assert "retry-after" not in dict(problem.headers)


def test_the_body_is_a_problem_document():
    """The body is JSON in the form of RFC 9457, and its length is told."""
    problem = problem_of(Overloaded("limit 'billing' is full", retry_after=1.2))
    headers = dict(problem.headers)
    assert headers["content-type"] == "application/problem+json"
    assert headers["content-length"] == str(len(problem.body))
    assert headers["cache-control"] == "no-store"
    assert json.loads(problem.body) == {
        "type": "about:blank", "title": "Service Unavailable", "status": 503,
        "detail": "Too much is under way. Try again in 2 s.",
    }  # fmt: skip


def test_the_body_does_not_tell_what_is_full():
    """The names of limits and hosts stay inside: the answer goes to strangers."""
    assert b"billing" not in problem_of(Overloaded("limit 'billing' is full")).body


def test_a_group_of_overload_is_overload():
    """A group counts as overload, whatever its nesting, if all its errors do; the longest wait is told."""
    inner = ExceptionGroup("inner", [Overloaded("b", retry_after=7.5)])
    problem = problem_of(ExceptionGroup("outer", [Overloaded("a"), ExceptionGroup("middle", [inner])]))
    assert (problem.status, problem.retry_after) == (503, 8)


def test_a_group_of_lateness_is_lateness():
    """A group of nothing but lateness is 504; one of lateness and overload, too, because a new try may not help."""
    assert problem_of(ExceptionGroup("late", [DeadlineExceeded()])).status == 504
    assert problem_of(ExceptionGroup("both", [DeadlineExceeded(after=1.0), Overloaded("full")])).status == 504


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        TaskCancelled("x"),
        TimeoutError("not weft's"),
        ExceptionGroup("mixed", [Overloaded("full"), ValueError("x")]),
        BaseExceptionGroup("mixed", [Overloaded("full"), KeyboardInterrupt()]),
    ],
    ids=repr,
)
def test_other_errors_are_no_affair_of_wefts(error):
    """Anything else, even beside overload in one group, is left to the app."""
    assert problem_of(error) is None


def test_an_upload_that_was_refused_has_its_own_status():
    """Its message is for the client, and told, with the reason as a member of its own; of several, the first counts."""
    refused = UploadRefused(429, "uploads", "4 uploads of yours are under way", retry_after=4.2)
    for error in (refused, ExceptionGroup("several", [refused, UploadRefused(413, "too-large", "a file is large")])):
        problem = problem_of(error)
        assert (problem.status, problem.retry_after) == (429, 5)
        assert json.loads(problem.body) == {
            "type": "about:blank", "title": "Too Many Requests", "status": 429,
            "detail": "4 uploads of yours are under way", "reason": "uploads",
        }  # fmt: skip


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 503)])
def test_a_storage_that_fails(number, status):
    """A full disk is 507, any other failure 503; its own words stay inside."""
    problem = problem_of(StorageError(number, "cannot keep a file in /srv/secret"))
    assert problem.status == status
    assert b"secret" not in problem.body


def test_refused_uploads_among_other_errors_are_no_affair_of_ours():
    """A group is answered only if nothing else is in it."""
    assert problem_of(ExceptionGroup("mixed", [UploadRefused(413, "x", "y"), KeyError("z")])) is None
