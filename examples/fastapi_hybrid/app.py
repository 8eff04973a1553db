"""A FastAPI app that still calls a blocking library: `requests`, on weft's threads, beside calls that are async."""

import os

import requests
from fastapi import FastAPI

import weft
from weft.adapters.asgi import Weft

UPSTREAM = os.environ.get("UPSTREAM", "https://example.org")

app = FastAPI()
app.add_middleware(Weft, deadline=5.0)


def load_with_requests(path: str) -> int:
    """Stands for the library that will never be async. What is left of the deadline is its timeout."""
    return requests.get(UPSTREAM + path, timeout=weft.remaining()).status_code


async def load(path: str) -> int:
    return (await weft.http.get(UPSTREAM + path)).status_code


@app.get("/page")
async def page():
    """Both kinds at once. Whichever fails, cancels the other; whatever is late, is 504."""
    async with weft.scope(deadline=2.0) as scope:
        old = scope.start(load_with_requests, "/delay/0.2")
        new = scope.start(load, "/delay/0.2")
    return {"old": await old, "new": await new}


@app.get("/many")
async def many(count: int = 20):
    """A blocking function, many at once, without a thread of one's own."""
    outcomes = await weft.map(load_with_requests, ["/delay/0.2"] * count, deadline=2.0, limit=50)
    return {"answered": sum(outcome.ok for outcome in outcomes)}


@app.get("/stuck")
async def stuck():
    """A blocking call that hangs: the client has its answer at the deadline all the same."""
    async with weft.scope(deadline=0.5) as scope:
        scope.start(requests.get, UPSTREAM + "/silence", timeout=3.0)
    return {}
