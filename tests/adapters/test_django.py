"""weft as a Django middleware, in both of its modes."""

import asyncio
import contextlib
import gc
import threading
from unittest import mock

import django
import pytest
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path

import weft
from weft.adapters.django import Weft, weft_deadline
from weft.scopes.current import current

MIDDLEWARE = "weft.adapters.django.Weft"
seen = []


def plain(request):
    return HttpResponse(str(weft.remaining()))


async def hasty(request):
    return HttpResponse(str(weft.remaining()))


def refuse(request):
    raise weft.Overloaded("limit 'x' is full", retry_after=2.4)


async def refuse_async(request):
    refuse(request)


def two_errors(request):
    raise ExceptionGroup("two", [weft.Overloaded("full"), ValueError("mine")])


@weft_deadline(0.05)
def late(request):
    weft.map(asyncio.Event.wait, [asyncio.Event()]).values()


@weft_deadline(0.05)
async def endless(request):
    await asyncio.Event().wait()


@weft_deadline(2.0)
async def own(request):
    return HttpResponse(str(weft.remaining()))


def leaky(request):
    scope = weft.scope()
    scope.open(None)  # a view that never leaves its scope
    seen.append(scope.start(asyncio.Event().wait))
    return HttpResponse("")


def databases(request):
    def ask(number):
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        seen.append(connection.connection)
        return threading.current_thread() is not threading.main_thread()

    return HttpResponse(str(all(weft.map(ask, range(4)).values())))


def mode(request):
    return HttpResponse(type(current.get()).__name__)


VIEWS = [plain, hasty, refuse, refuse_async, two_errors, late, endless, own, leaky, databases, mode]
urlpatterns = [path(view.__name__, view) for view in VIEWS]


def sync_only(get_response):
    """A middleware of the oldest kind."""
    return get_response


class Own:
    """One that answers for weft."""

    sync_capable = async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, exception):
        return HttpResponse("mine", status=418)


@pytest.fixture(scope="module", autouse=True)
def project(tmp_path_factory):
    """A project with a database, and the threads that asgiref makes at their first use and keeps."""
    file = tmp_path_factory.mktemp("django") / "database"
    settings.configure(
        ALLOWED_HOSTS=["*"], DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": file}}
    )
    django.setup()
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[MIDDLEWARE]):
        for ask in (wsgi, asgi):
            ask("/plain")
            ask("/refuse_async")


@pytest.fixture(autouse=True)
def site(project):
    seen.clear()
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[MIDDLEWARE]):
        yield


def wsgi(where, **headers):
    answer = Client(raise_request_exception=False).get(where, headers=headers)
    gc.collect()  # asgiref's thread for an async view lives as long as the traceback of what that raised
    return answer


def asgi(where, **headers):
    return asyncio.run(AsyncClient(raise_request_exception=False).get(where, headers=headers))


both = pytest.mark.parametrize("ask", [wsgi, asgi])


# -- installing


@both
@pytest.mark.parametrize("view", ["plain", "hasty"])
def test_one_line_installs_it(ask, view):
    """A line in MIDDLEWARE gives each request a scope with a deadline, be the view plain or async, in both modes."""
    assert 9.0 < float(ask(f"/{view}").content) <= 10.0
    assert weft.remaining() is None


@both
def test_the_settings_are_djangos(ask):
    """`WEFT_DEADLINE` is the deadline, and the runtime's settings are read as well."""
    with override_settings(WEFT_DEADLINE=3.0, WEFT_THREADS=5):
        assert 2.0 < float(ask("/plain").content) <= 3.0
        assert weft.configure().threads == 5
    with override_settings(WEFT_DEADLINE=None, WEFT_THREADS=5):
        assert ask("/plain").content == b"None"


