"""The FastAPI application that the stories tell of."""

import os
import threading
from pathlib import Path

from fastapi import FastAPI

import weft
from weft.adapters.asgi import Weft, weft_deadline

UPSTREAM = os.environ["UPSTREAM"]

app = FastAPI()
app.add_middleware(Weft, deadline=20.0)


@app.get("/fan")
async def fan(path: str = "/delay/0.02"):
    return {"answered": len(await weft.map(weft.http.get, [UPSTREAM + path] * 20, join="all"))}


@app.get("/late")
@weft_deadline(0.5)
async def late():
    async with weft.scope() as scope:
        scope.start(weft.http.get, UPSTREAM + "/silence")
    return {}


@app.get("/full")
def full():
    weft.limit("narrow", 1, waiting=0)
    with weft.scope() as scope:
        for _ in range(2):
            scope.start(weft.call(weft.http.get, UPSTREAM + "/delay/0.2").using(limit="narrow"))
    return {}


@app.get("/debug")
def debug():
    return {
        "pid": os.getpid(),
        "fds": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
    }
