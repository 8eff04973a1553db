"""The demo as a Django project of one file, served by gunicorn's threads. (Django has no types: its own are `Any`.)"""

from collections.abc import Callable
from typing import Any

from django.conf import settings as django
from django.core.exceptions import RequestDataTooBig
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from weft.cli.demo import runs, web
from weft.cli.demo.sites import warm_up
from weft.runtime.face import run

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
        known = web.host_allowed(request.META.get("HTTP_HOST", ""))
        response = get_response(request) if known else HttpResponse(status=421)
        for name, value in web.HEADERS.items():
            response.headers[name] = value
        return response

    return through


def settings(_request: Any) -> Any:
    """What the page has to know."""
    return JsonResponse(web.settings("Django on gunicorn's threads"))


def check_sites(request: Any, way: str) -> Any:
    """Run one way, and stream each call as it ends."""
    if way not in runs.WAYS:
        raise Http404
    try:
        job = web.Job.read(request.headers.get("content-type", ""), request.body)
    except RequestDataTooBig:
        return JsonResponse({"detail": web.TOO_LARGE}, status=413)
    except web.Refusal as error:
        return JsonResponse({"detail": str(error)}, status=error.status)
    return StreamingHttpResponse(runs.lines(way, job), content_type=web.LINES)


def page(_request: Any, name: str = "") -> Any:
    """The page and its files."""
    found = web.file(name)
    if found is None:
        raise Http404
    return HttpResponse(found[0], content_type=found[1])


urlpatterns: list[Any] = [
    path("settings.json", settings),
    path("check-sites/<way>", check_sites),
    path("", page),
    path("<name>", page),
]
application: Any = get_wsgi_application()
run(warm_up)  # in the worker: the first visitor does not wait for an import
