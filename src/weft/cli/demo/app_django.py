"""The demo as a Django project of one file, served by gunicorn's threads. (Django has no types: its own are `Any`.)"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings as django
from django.core.exceptions import RequestDataTooBig
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.http import require_POST

from weft.adapters.django import weft_deadline
from weft.cli.demo import runs, web
from weft.cli.demo.photos import shelf
from weft.cli.demo.sites import warm_up
from weft.runtime.face import run
from weft.uploads.arriving.receiving import receive

__all__ = ["application", "door", "urlpatterns"]

django.configure(
    ALLOWED_HOSTS=["*"],  # the door looks at the name, as in the other frameworks
    DATA_UPLOAD_MAX_MEMORY_SIZE=web.LARGEST_BODY,
    MIDDLEWARE=[f"{__name__}.door", "weft.adapters.django.Weft"],
    ROOT_URLCONF=__name__,
    WEFT_DEADLINE=60.0,
)


def door(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Answer only those who know the server by its own name, and say on each answer what the page may do."""

    def through(request: Any) -> Any:
        status = web.barred(request.method, request.headers.get)
        response = HttpResponse(status=status) if status else get_response(request)
        for name, value in web.HEADERS.items():
            response.headers[name] = value
        return response

    return through


def explained(view: Callable[..., Any]) -> Callable[..., Any]:
    """Have what the view refuses told to the person at the page."""

    @wraps(view)
    def explaining(request: Any, *args: str, **kwargs: str) -> Any:
        try:
            return view(request, *args, **kwargs)
        except web.Refusal as error:
            return JsonResponse({"detail": str(error)}, status=error.status)

    return explaining


def settings(_request: Any) -> Any:
    """What the page has to know."""
    return JsonResponse(web.settings("Django on gunicorn's threads"))


@explained
def check_sites(request: Any, way: str) -> Any:
    """Run one way, and stream each call as it ends."""
    if way not in runs.WAYS:
        raise Http404
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise web.Refusal(web.TOO_LARGE, 413) from error
    job = web.Job.read(request.headers.get("content-type", ""), body)
    return StreamingHttpResponse(runs.lines(way, job), content_type=web.LINES)


@weft_deadline(shelf.PATIENCE)
@explained
def add_photo(request: Any) -> Any:
    """Keep a photo, and have it made small."""
    return JsonResponse(shelf.add(receive(request, shelf.intake())))


def list_photos(_request: Any) -> Any:
    """How each stands."""
    return JsonResponse(shelf.listed())


def small_photo(_request: Any, uid: str) -> Any:
    """A photo that was made small."""
    found = shelf.small(uid)
    if found is None:
        raise Http404
    return HttpResponse(found[0], content_type=found[1])


@explained
def act(_request: Any, action: str) -> Any:
    """What a button of the page does."""
    return JsonResponse(shelf.act(action))


def page(_request: Any, name: str = "") -> Any:
    """The page and its files."""
    found = web.file(name)
    if found is None:
        raise Http404
    return HttpResponse(found[0], content_type=found[1])


urlpatterns: list[Any] = [
    path("settings.json", settings),
    path("check-sites/<way>", check_sites),
    path("photos/add", require_POST(add_photo)),
    path("photos/list", list_photos),
    path("photos/small/<uid>", small_photo),
    path("photos/do/<action>", require_POST(act)),
    path("", page),
    path("<name>", page),
]
application: Any = get_wsgi_application()
run(warm_up)  # in the worker: the first visitor does not wait for an import
