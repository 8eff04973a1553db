"""The application of the contract in Flask."""

from flask import Flask, request
from work_of_views import debug, options, shown

import weft
from weft.adapters.flask import Weft

app = Flask(__name__)
Weft(app, deadline=30.0)


@app.route("/upload", methods=["POST", "PUT"])
def upload():
    return shown(weft.uploads.receive(request, **options(request.args)))


@app.route("/async", methods=["POST"])
async def upload_async():
    return shown(await weft.uploads.receive(request, **options(request.args)))


@app.get("/debug")
def debugged():
    return debug()
