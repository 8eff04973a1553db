"""A view that uses nothing of weft, in each framework, with the adapter (ADAPTER=1) and without: `app`.

`python web_noop.py PORT` serves that in Sanic.
"""

import os
import sys

FRAMEWORK = os.environ["FRAMEWORK"]
ADAPTER = os.environ["ADAPTER"] == "1"


def flask_app():
    """Flask."""
    from flask import Flask

    made = Flask(__name__)
    if ADAPTER:
        from weft.adapters.flask import Weft

        Weft(made)
    made.add_url_rule("/noop", view_func=dict, endpoint="noop")
    return made


def fastapi_app():
    """FastAPI, and an endpoint that is async."""
    from fastapi import FastAPI

    made = FastAPI()
    if ADAPTER:
        from weft.adapters.asgi import Weft

        made.add_middleware(Weft)

    @made.get("/noop")
    async def noop():
        return {}

    return made


def django_app():
    """Django under WSGI."""
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import JsonResponse
    from django.urls import path

    settings.configure(
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=[
            *(["weft.adapters.django.Weft"] if ADAPTER else []),
            "django.middleware.common.CommonMiddleware",  # tells the answer's length
        ],
        ROOT_URLCONF=(path("noop", lambda _request: JsonResponse({})),),
        SECRET_KEY="of the benchmark",
    )
    return get_wsgi_application()


def sanic_app():
    """Sanic."""
    from sanic import Sanic, json

    made = Sanic("noop")
    if ADAPTER:
        from weft.adapters.sanic import Weft

        Weft(made)

    @made.get("/noop")
    async def noop(_request):
        return json({})

    return made


app = {"Flask": flask_app, "FastAPI": fastapi_app, "Django": django_app, "Sanic": sanic_app}[FRAMEWORK]()

if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), single_process=True, access_log=False, motd=False)
