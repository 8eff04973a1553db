"""weft as a Flask extension."""

import asyncio
import threading

import flask
import pytest
from flask import Blueprint, Flask, current_app, g, request, session, stream_with_context
from flask.globals import request_ctx

import weft
from weft.adapters.flask import Weft, weft_deadline
from weft.adapters.request import RequestScope
from weft.scopes.current import current


@pytest.fixture
def app():
    app = Flask(__name__)
    app.secret_key = "a secret of this test"
    Weft(app, deadline=10.0)
    return app


def refuse(*_):
    raise weft.Overloaded("limit 'x' is full", retry_after=2.4)


# -- installing


def test_one_line_installs_it(app):
    """`Weft(app, deadline=10.0)` gives each request a scope, whose deadline counts from the request's beginning."""
    app.add_url_rule("/", view_func=lambda: str(weft.remaining()))
    assert 9.0 < float(app.test_client().get("/").text) <= 10.0
    assert weft.remaining() is None


def test_an_app_factory_installs_it_later():
    """One `Weft()` object serves any number of apps through `init_app`; doing so twice changes nothing."""
    extension = Weft(deadline=5.0)
    for _ in range(2):
        app = Flask(__name__)
        app.add_url_rule("/", view_func=lambda: str(weft.remaining()))
        extension.init_app(app)
        once = app.wsgi_app
        extension.init_app(app)
        assert app.wsgi_app is once
        assert 4.0 < float(app.test_client().get("/").text) <= 5.0
        assert app.extensions["weft"] is extension


def test_the_configuration_takes_precedence():
    """`WEFT_DEADLINE` in the app's configuration beats the argument; None takes the bound away."""
    for setting, expected in ((3.0, 3.0), (None, None)):
        app = Flask(__name__)
        app.config["WEFT_DEADLINE"] = setting
        Weft(app, deadline=10.0)
        app.add_url_rule("/", view_func=lambda: {"remaining": weft.remaining()})
        remaining = app.test_client().get("/").json["remaining"]
        assert (remaining is None) if expected is None else (2.0 < remaining <= 3.0)


def test_the_configuration_sets_up_the_runtime():
    """Each setting of the runtime can be made in the app's configuration, as in `WEFT_THREADS`."""
    app = Flask(__name__)
    app.config.update(WEFT_THREADS=3, WEFT_GRACE=0.5)
    Weft(app)
    assert (weft.configure().threads, weft.configure().grace) == (3, 0.5)


def test_an_app_made_after_the_first_use_keeps_the_runtime():
    """A second app with the same settings may be made while the runtime is at work; one with others is refused."""
    weft.run(int)
    Weft(Flask(__name__))
    other = Flask(__name__)
    other.config["WEFT_THREADS"] = 3
    with pytest.raises(weft.InvalidCall):
        Weft(other)


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan")])
def test_an_impossible_deadline_is_told_at_once(wrong):
    """A deadline that leaves no time is refused where it is written, be it argument, setting or decorator."""
    app = Flask(__name__)
    app.config["WEFT_DEADLINE"] = wrong
    for write in (lambda: Weft(deadline=wrong), lambda: Weft(app), lambda: weft_deadline(wrong)):
        with pytest.raises(weft.InvalidValue):
            write()


# -- the scope of a request


def test_a_request_that_uses_nothing_starts_nothing(app):
    """No loop, no thread and no core is made for a request that uses nothing of weft."""
    seen = []
    app.add_url_rule("/", view_func=lambda: seen.append(current.get()) or "")
    app.test_client().get("/")
    assert isinstance(seen[0], RequestScope)
    assert seen[0].over
    assert seen[0]._core is None
    assert weft.statistics().loops == 0


def test_a_call_ends_by_the_requests_deadline(app):
    """What a view starts without a deadline of its own is `TimedOut` when the request's time is up."""

    @app.get("/")
    @weft_deadline(0.05)
    def view():
        return type(weft.map(asyncio.Event.wait, [asyncio.Event()]).outcomes()[0]).__name__

    assert app.test_client().get("/").text == "TimedOut"


@pytest.mark.parametrize("seconds", [2.0, 60.0])
def test_a_view_may_choose_its_deadline(app, seconds):
    """`@weft_deadline` makes the request's deadline shorter or longer than the app's."""
    app.add_url_rule("/", view_func=weft_deadline(seconds)(lambda: str(weft.remaining())))
    assert seconds - 1 < float(app.test_client().get("/").text) <= seconds


def test_a_view_may_have_no_deadline(app):
    """`@weft_deadline(None)` takes the bound away."""
    app.add_url_rule("/", view_func=weft_deadline(None)(lambda: str(weft.remaining())))
    assert app.test_client().get("/").text == "None"