def test_what_a_middleware_cannot_do_is_told():
    """An access log asked for in the settings is refused, with what to write instead."""
    with (
        override_settings(WEFT_ACCESS_LOG="combined"),
        pytest.raises(weft.InvalidCall, match=r"application = AccessLog\(application\)"),
    ):
        Weft(plain)


def test_an_impossible_deadline_is_told_at_once():
    """A deadline that leaves no time is refused when Django starts."""
    with override_settings(WEFT_DEADLINE=0), pytest.raises(weft.InvalidValue):
        Weft(plain)


# -- the deadline


@both
def test_a_client_may_ask_for_less(ask):
    """`X-Request-Timeout` shortens the deadline, and never lengthens it."""
    assert 1.0 < float(ask("/plain", x_request_timeout="2").content) <= 2.0
    assert 9.0 < float(ask("/plain", x_request_timeout="60").content) <= 10.0


@both
def test_a_view_may_choose_its_deadline(ask):
    """`@weft_deadline` on a view takes the place of the project's."""
    assert 1.0 < float(ask("/own").content) <= 2.0


@both
def test_lateness_is_504(ask):
    """A view whose calls were late is answered 504 with a problem document."""
    answer = ask("/late")
    assert (answer.status_code, answer["content-type"]) == (504, "application/problem+json")
    assert answer.json()["status"] == 504


def test_an_async_view_is_cut_short():
    """Under ASGI an async view that waits for ever is ended by its deadline."""
    assert asgi("/endless").status_code == 504


# -- overload and other errors


@both
@pytest.mark.parametrize("view", ["refuse", "refuse_async"])
def test_overload_is_503(ask, view):
    """`Overloaded` is answered 503, with the seconds to wait."""
    answer = ask(f"/{view}")
    assert (answer.status_code, answer["retry-after"]) == (503, "3")


@both
def test_other_errors_are_djangos(ask):
    """A group that holds an error of the view's own is Django's 500."""
    with mock.patch("django.core.handlers.exception.log_response"):
        assert ask("/two_errors").status_code == 500


@both
def test_the_projects_middleware_sees_the_error_first(ask):
    """`process_exception` of another middleware comes before weft's."""
    with override_settings(MIDDLEWARE=[MIDDLEWARE, f"{__name__}.Own"]):
        assert ask("/refuse").status_code == 418


# -- modes, ends and databases


def test_it_serves_on_the_servers_loop_where_there_is_one():
    """Under WSGI it is a plain scope, under ASGI one that can cut its task; a sync-only middleware makes it plain."""
    assert wsgi("/mode").content == b"RequestScope"
    assert asgi("/mode").content == b"HostedScope"
    with override_settings(MIDDLEWARE=[MIDDLEWARE, f"{__name__}.sync_only"]):
        assert asgi("/mode").content == b"RequestScope"
        assert 9.0 < float(asgi("/hasty").content) <= 10.0


def test_what_a_view_leaves_behind_is_cancelled():
    """A call in a scope that the view never left is cancelled when the request is over."""
    assert wsgi("/leaky").status_code == 200
    with pytest.raises(weft.TaskCancelled):
        seen[0].result(timeout=5)


@both
def test_a_tasks_connection_ends_with_it(ask):
    """Each task's database connection is closed before its outcome is told, and the worker's thread keeps none."""
    assert ask("/databases").content == b"True"
    assert len(seen) == 4
    for opened in seen:
        with pytest.raises(Exception, match="closed"):  # sqlite's ProgrammingError, whatever the thread
            opened.total_changes  # noqa: B018 - the question is the test


@pytest.mark.parametrize("step", range(3))
def test_a_request_that_is_cancelled_takes_its_calls_along(step):
    """Django cancels an ASGI request whose client has left: the calls under way end, and the cancellation goes on."""
    ended = []

    async def call():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(step)

    async def view(request):
        async with weft.scope() as scope:
            scope.start(call)

    async def main():
        task = asyncio.create_task(Weft(view)(mock.Mock(META={})))
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(main())
    assert ended == [step]
