"""The application of the contract in FastAPI."""

from fastapi import FastAPI, Request
from work_of_views import debug, options, shown

import weft
from weft.adapters.asgi import Weft

app = FastAPI()
app.add_middleware(Weft, deadline=30.0)


@app.api_route("/upload", methods=["POST", "PUT"])
async def upload(request: Request):
    return shown(await weft.uploads.receive(request, **options(request.query_params)))


@app.get("/debug")
async def debugged():
    return debug()