def test_a_view_with_a_deadline_can_be_called_alone():
    """Outside of a request the decorator does nothing, and the view keeps its name."""

    @weft_deadline(2.0)
    def view():
        return weft.remaining()

    assert view() is None
    assert view.__name__ == "view"


def test_the_next_request_of_the_thread_starts_afresh(app):
    """A scope ends with its request: the next one on the same thread gets its own, also after an error."""
    seen = []

    @app.get("/<kind>")
    def view(kind):
        seen.append(current.get())
        return {"ok": lambda: "", "error": refuse, "abort": lambda: flask.abort(404)}[kind]()

    for kind in ("ok", "error", "abort", "ok"):
        app.test_client().get(f"/{kind}")
        assert current.get() is None
    assert len({id(scope) for scope in seen}) == 4
    assert all(scope.over for scope in seen)


def test_a_request_that_is_answered_before_it_reaches_us_has_no_scope():
    """An earlier `before_request` function that answers leaves nothing to tear down."""
    app = Flask(__name__)
    app.before_request(lambda: "early")
    Weft(app)
    assert app.test_client().get("/").text == "early"
    assert current.get() is None


def test_a_scope_that_was_not_left_does_not_bound_the_next_request(app):
    """A thread on which the end of a request was not seen serves its next request under a fresh deadline."""
    stale = RequestScope(0.001)
    stale.open(None)
    thread = threading.Thread(target=stale.end)  # another context: the token cannot be used there
    thread.start()
    thread.join()
    assert current.get() is stale
    app.add_url_rule("/", view_func=lambda: str(weft.remaining()))
    assert float(app.test_client().get("/").text) > 9.0
    current.set(None)


def test_a_request_inside_a_request_does_not_outlive_it(app):
    """A view that calls its own app gives it no more time than it has itself."""
    app.add_url_rule("/inner", "inner", lambda: str(weft.remaining()))
    app.add_url_rule("/", "outer", weft_deadline(1.0)(lambda: app.test_client().get("/inner").text))
    assert float(app.test_client().get("/").text) <= 1.0


def test_what_is_still_under_way_is_cancelled_with_the_request(app):
    """A batch that a view has begun and dropped does not outlive the request."""
    ended, kept = threading.Event(), []

    async def endless(i):
        try:
            await asyncio.Event().wait() if i else None
        finally:
            if i:
                ended.set()

    @app.get("/")
    def view():
        stream = weft.map(endless, [0, 1]).as_completed()
        steps = iter(stream)
        next(steps)
        kept.append(steps)  # dropped without being closed
        return ""

    app.test_client().get("/")
    assert ended.wait(5)
    kept.pop().close()


def test_teardown_of_a_copied_context_leaves_the_scope_alone(app):
    """`copy_current_request_context` in a task, whose end runs the teardown functions, does not end the request."""

    @app.get("/")
    def view():
        scope = current.get()
        weft.run(flask.copy_current_request_context(lambda: None))
        return str(scope.over)

    assert app.test_client().get("/").text == "False"


# -- context travels


def whoami():
    return request.args["who"], g.who, session["who"], current_app.name, request_ctx._get_current_object()


async def whoami_async():
    return whoami()


@pytest.mark.parametrize("fn", [whoami, whoami_async])
def test_tasks_see_the_context_of_the_view(app, fn):
    """Two tasks of one request at once see its `g`, `request`, `session` and `current_app`, on threads and the loop."""
    here = threading.Barrier(2, timeout=5)

    def together():
        here.wait()
        return whoami()

    @app.get("/")
    def view():
        g.who = session["who"] = request.args["who"]
        calls = [together, together] if fn is whoami else [whoami_async, whoami_async]
        return [list(found[:4]) for found in weft.gather(*calls).result()]

    expected = [["ada", "ada", "ada", app.name]] * 2
    assert app.test_client().get("/?who=ada").json == expected


def test_requests_at_once_do_not_see_each_others_context(app):
    """Tasks of requests that run at the same time each see their own request."""
    here = threading.Barrier(8, timeout=10)

    @app.get("/")
    def view():
        g.who = session["who"] = request.args["who"]
        here.wait()
        return {"seen": [found[0] for found in weft.gather(whoami, whoami_async, whoami).result()]}

    def ask(who):
        return app.test_client().get(f"/?who={who}").json["seen"]

    with weft.ThreadExecutor(8) as pool:
        assert list(pool.map(ask, "abcdefgh")) == [[who] * 3 for who in "abcdefgh"]


