"""The project of the contract in Django: with plain views, or with async ones where ASYNC is set."""

import os
import sys
from contextvars import ContextVar

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import execute_from_command_line
from django.core.servers.basehttp import WSGIServer
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse, StreamingHttpResponse
from django.urls import path
from django.utils.decorators import sync_and_async_middleware
from work_of_views import Busy, both, debug, endless, fan, full, leak, leak_async, line

import weft
from weft.adapters.django import weft_deadline

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG="DEBUG" in os.environ,
    MIDDLEWARE=["weft.adapters.django.Weft", f"{__name__}.own_answers"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the contract",
    WEFT_DEADLINE=20.0,
)
ASYNC = "ASYNC" in os.environ
user_of_request = ContextVar("user_of_request", default="nobody")


@sync_and_async_middleware
def own_answers(get_response):
    if ASYNC:

        async def middleware(request):
            return await get_response(request)
    else:

        def middleware(request):
            return get_response(request)

    middleware.process_exception = own_answer
    return middleware


def own_answer(_request, error):
    return JsonResponse({"own": True}, status=418) if isinstance(error, Busy) else None


def view(make):
    """A view, plain or async, that answers with what a batch comes to."""

    def plain(request):
        batch, shown = make(request)
        return JsonResponse(shown(batch.result()))

    async def asynchronous(request):
        batch, shown = make(request)
        return JsonResponse(shown(await batch))

    return asynchronous if ASYNC else plain


def answered(values):
    return {"answered": len(values)}


@view
def fanned(request):
    return fan(request.GET["path"], int(request.GET.get("count", 20))), answered


@weft_deadline(0.2)
@view
def late(_request):
    return fan("/silence", 1), answered


@view
def filled(_request):
    return full(), answered


def busy(_request):
    raise Busy("by itself")


def remaining(_request):
    return JsonResponse({"remaining": weft.remaining()})


@view
def context(request):
    user_of_request.set(request.GET["user"])
    return both(see), lambda seen: {"seen": seen}


def see():
    return ["/context", user_of_request.get(), user_of_request.get()]


def leaked(_request):
    leak()
    return JsonResponse({})


async def leaked_async(_request):
    await leak_async()
    return JsonResponse({})


def upload(request):
    return JsonResponse({"size": len(request.body)})


def stream(_request):
    return StreamingHttpResponse(lines() if ASYNC else map(line, endless()), content_type="text/plain")


async def lines():
    async for outcome in endless():
        yield line(outcome)


def debugged(_request):
    return JsonResponse(debug())


async def debugged_async(_request):
    return JsonResponse(debug())


urlpatterns = [
    path("fan", fanned),
    path("late", late),
    path("full", filled),
    path("busy", busy),
    path("remaining", remaining),
    path("context", context),
    path("leak", leaked_async if ASYNC else leaked),
    path("upload", upload),
    path("stream", stream),
    path("debug", debugged_async if ASYNC else debugged),
]
application = get_asgi_application() if ASYNC else get_wsgi_application()

if __name__ == "__main__":
    WSGIServer.request_queue_size = 128  # of ten, clients who come at once try again after seconds
    execute_from_command_line(sys.argv)
