"""One look at a running demo, by a machine: is the page there, and do the three ways give answers?"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from weft.cli.demo.web import FILES

__all__ = ["Failed", "Run", "self_test"]

_WAYS = (("one-by-one", "one after the other"), ("pool", "a pool of five"), ("weft", "weft"))
_PATIENCE = 60.0  # seconds for one answer


class Failed(Exception):
    """The demo does not do what it is there for."""


@dataclass(frozen=True, slots=True)
class Run:
    """One way's figures: seconds in all, and each call's seconds and outcome."""

    name: str
    total: float
    calls: Sequence[tuple[float, str]]

    def quantile(self, share: float) -> float:
        """The seconds within which this share of the calls was over."""
        ordered = sorted(seconds for seconds, _ in self.calls)
        return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]

    def count(self, outcome: str) -> int:
        """How many calls came to this."""
        return sum(found == outcome for _, found in self.calls)


def self_test(url: str) -> str:
    """Fetch the page, run the three ways with the addresses it offers, and return a table of their timings.

    Raises:
        Failed: a file is missing, calls are unaccounted for, or weft was not the fastest.
    """
    for name in FILES:
        _fetch(url, "GET", f"/{name}")
    _fetch(url, "GET", "/photos/list")
    settings = json.loads(_fetch(url, "GET", "/settings.json"))
    runs = [_run(url, key, name, settings) for key, name in _WAYS]
    if min(runs, key=lambda run: run.total).name != "weft":
        raise Failed(f"weft was not the fastest:\n{_table(runs)}")
    return _table(runs)


def _run(url: str, key: str, name: str, settings: dict[str, Any]) -> Run:
    wanted = {"urls": settings["addresses"], "deadline": settings["deadline"]}
    *calls, end = map(json.loads, _fetch(url, "POST", f"/check-sites/{key}", wanted).splitlines())
    run = Run(name, end["total"], [(call["seconds"], call["outcome"]) for call in calls])
    if sorted(call["index"] for call in calls) != list(range(len(settings["addresses"]))) or not run.count("ok"):
        raise Failed(f"{name}: calls are unaccounted for, or none succeeded")
    return run


def _fetch(url: str, method: str, path: str, document: Any = None) -> bytes:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=_PATIENCE)
    body = None if document is None else json.dumps(document)
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, HTTPException) as error:
        raise Failed(f"{method} {path} failed: {error!r}") from error
    finally:
        connection.close()
    if answer.status != 200 or not content:  # noqa: PLR2004 - OK
        raise Failed(f"{method} {path} was answered {answer.status}")
    return content


def _table(runs: Sequence[Run]) -> str:
    lines = [f"{'':22}{'total':>9}{'p50':>9}{'p95':>9}{'ok':>6}{'failed':>8}{'late':>6}"]
    for run in runs:
        times = "".join(f"{seconds:7.2f} s" for seconds in (run.total, run.quantile(0.5), run.quantile(0.95)))
        lines.append(f"{run.name:22}{times}{run.count('ok'):6}{run.count('failed'):8}{run.count('late'):6}")
    return "\n".join(lines) + "\n"
