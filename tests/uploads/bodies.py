"""Bodies of requests that bring files."""

import hashlib
import io

BOUNDARY = "of-the-tests"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def part(name, content, filename=None, kind="application/octet-stream"):
    """A part of a form."""
    disposition = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    lines = [f"--{BOUNDARY}", f"Content-Disposition: {disposition}"]
    lines += [] if filename is None else [f"Content-Type: {kind}"]
    return "\r\n".join([*lines, "", ""]).encode() + content + b"\r\n"


def form(*parts):
    """A form of these parts."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def chunk(data):
    """A piece of a body whose length was not announced."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Environ:
    """What there is of a request of WSGI."""

    def __init__(self, body, **environ):
        self.environ = {
            "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": FORM, **environ
        }  # fmt: skip
