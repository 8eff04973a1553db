"""Uploads that are resumed after an interruption, by the protocol tus 1.0, into weft's storage."""

import hashlib
import secrets
from contextlib import suppress
from pathlib import Path

from fastapi import FastAPI, HTTPException
from tuspyserver import create_tus_router

import weft
from weft.adapters.asgi import Weft

INTAKE = weft.uploads.Intake(file_size=25_000_000)
PARTS = Path("parts")  # what is not complete yet; it outlives the server, so that clients can go on after a restart
storage = weft.uploads.use("file:uploads")
uploads: dict[str, dict[str, str | int]] = {}  # an application has a table for these


def refuse(metadata: dict[str, str], upload: dict[str, int | None]) -> None:
    """Before anything is sent. An upload that does not say how large it will be is refused, too."""
    if (
        not {"filename", "filetype"} <= metadata.keys()
    ):  # tus asks for neither, but without them tuspyserver resumes none
        raise HTTPException(400, "send filename and filetype in Upload-Metadata")
    size = upload["size"]
    if size is None or size > INTAKE.file_size:
        raise HTTPException(413, f"a file is larger than {INTAKE.file_size:,} bytes")
    if size < INTAKE.smallest:
        raise HTTPException(422, "a file is empty")


async def keep(path: str, metadata: dict[str, str]) -> None:
    """When the last byte is there."""
    upload = await weft.to_thread(take_in, Path(path), metadata.get("filename", ""))
    uploads[upload.key] = {"size": upload.size, "digest": upload.digest, "filename": upload.filename}


def take_in(path: Path, filename: str) -> weft.uploads.Upload:
    """Move a file that is complete into the storage."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    upload = weft.uploads.Upload(secrets.token_hex(16), path.stat().st_size, f"sha256:{digest}", filename=filename)
    storage.put(path, upload.key)
    with suppress(FileNotFoundError):
        path.with_suffix(".info").unlink()
    return upload


app = FastAPI()
app.add_middleware(Weft, deadline=60.0)
app.include_router(
    create_tus_router(
        prefix="files",
        files_dir=str(PARTS),
        max_size=INTAKE.file_size,
        days_to_keep=1,
        pre_create_hook=refuse,
        on_upload_complete=keep,
    )
)


@app.get("/uploads")
async def kept() -> dict[str, dict[str, str | int]]:
    """What has arrived."""
    return uploads
