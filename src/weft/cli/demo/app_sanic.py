"""The demo as a Sanic application, served by Sanic itself."""

from typing import Any, cast

from sanic import HTTPResponse, Request, Sanic, json, raw
from sanic.exceptions import NotFound, SanicException
from sanic.response import BaseHTTPResponse

from weft.adapters.sanic import Weft, weft_deadline
from weft.cli.demo import runs, web
from weft.cli.demo.photos import shelf
from weft.cli.demo.sites import warm_up
from weft.runtime.face import to_thread
from weft.uploads.arriving.receiving import receive

__all__ = ["app"]

app = Sanic("weft-demo", configure_logging=False)
app.config.REQUEST_MAX_SIZE = shelf.MOST_BYTES  # of a photo; the other views read no more than they want
app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 2.0
Weft(app, deadline=60.0)


@app.before_server_start
async def make_ready(_app: Sanic[Any, Any]) -> None:
    """Make ready, so that the first visitor does not wait for an import."""
    await warm_up()


async def refuse_strangers(request: Request) -> HTTPResponse | None:
    """Answer only those who know the server by its own name, and send what other pages do not make them send."""
    status = web.barred(request.method, request.headers.get)
    return HTTPResponse(status=status) if status else None


async def add_headers(_request: Request, response: BaseHTTPResponse) -> None:
    """Say on each answer what the page may do."""
    response.headers.update(web.HEADERS)


# Registered by hand: the decorators have no types.
app.register_middleware(refuse_strangers, "request")
app.register_middleware(add_headers, "response")


@app.exception(web.Refusal)
async def explain(_request: Request, error: web.Refusal) -> HTTPResponse:
    """Tell the person at the page what to change."""
    return json({"detail": str(error)}, error.status)


@app.exception(SanicException)
async def explain_refusal(_request: Request, error: SanicException) -> HTTPResponse:
    """The same form for all else that is refused: the page shows the sentence."""
    return json({"detail": str(error)}, error.status_code)


@app.get("/settings.json")
async def settings(_request: Request) -> HTTPResponse:
    """What the page has to know."""
    return json(web.settings("Sanic on its own server"))


@app.post("/check-sites/<way>", stream=True)
@weft_deadline(None)  # the other ways may take as long as they do: that is the point
async def check_sites(request: Request, way: str) -> None:
    """Run one way, and stream each call as it ends."""
    if way not in runs.WAYS:
        raise NotFound("There is no such way.")
    job = web.Job.read(request.headers.get("content-type", ""), await body_of(request))
    response = await request.respond(content_type=web.LINES)
    async for line in runs.lines_async(way, job):
        await response.send(line)


async def body_of(request: Request) -> bytes:
    """Read the request, and little more of it than may come; Sanic by itself would read as much as a photo may have."""
    body, stream = bytearray(), cast("Any", request.stream)  # whose `read` has no types
    while (piece := await stream.read()) is not None:
        body += piece
        if len(body) > web.LARGEST_BODY:
            stream.request_max_size = 0  # nor wait for the rest
            break
    return bytes(body)


@app.post("/photos/add", stream=True)
@weft_deadline(shelf.PATIENCE)
async def add_photo(request: Request) -> HTTPResponse:
    """Keep a photo, and have it made small."""
    return json(await to_thread(shelf.add, await receive(request, shelf.intake())))


@app.get("/photos/list")
async def list_photos(_request: Request) -> HTTPResponse:
    """How each stands."""
    return json(await to_thread(shelf.listed))


@app.get("/photos/small/<uid>")
async def small_photo(_request: Request, uid: str) -> HTTPResponse:
    """A photo that was made small."""
    found = await to_thread(shelf.small, uid)
    if found is None:
        raise NotFound("There is no such photo.")
    return raw(found[0], content_type=found[1])


@app.post("/photos/do/<action>", stream=True)
async def act(request: Request, action: str) -> HTTPResponse:
    """What a button of the page does."""
    await body_of(request)  # there is none; Sanic would complain that nobody has looked
    return json(await to_thread(shelf.act, action))


@app.get("/", name="index")
@app.get("/<name>")
async def page(_request: Request, name: str = "") -> HTTPResponse:
    """The page and its files."""
    found = web.file(name)
    if found is None:
        raise NotFound("There is no such file.")
    return raw(found[0], content_type=found[1])
