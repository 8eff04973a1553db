"""The application of the contract in Sanic: `python sanic_app.py PORT`, and further words of `run`."""

import sys

from sanic import Request, Sanic, json
from work_of_views import Busy, both, debug, endless, fan, full, leak_async, line

import weft
from weft.adapters.sanic import Weft, weft_deadline

app = Sanic("contract")
app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 5.0
Weft(app, deadline=20.0)


@app.exception(Busy)
async def own_answer(_request, _error):
    return json({"own": True}, 418)


@app.get("/fan")
async def fanned(request):
    return json({"answered": len(await fan(request.args.get("path"), int(request.args.get("count", "20"))))})


@app.get("/late")
@weft_deadline(0.2)
async def late(_request):
    return json({"answered": len(await fan("/silence", 1))})


@app.get("/full")
async def filled(_request):
    return json({"answered": len(await full())})


@app.get("/busy")
async def busy(_request):
    raise Busy("by itself")


@app.get("/remaining")
async def remaining(_request):
    return json({"remaining": weft.remaining()})


@app.get("/context")
async def context(request):
    request.ctx.user = request.args.get("user")
    return json({"seen": await both(see)})


def see():
    request = Request.get_current()
    return [request.path, request.ctx.user, request.ctx.user]


@app.get("/leak")
async def leaked(_request):
    await leak_async()
    return json({})


@app.post("/upload")
async def upload(request):
    return json({"size": len(request.body)})


@app.get("/stream")
async def stream(request):
    response = await request.respond(content_type="text/plain")
    async for outcome in endless():
        await response.send(line(outcome))


@app.get("/debug")
async def debugged(_request):
    return json(debug())


@app.get("/stop")
async def stop(request):
    request.app.m.terminate()
    return json({})


if __name__ == "__main__":
    app.run(
        port=int(sys.argv[1]),
        single_process="single" in sys.argv,
        auto_reload="reload" in sys.argv,
        workers=2 if "two" in sys.argv else 1,
        access_log=False,
        motd=False,
    )
