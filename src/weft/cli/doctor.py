"""Show what weft sees on this machine, and what is wrong with it.

for example:
  weft doctor                  the facts, and advice where something is wrong
  weft doctor --json           the same as one JSON document, for a bug report

exit status: 0 nothing is really wrong, 1 something is, 2 wrong usage
"""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from weft.cli.output import Style, wants_color, write, write_lines_at_once

if TYPE_CHECKING:
    from weft.cli.facts import Facts, Problem

__all__ = ["add_arguments", "run"]

_VERSION = 1
_WIDTH = 17  # of the longest name of a fact
_COLORS = {"error": "red", "warning": "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--no-color", action="store_true", help="no colour (also by NO_COLOR in the environment)")


def run(args: argparse.Namespace) -> int:
    """Print the facts and the problems; 1 if one of these is an error."""
    from weft.cli.facts import facts, problems  # noqa: PLC0415 - help need not wait for what it imports

    seen = facts()
    found = problems(seen)
    write_lines_at_once()
    write(_document(seen, found) if args.json else _page(seen, found, no_color=args.no_color))
    return int(any(problem.level == "error" for problem in found))


def _document(seen: "Facts", found: "list[Problem]") -> str:
    import json  # noqa: PLC0415 - for this form only
    from dataclasses import asdict  # noqa: PLC0415

    return json.dumps({"version": _VERSION, **seen, "problems": [asdict(problem) for problem in found]}, indent=2)


def _page(seen: "Facts", found: "list[Problem]", *, no_color: bool) -> str:
    style = Style(color=wants_color(sys.stdout, no_color=no_color))
    lines = [line for topic, known in seen.items() for line in (*_topic(topic, known, style), "")]
    for problem in found:
        lines.append(f"{style(problem.level, _COLORS[problem.level], 'bold')}: {problem.what}")
        lines.append(f"  {style('try:', 'dim')} {problem.advice}")
    return "\n".join([*lines, *([] if found else [style("nothing is wrong", "green", "bold")])])


def _topic(topic: str, known: dict[str, Any], style: Style) -> list[str]:
    titles = [style(f"{topic:<9}", "bold"), *[" " * 9] * (len(known) - 1)]
    rows = zip(titles, known.items(), strict=True)
    return [f"{title} {style(f'{_words(name):<{_WIDTH}}', 'dim')}  {_shown(value)}" for title, (name, value) in rows]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)
