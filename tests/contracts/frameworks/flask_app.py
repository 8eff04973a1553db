"""The application of the contract in Flask."""

from flask import Flask, current_app, g, request, session
from work_of_views import Busy, both, debug, endless, fan, full, leak, line

import weft
from weft.adapters.flask import Weft, weft_deadline

app = Flask(__name__)
app.config.update(SECRET_KEY="of the contract", WEFT_THREADS=64)
Weft(app, deadline=20.0)


@app.errorhandler(Busy)
def own_answer(_error):
    return {"own": True}, 418


@app.get("/fan")
def fanned():
    return {"answered": len(fan(request.args["path"], int(request.args.get("count", 20))).result())}


@app.get("/late")
@weft_deadline(0.2)
def late():
    return {"answered": len(fan("/silence", 1).result())}


@app.get("/full")
def filled():
    return {"answered": len(full().result())}


@app.get("/busy")
def busy():
    raise Busy("by itself")


@app.get("/remaining")
def remaining():
    return {"remaining": weft.remaining()}


@app.get("/context")
def context():
    g.user = session["user"] = request.args["user"]
    return {"seen": both(see).result()}


def see():
    assert current_app.name == app.name
    return [request.path, g.user, session["user"]]


@app.get("/leak")
def leaked():
    leak()
    return {}


@app.post("/upload")
def upload():
    return {"size": len(request.get_data())}


@app.get("/stream")
def stream():
    return map(line, endless()), {"Content-Type": "text/plain"}


@app.get("/debug")
def debugged():
    return debug()
