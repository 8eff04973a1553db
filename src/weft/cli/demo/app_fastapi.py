"""The demo as a FastAPI application, served by uvicorn."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from weft.adapters.asgi import Weft, weft_deadline
from weft.cli.demo import runs, web
from weft.cli.demo.photos import shelf
from weft.cli.demo.sites import warm_up
from weft.runtime.face import to_thread
from weft.uploads.arriving.receiving import receive

__all__ = ["app"]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Make ready, so that the first visitor does not wait for an import."""
    await warm_up()
    yield


app = FastAPI(openapi_url=None, lifespan=lifespan)
app.add_middleware(Weft, deadline=60.0)


@app.middleware("http")
async def guard_the_door(request: Request, call_next: Callable[[Request], Any]) -> Response:
    """Answer only those who know the server by its own name, and say on each answer what the page may do."""
    if status := web.barred(request.method, request.headers.get):
        return Response(status_code=status, headers=web.HEADERS)
    response: Response = await call_next(request)
    response.headers.update(web.HEADERS)
    return response


@app.exception_handler(web.Refusal)
async def explain(_request: Request, error: web.Refusal) -> Response:
    """Tell the person at the page what to change."""
    return JSONResponse({"detail": str(error)}, error.status)


@app.get("/settings.json")
async def settings() -> dict[str, Any]:
    """What the page has to know."""
    return web.settings("FastAPI on uvicorn")


@app.post("/check-sites/{way}")
@weft_deadline(None)  # the other ways may take as long as they do: that is the point
async def check_sites(way: str, request: Request) -> Response:
    """Run one way, and stream each call as it ends."""
    if way not in runs.WAYS:
        raise HTTPException(404)
    job = web.Job.read(request.headers.get("content-type", ""), await body_of(request))
    return StreamingResponse(runs.lines_async(way, job), media_type=web.LINES)


async def body_of(request: Request) -> bytes:
    """Read the request, and no more of it than a little too much; FastAPI by itself would read whatever comes."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > web.LARGEST_BODY:
            break
    return bytes(body)


@app.post("/photos/add")
@weft_deadline(shelf.PATIENCE)
async def add_photo(request: Request) -> dict[str, Any]:
    """Keep a photo, and have it made small."""
    return await to_thread(shelf.add, await receive(request, shelf.intake()))


@app.get("/photos/list")
async def list_photos() -> dict[str, Any]:
    """How each stands."""
    return await to_thread(shelf.listed)


@app.get("/photos/small/{uid}")
async def small_photo(uid: str) -> Response:
    """A photo that was made small."""
    found = await to_thread(shelf.small, uid)
    if found is None:
        raise HTTPException(404)
    return Response(found[0], media_type=found[1])


@app.post("/photos/do/{action}")
async def act(action: str) -> dict[str, Any]:
    """What a button of the page does."""
    return await to_thread(shelf.act, action)


@app.get("/")
@app.get("/{name}")
async def page(name: str = "") -> Response:
    """The page and its files."""
    found = web.file(name)
    if found is None:
        raise HTTPException(404)
    return Response(found[0], media_type=found[1])
