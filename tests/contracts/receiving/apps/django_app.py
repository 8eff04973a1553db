"""The project of the contract in Django: with plain views, or with async ones where ASYNC is set."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from work_of_views import debug, options, shown

import weft

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["weft.adapters.django.Weft", "django.middleware.csrf.CsrfViewMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the contract",
    WEFT_DEADLINE=30.0,
)
ASYNC = "ASYNC" in os.environ


@csrf_exempt
def upload(request):
    return JsonResponse(shown(weft.uploads.receive(request, **options(request.GET))))


@csrf_exempt
async def upload_async(request):
    return JsonResponse(shown(await weft.uploads.receive(request, **options(request.GET))))


async def debugged_async(_request):
    return JsonResponse(debug())


def debugged(_request):
    return JsonResponse(debug())


urlpatterns = [
    path("upload", upload_async if ASYNC else upload),
    path("plain", upload),
    path("debug", debugged_async if ASYNC else debugged),
]
application = get_asgi_application() if ASYNC else get_wsgi_application()
