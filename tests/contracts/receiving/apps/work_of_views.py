"""What the views of the contract do, whatever their framework."""

import errno
import os
import threading
from dataclasses import replace
from pathlib import Path

from weft.uploads.arriving.admission import admission
from weft.uploads.arriving.intake import Intake
from weft.uploads.errors import StorageError
from weft.uploads.storing import local, storages

FOLDER = Path.cwd()
INTAKE = Intake(
    file_size=3_000_000, total=8_000_000, files=3, fields=3, field_size=1000, seconds=20, per_user=1,
)  # fmt: skip


class Failing(local.LocalStorage):
    """One that fails at its second file."""

    done = 0

    def put(self, source, key):
        self.done += 1
        if self.done == 2:
            raise StorageError("the storage of example.org has gone")
        super().put(source, key)


class Full(local.LocalStorage):
    """One whose disk is full."""

    def put(self, source, key):
        raise StorageError(errno.ENOSPC, "No space left on device")


storages.use("file:kept")
STORAGES = {"failing": Failing, "full": Full, None: local.LocalStorage}


def options(query):
    """The arguments of `receive`, by what the request's query asks for."""
    return {
        "intake": replace(INTAKE, seconds=float(query.get("seconds") or 20)),
        "user": query.get("user"),
        "raw": query.get("raw"),
        "filename": query.get("filename") or "",
        "storage": STORAGES[query.get("storage")](FOLDER / "kept"),
    }


def shown(received):
    """What was received, as JSON."""
    return {
        "files": {
            field: [[upload.key, upload.size, upload.digest, upload.format, upload.filename] for upload in uploads]
            for field, uploads in received.files.items()
        },
        "fields": {field: list(values) for field, values in received.fields.items()},
    }


def debug():
    """What this process holds."""
    return {
        "pid": os.getpid(),
        "threads": threading.active_count(),
        "under_way": admission().under_way,
        "fds": len(list(Path("/proc/self/fd").iterdir())),
    }
