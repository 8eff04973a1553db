"""The Starlette application of the stories of logs, with uvicorn: `python logs_starlette.py PORT`."""

import logging
import os
import signal
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import weft.logs

logger = logging.getLogger("shop")


async def index(request):
    return JSONResponse({"pid": os.getpid()})


async def log(request):
    logger.info("request %s", request.path_params["name"])
    return JSONResponse({"pid": os.getpid()})


def die(request):
    for number in range(20):
        logger.info("last words %d", number)
    os.kill(os.getpid(), signal.SIGKILL)


app = Starlette(routes=[Route("/", index), Route("/log/{name}", log), Route("/die", die)])

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_config=weft.logs.config(os.environ["LOG"], ring=os.environ["RINGS"]))
