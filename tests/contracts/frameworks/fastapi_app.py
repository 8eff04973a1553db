"""The application of the contract in FastAPI."""

import os
from contextvars import ContextVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from work_of_views import Busy, both, debug, endless, fan, full, leak_async, line

import weft
from weft.adapters.asgi import Weft, weft_deadline
from weft.adapters.threadpool import adopt

weft.configure(threads=50)
if "ADOPT" in os.environ:
    adopt()

app = FastAPI()
app.add_middleware(Weft, deadline=20.0)
user_of_request = ContextVar("user_of_request", default="nobody")


@app.exception_handler(Busy)
async def own_answer(_request, _error):
    return JSONResponse({"own": True}, 418)


@app.get("/fan")
async def fanned(path: str, count: int = 20):
    return {"answered": len(await fan(path, count))}


@app.get("/plain-fan")
def fanned_on_a_thread(path: str, count: int = 20):
    return {"answered": len(fan(path, count).result())}


@app.get("/late")
@weft_deadline(0.2)
async def late():
    return {"answered": len(await fan("/silence", 1))}


@app.get("/full")
def filled():
    return {"answered": len(full().result())}


@app.get("/busy")
def busy():
    raise Busy("by itself")


@app.get("/remaining")
async def remaining():
    return {"remaining": weft.remaining()}


@app.get("/context")
async def context(user: str):
    user_of_request.set(user)
    return {"seen": await both(see)}


def see():
    return ["/context", user_of_request.get(), user_of_request.get()]


@app.get("/leak")
async def leaked():
    await leak_async()
    return {}


@app.post("/upload")
async def upload(request: Request):
    return {"size": len(await request.body())}


@app.get("/stream")
async def stream():
    return StreamingResponse(lines(), media_type="text/plain")


async def lines():
    async for outcome in endless():
        yield line(outcome)


@app.get("/debug")
async def debugged():
    return debug()
