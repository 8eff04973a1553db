"""The demo as a Flask application, served by gunicorn's threads."""

from flask import Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from weft.adapters.flask import Weft
from weft.cli.demo import runs, web
from weft.cli.demo.sites import warm_up
from weft.runtime.face import run

__all__ = ["app"]

app = Flask(__name__, static_folder=None)
app.config["MAX_CONTENT_LENGTH"] = web.LARGEST_BODY
Weft(app, deadline=60.0)
run(warm_up)  # in the worker: the first visitor does not wait for an import


@app.before_request
def refuse_strangers() -> None:
    """Answer only those who know the server by its own name."""
    if not web.host_allowed(request.host):
        abort(421)


@app.after_request
def add_headers(response: Response) -> Response:
    """Say on each answer what the page may do."""
    response.headers.update(web.HEADERS)
    return response


@app.errorhandler(web.Refusal)
def explain(error: web.Refusal) -> tuple[Response, int]:
    """Tell the person at the page what to change."""
    return jsonify(detail=str(error)), error.status


@app.errorhandler(HTTPException)
def explain_refusal(error: HTTPException) -> tuple[Response, int]:
    """The same form for all else that is refused: the page shows the sentence."""
    return jsonify(detail=error.description), error.code or 500


@app.get("/settings.json")
def settings() -> Response:
    """What the page has to know."""
    return jsonify(web.settings("Flask on gunicorn's threads"))


@app.post("/check-sites/<way>")
def check_sites(way: str) -> Response:
    """Run one way, and stream each call as it ends."""
    if way not in runs.WAYS:
        abort(404)
    job = web.Job.read(request.content_type or "", request.get_data())
    return Response(runs.lines(way, job), mimetype=web.LINES)


@app.get("/")
@app.get("/<name>")
def page(name: str = "") -> Response:
    """The page and its files."""
    found = web.file(name)
    if found is None:
        abort(404)
    return Response(found[0], content_type=found[1])
