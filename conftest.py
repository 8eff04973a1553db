"""Rules of every test run: fast tests first, no skips where CI is set, and the code blocks of README and docs run."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tests" / "docs"))  # the code that runs documents, for this file and its own test

import blocks  # noqa: E402

_collect = blocks.sybil(ROOT).pytest()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the README and the pages of docs; examples and benchmarks have READMEs of their own."""
    ours = file_path == ROOT / "README.md" or file_path.is_relative_to(ROOT / "docs")
    return _collect(file_path, parent) if ours else None


# What a failure here says makes what fails further down easier to read, so the small things come first.
_LAST = ["docs", "examples", "house", "stories"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what is fast first; `slow` tests and whole-system stories last. Within a group the order stays."""
    items.sort(key=_weight)


def _weight(item: pytest.Item) -> tuple[bool, int]:
    parts = item.path.relative_to(ROOT).parts
    folder = parts[1] if parts[0] == "tests" else parts[0].removesuffix(".md").replace("README", "docs")
    slow = item.get_closest_marker("slow") is not None
    return slow or folder == "stories", _LAST.index(folder) if folder in _LAST else -1


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is an error: what was not run is not known to work."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("CI is set, and tests were skipped: that is an error here.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
