"""The Flask application of the stories of logs."""

import logging
import os
import signal

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index():
    return {"pid": os.getpid()}


@app.get("/log/<name>")
def log(name):
    app.logger.info("request %s", name)
    return {"pid": os.getpid()}


@app.get("/die")
def die():
    for number in range(20):
        logging.getLogger("shop").info("last words %d", number)
    os.kill(os.getpid(), signal.SIGKILL)
