"""The demo as a FastAPI application, served by uvicorn."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from weft.adapters.asgi import Weft, weft_deadline
from weft.cli.demo import web
from weft.cli.demo.sites import Check, one_by_one, pool_of_five, warm_up, with_weft_async

__all__ = ["app"]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Make ready, so that the first visitor does not wait for an import."""
    await warm_up()
    yield


app = FastAPI(openapi_url=None, lifespan=lifespan)
app.add_middleware(Weft, deadline=60.0)

BLOCKING: dict[str, Callable[[list[str]], Iterator[Check]]] = {"one-by-one": one_by_one, "pool": pool_of_five}


@app.middleware("http")
async def guard_the_door(request: Request, call_next: Callable[[Request], Any]) -> Response:
    """Answer only those who know the server by its own name, and say on each answer what the page may do."""
    if not web.host_allowed(request.headers.get("host", "")):
        return Response(status_code=421, headers=web.HEADERS)
    response: Response = await call_next(request)
    response.headers.update(web.HEADERS)
    return response


@app.exception_handler(web.BadRequest)
async def explain(_request: Request, error: Exception) -> Response:
    """Tell the person at the page what to change."""
    return JSONResponse({"detail": str(error)}, 400)


@app.get("/settings.json")
async def settings() -> dict[str, Any]:
    """What the page has to know."""
    return web.settings("FastAPI on uvicorn")


@app.post("/check-sites/{way}")
@weft_deadline(None)  # the other ways may take as long as they do: that is the point
async def check_sites(way: str, request: Request) -> Response:
    """Run one way, and stream each call as it ends."""
    if way not in {"weft", *BLOCKING}:
        raise HTTPException(404)
    job = web.Job.of(await document_of(request))
    if way == "weft":
        return StreamingResponse(stream(job), media_type=web.LINES)
    return StreamingResponse(web.Stopwatch().lines(BLOCKING[way](job.urls)), media_type=web.LINES)


async def document_of(request: Request) -> Any:
    """Read the request's JSON, of bounded size; FastAPI by itself would read whatever comes.

    The type is asked for, because a foreign page may send all others without the browser's asking us first (CORS).
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "Send application/json.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > web.LARGEST_BODY:
            raise HTTPException(413, f"Send at most {web.LARGEST_BODY} bytes.")
    try:
        return json.loads(body)
    except ValueError as error:
        raise web.BadRequest(f"That is no JSON: {error}") from error


async def stream(job: web.Job) -> AsyncIterator[bytes]:
    """The way of weft."""
    watch = web.Stopwatch()
    async for check in with_weft_async(job.urls, job.deadline):
        yield watch.line(check)
    yield watch.last()


@app.get("/")
@app.get("/{name}")
async def page(name: str = "") -> Response:
    """The page and its files."""
    found = web.file(name)
    if found is None:
        raise HTTPException(404)
    return Response(found[0], media_type=found[1])
