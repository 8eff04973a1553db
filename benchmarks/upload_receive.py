"""Receiving a large file: a multipart upload, received, hashed, and on the disk; weft and the frameworks' own ways.

    python benchmarks/upload_receive.py [--size 64] [--large 1024] [--rounds 7]

A server for each peer; peers are asked in turn. Once the servers are pinned to one CPU and the client to another; once
they may use all CPUs, as where the clients are elsewhere, and the client has to share its own with them. What is
written by weft is synchronized to the disk, that of the others is not: that is how they are usually written.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from harness import Report, cpus, in_turn
from web_load import HOST, Site, Watch

BOUNDARY = "of-the-benchmark"
PIECE = os.urandom(1024 * 1024)
UVICORN = ("-m", "uvicorn", "--log-level", "warning", "--port", "PORT", "web_uploads:app")
GUNICORN = ("-m", "gunicorn", "--threads", "8", "--log-level", "warning", "--bind", f"{HOST}:PORT", "web_uploads:app")
FLOOR = "read and hashed only"
PEERS = {
    "weft, FastAPI": UVICORN,
    "Starlette's form": UVICORN,
    FLOOR: UVICORN,
    "weft, Flask": GUNICORN,
    "Flask's files": GUNICORN,
}


def send(port, mebibytes, answer):
    """Send so much as one file; seconds until its answer."""
    os.sched_setaffinity(0, {cpus()[1]})
    first = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    last = f"\r\n--{BOUNDARY}--\r\n".encode()
    length = len(first) + mebibytes * len(PIECE) + len(last)
    head = (
        f"POST /upload HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Length: {length}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    ).encode()
    with tempfile.TemporaryFile() as file, socket.create_connection((HOST, port)) as connection:
        file.write(PIECE)
        file.flush()
        begun = time.perf_counter()
        connection.sendall(head + first)
        for _ in range(mebibytes):
            connection.sendfile(file, 0)  # by the kernel, so that the client takes as little as it can
        connection.sendall(last)
        data = b""
        while piece := connection.recv(65_536):
            data += piece
    answer.send((time.perf_counter() - begun, data.partition(b"\r\n\r\n")[2]))


def upload(site, folder, mebibytes, digest):
    """One upload, by a client in a process of its own: seconds, and bytes by which the server's memory grew."""
    ours, theirs = multiprocessing.Pipe()
    client = multiprocessing.Process(target=send, args=(site.port, mebibytes, theirs))
    watch = Watch(site.process.pid)
    time.sleep(0.25)
    before = watch.memory
    client.start()
    seconds, body = ours.recv()
    client.join()
    _, most = watch.stop()
    for file in filter(Path.is_file, Path(folder).iterdir()):
        file.unlink()  # not while time is taken: a disk that is told what is free takes its own
    if json.loads(body)["digest"] != digest and site.name != FLOOR:  # that one hashes the form
        raise RuntimeError(f"{site.name} has received something else")
    return {"seconds": seconds, "grown": max(0, most - before) / 2**20}


def digest_of(mebibytes):
    found = hashlib.sha256()
    for _ in range(mebibytes):
        found.update(PIECE)
    return found.hexdigest()


def throughput(report, on, sizes):
    """(peer, size, CPUs) -> MiB/s, and MiB by which memory grew; the servers on these CPUs."""
    found = {}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp"))
        sites = [
            stack.enter_context(Site(name, words, on, PEER=name, UPLOADS=folder, TMPDIR=folder))
            for name, words in PEERS.items()
        ]
        for size, rounds in sizes:
            digest = digest_of(size)
            figures = in_turn(sites, rounds, lambda site, size=size, digest=digest: upload(site, folder, size, digest))
            for name, taken in figures.items():
                case = f"{size} MiB, the server on {('one CPU', 'both')[len(on) - 1]}"
                speed = report.row(case, name, "throughput", "MiB/s", [size / each["seconds"] for each in taken])
                grown = report.row(case, name, "memory, grown", "MiB", [each["grown"] for each in taken])
                found[name, size, len(on)] = speed, grown
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--large", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dry", action="store_true", help="write no results")
    options = parser.parse_args()
    report = Report(
        "upload_receive",
        f"A multipart upload of {options.size} MiB, received, hashed and on the disk: at least twice the throughput of "
        "Starlette's own form, and more than Flask's own files; memory grows by at most 8 MiB at any size. "
        "One upload at a time; the server on one CPU and the client on the other, or the server on both.",
    )
    found = {}
    for on in ({cpus()[0]}, set(cpus())):
        found |= throughput(report, on, ((options.size, options.rounds), (options.large, 1)))
    for on, where in ((1, "on one CPU"), (2, "on two")):
        speed = {name: found[name, options.size, on][0] for name in PEERS}
        starlette = speed["weft, FastAPI"] / speed["Starlette's form"]
        floor = speed[FLOOR] / speed["Starlette's form"]
        report.ratio(
            f"throughput of an upload {where}, against Starlette's form", starlette, "at least 2", met=starlette >= 2,
            note=f"reading the body from the server and hashing it, and nothing else, comes to {floor:.2g}",
        )  # fmt: skip
        flask = speed["weft, Flask"] / speed["Flask's files"]
        report.ratio(f"throughput of an upload {where}, against Flask's files", flask, "more than 1", met=flask > 1)
    most = max(found[key][1] for key in found if key[0].startswith("weft"))
    report.ratio("MiB by which memory grows at most", most, "at most 8", met=most <= 8)
    if not options.dry:
        report.write()


if __name__ == "__main__":
    main()