def test_the_current_span_travels_into_tasks(app):
    """With OpenTelemetry installed, a span started in a task is the child of the view's."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider().get_tracer(__name__)

    def parent():
        return trace.get_current_span().get_span_context().span_id

    async def parent_async():
        return parent()

    @app.get("/")
    def view():
        with tracer.start_as_current_span("view") as span:
            mine = span.get_span_context().span_id
            return {"same": [mine == seen for seen in weft.gather(parent, parent_async).result()]}

    assert app.test_client().get("/").json == {"same": [True, True]}


# -- answers


def test_overload_is_answered_with_503(app):
    """`Overloaded` that leaves a view is an answer 503 with `Retry-After`, in application/problem+json."""
    app.add_url_rule("/", view_func=refuse)
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json(force=True)["title"] == "Service Unavailable"


def test_overload_in_a_group_is_answered_with_503(app):
    """A full limit that a strict join reports as a group is an answer 503, too."""

    @app.get("/")
    def view():
        weft.limit("narrow", 1, waiting=0)
        return weft.map(asyncio.Event.wait, [asyncio.Event()] * 2, limit="narrow").values()

    assert app.test_client().get("/").status_code == 503


def test_lateness_is_answered_with_504(app):
    """`DeadlineExceeded` that leaves a view is an answer 504, in application/problem+json."""

    @app.get("/")
    def view():
        with weft.scope(deadline=0.02) as scope:
            scope.start(asyncio.Event().wait)

    answer = app.test_client().get("/")
    assert (answer.status_code, answer.mimetype) == (504, "application/problem+json")


@pytest.mark.parametrize("late", [False, True])
def test_the_apps_own_handler_wins(late):
    """An error handler of the app for these exceptions is asked instead, whether it came before or after weft."""
    app = Flask(__name__)
    if late:
        Weft(app)
    app.register_error_handler(weft.Overloaded, lambda _error: ("own", 418))
    if not late:
        Weft(app)
    app.add_url_rule("/", view_func=refuse)
    assert app.test_client().get("/").status_code == 418


def test_a_blueprints_own_handler_wins(app):
    """A blueprint's handler for these exceptions is asked instead, for its own views."""
    blueprint = Blueprint("own", __name__)
    blueprint.register_error_handler(weft.Overloaded, lambda _error: ("own", 418))
    blueprint.add_url_rule("/blue", view_func=refuse)
    app.register_blueprint(blueprint)
    app.add_url_rule("/", view_func=refuse)
    assert app.test_client().get("/blue").status_code == 418
    assert app.test_client().get("/").status_code == 503


def test_a_handler_for_everything_does_not_hide_overload(app):
    """A handler for `Exception` is asked for other errors alone, and still gets them as they were raised."""
    seen = []
    app.register_error_handler(Exception, lambda error: seen.append(error) or ("own", 418))
    mixed = ExceptionGroup("mixed", [weft.Overloaded("full"), ValueError("x")])

    @app.get("/<kind>")
    def view(kind):
        raise {"full": weft.Overloaded("full"), "mixed": mixed}[kind]

    assert app.test_client().get("/full").status_code == 503
    assert app.test_client().get("/mixed").status_code == 418
    assert seen == [mixed]


def test_other_groups_are_left_to_flask(app):
    """A group with anything else in it is an internal error, as without weft."""

    @app.get("/")
    def view():
        raise ExceptionGroup("mixed", [weft.Overloaded("full"), ValueError("x")])

    assert app.test_client().get("/").status_code == 500
    app.testing = True
    with pytest.raises(ExceptionGroup):
        app.test_client().get("/")


# -- other kinds of views


def test_a_streamed_body_is_sent_after_the_request(app):
    """A streamed body may use weft under deadlines of its own; the request's scope has ended by then."""

    def body():
        yield str(current.get())
        yield from weft.map(str, [1, 2], deadline=5.0).values()

    app.add_url_rule("/", "plain", lambda: flask.Response(body()))
    app.add_url_rule("/context", "context", lambda: flask.Response(stream_with_context(body())))
    assert app.test_client().get("/").text == "None12"
    assert app.test_client().get("/context").text.endswith("12")
    assert current.get() is None


def test_blueprints_are_served_alike(app):
    """Views of a blueprint run in a scope like any other."""
    blueprint = Blueprint("blue", __name__, url_prefix="/blue")
    blueprint.add_url_rule("/", view_func=lambda: str(weft.remaining()))
    app.register_blueprint(blueprint)
    assert float(app.test_client().get("/blue/").text) > 9.0


def test_async_views_inherit_the_deadline(app):
    """An `async def` view has the request's deadline, and `@weft_deadline` may change it."""

    @app.get("/")
    @weft_deadline(2.0)
    async def view():
        async with weft.scope() as scope:
            seen = scope.start(weft.remaining)
        return str(await seen)

    assert 1.0 < float(app.test_client().get("/").text) <= 2.0


def test_a_client_inside_a_running_loop_is_served(app):
    """A test that calls the app from async code is not refused for the loop that runs there."""
    app.add_url_rule("/", view_func=lambda: "fine")

    async def test():
        return app.test_client().get("/").text

    assert asyncio.run(test()) == "fine"
