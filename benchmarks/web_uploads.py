"""The applications that receive a file, as PEER says: weft's, or as the framework's own manual has it, with a hash."""

import asyncio
import hashlib
import os
import secrets
from pathlib import Path

FOLDER = Path(os.environ.get("UPLOADS", "."))
PEER = os.environ.get("PEER", "")
FLOOR = "read and hashed only"
PIECE = 1024 * 1024

if PEER.startswith("weft"):
    import weft

    weft.uploads.use(f"file:{FOLDER}")
    INTAKE = weft.uploads.Intake(file_size=4 << 30, total=4 << 30, spool=8 << 30, seconds=600)


def hash_and_copy(file):
    """What is usual: read what the framework has spooled, hash it, and write it where it is to stay."""
    found, path = hashlib.sha256(), FOLDER / secrets.token_hex(16)
    with path.open("wb") as target:
        while data := file.read(PIECE):
            found.update(data)
            target.write(data)
    return {"digest": found.hexdigest()}


def told(received):
    return {"digest": received["file"].digest.removeprefix("sha256:")}


if "Flask" in PEER:
    from flask import Flask, request

    app = Flask(__name__)

    @app.post("/upload")
    def upload():
        """Receive, hash, keep."""
        if PEER.startswith("weft"):
            return told(weft.uploads.receive(request, INTAKE))
        return hash_and_copy(request.files["file"].stream)

    @app.get("/noop")
    def noop():
        """Do nothing."""
        return {}

else:
    from fastapi import FastAPI, Request

    app = FastAPI()

    @app.post("/upload")
    async def upload(request: Request):
        """Receive, hash, keep."""
        if PEER.startswith("weft"):
            return told(await weft.uploads.receive(request, INTAKE))
        if PEER == FLOOR:
            found = hashlib.sha256()
            async for data in request.stream():
                found.update(data)
            return {"digest": found.hexdigest()}
        async with request.form() as form:
            return await asyncio.to_thread(hash_and_copy, form["file"].file)

    @app.get("/noop")
    async def noop():
        """Do nothing."""
        return {}
