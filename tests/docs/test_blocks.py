"""The rules for the documents themselves: no block escapes being run, no page lies about what it shows."""

import re
from collections import Counter
from pathlib import Path

import blocks
import pytest

PAGES = [blocks.ROOT / "README.md", *sorted((blocks.ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]

RUN = {"python", "text", "console"}
# Blocks that are shown and not run, by page and language, with the reason. Directives are Sphinx's to check.
NOT_RUN: dict[tuple[str, str], tuple[int, str]] = {}


def fences(page: Path) -> Counter[str]:
    opened = re.findall(r"^```+(\S+)", page.read_text("utf-8"), flags=re.MULTILINE)
    return Counter(kind for kind in opened if not kind.startswith("{"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(blocks.ROOT)))
def test_every_block_is_run_or_excused(page):
    """A fenced block is of a kind that is run, or its page, language and number are listed with a reason."""
    name = str(page.relative_to(blocks.ROOT))
    shown = {kind: count for kind, count in fences(page).items() if kind not in RUN}
    excused = {kind: count for (where, kind), (count, _) in NOT_RUN.items() if where == name}
    assert shown == excused


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(blocks.ROOT)))
def test_every_block_names_its_language(page):
    """A fence without a language would be run by nobody."""
    inside, bare = False, []
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if line.startswith("```"):
            bare += [] if inside or line.strip("`").strip() else [number]
            inside = not inside
    assert not bare


@pytest.mark.parametrize(
    ("shown", "printed"),
    [("took 15 ms", "took 2.25 ms"), ("x |   12 ms", "x | 9 ms"), ("a\n...\nz", "a\nb\nc\nz")],
)
def test_durations_widths_and_ellipses_may_differ(shown, printed):
    """A duration, the width of a column and what `...` stands for may change from run to run."""
    assert blocks.difference(shown, printed) is None


@pytest.mark.parametrize(("shown", "printed"), [("3 of 4", "3 of 5"), ("ok", "not ok"), ("ok", "ok\nand more")])
def test_all_else_must_come_again(shown, printed):
    """A page that shows something else than what comes is wrong."""
    assert blocks.difference(shown, printed) is not None
