"""The Django project of the stories of logs: `python logs_django.py runserver --noreload PORT`."""

import logging
import os
import signal
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import JsonResponse
from django.urls import path

import weft.logs

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    LOGGING=weft.logs.config(os.environ["LOG"], ring=os.environ["RINGS"]),
)
logger = logging.getLogger("shop")


def index(request):
    return JsonResponse({"pid": os.getpid()})


def log(request, name):
    logger.info("request %s", name)
    return JsonResponse({"pid": os.getpid()})


def die(request):
    for number in range(20):
        logger.info("last words %d", number)
    os.kill(os.getpid(), signal.SIGKILL)


urlpatterns = [path("", index), path("log/<name>", log), path("die", die)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
