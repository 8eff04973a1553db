"""The Flask application that the stories tell of."""

import os
import threading
from pathlib import Path

from flask import Flask, request

import weft
from weft.adapters.flask import Weft, weft_deadline
from weft.runtime.process import runtime

UPSTREAM = os.environ["UPSTREAM"]
if "USED_BEFORE_FORK" in os.environ:
    weft.run(weft.http.get, UPSTREAM + "/ok")
BEFORE = (os.getpid(), id(runtime()))

app = Flask(__name__)
Weft(app, deadline=20.0)


@app.get("/fan")
def fan():
    path = request.args.get("path", "/delay/0.02")
    return {"answered": len(weft.map(weft.http.get, [UPSTREAM + path] * 20, join="all").result())}


@app.get("/late")
@weft_deadline(0.5)
def late():
    with weft.scope() as scope:
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
        "fresh": (os.getpid(), id(runtime())) != BEFORE,
        "forked": os.getpid() != BEFORE[0],
        "fds": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
    }
