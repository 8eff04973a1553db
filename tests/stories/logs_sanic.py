"""The Sanic application of the stories of logs: `python logs_sanic.py PORT`, or `... PORT single` for one process."""

import logging
import os
import signal
import sys

from sanic import Sanic, json

import weft.logs

app = Sanic("shop", log_config=weft.logs.config(os.environ["LOG"], ring=os.environ["RINGS"]))
logger = logging.getLogger("shop")


@app.get("/")
async def index(request):
    return json({"pid": os.getpid()})


@app.get("/log/<name>")
async def log(request, name):
    logger.info("request %s", name)
    return json({"pid": os.getpid()})


@app.get("/stop")
async def stop(request):
    request.app.m.terminate()
    return json({"pid": os.getpid()})


@app.get("/die")
async def die(request):
    for number in range(20):
        logger.info("last words %d", number)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), single_process="single" in sys.argv, access_log=True, motd=False)
