"""The application of the contract in Sanic: `python sanic_app.py PORT`."""

import sys

from sanic import Sanic, json
from work_of_views import debug, options, shown

import weft
from weft.adapters.sanic import Weft

app = Sanic("uploads")
Weft(app, deadline=30.0)


@app.route("/upload", methods=["POST", "PUT"], stream=True)
async def upload(request):
    return json(shown(await weft.uploads.receive(request, **options(request.args))))


@app.post("/buffered")
async def buffered(request):
    return json(shown(await weft.uploads.receive(request, **options(request.args))))


@app.get("/debug")
async def debugged(_request):
    return json(debug())


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), single_process=True, access_log=False, motd=False)
