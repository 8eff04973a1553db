"""Writes `docs/why/measured.md` and the README's table from `benchmarks/results/*.json`.

    python benchmarks/report.py             write both
    python benchmarks/report.py --check     fail if either is not what the results say

The shape of a result file is described in `benchmarks/README.md`.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "why" / "measured.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

NEEDED = {
    "file": {"name": str, "promise": str, "date": str, "machine": str, "python": str, "rows": list, "ratios": list},
    "row": {"case": str, "peer": str, "metric": str, "unit": str, "median": (int, float), "min": (int, float),
            "max": (int, float), "runs": int},
    "ratio": {"what": str, "value": (int, float), "target": str, "met": bool, "note": str},
}  # fmt: skip

HEAD = """\
# Measured

Every figure here was written by a script in `benchmarks/` into `benchmarks/results/`, and this page was written from
those files by `benchmarks/report.py`. Machines differ and drift: read the ratios, and measure your own case before
you rely on any figure. A promise that was not met says so.
"""
NONE_YET = "No results have been recorded yet.\n"


def load(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Read and check all result files, by name.

    Raises:
        ValueError: a file is not of the shape that README.md describes; the message says where.
    """
    results = []
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        check(result, path.name)
        results.append(result)
    return results


def check(result: Any, where: str) -> None:
    """Refuse a result of another shape."""
    _check_fields(result, "file", where)
    for number, row in enumerate(result["rows"]):
        _check_fields(row, "row", f"{where}: rows[{number}]")
        if not row["min"] <= row["median"] <= row["max"]:
            raise ValueError(f"{where}: rows[{number}]: median {row['median']} is not between min and max")
    for number, ratio in enumerate(result["ratios"]):
        _check_fields(ratio, "ratio", f"{where}: ratios[{number}]")


def _check_fields(value: Any, kind: str, where: str) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: {value!r} is not an object")
    for name, wanted in NEEDED[kind].items():
        if name not in value:
            raise ValueError(f"{where}: {name!r} is missing")
        if not isinstance(value[name], wanted) or (isinstance(value[name], bool) and wanted is not bool):
            raise ValueError(f"{where}: {name!r} is {value[name]!r}")


def page(results: Iterable[dict[str, Any]]) -> str:
    """The text of `measured.md`."""
    parts = [_section(result) for result in results]
    return "\n".join([HEAD, *(parts or [NONE_YET])])


def _section(result: dict[str, Any]) -> str:
    rows = [
        [row["case"], row["peer"], row["metric"], f"{figure(row['median'])} {row['unit']}",
         f"{figure(row['min'])} to {figure(row['max'])}", str(row["runs"])]
        for row in result["rows"]
    ]  # fmt: skip
    picture = result.get("picture")
    ratios = [[r["what"], figure(r["value"]), r["target"], _verdict(r), r["note"]] for r in result["ratios"]]
    return "\n".join([
        f"## {heading(result['name'])}",
        "",
        f"{result['promise']}",
        "",
        f"Measured on {result['date']}, Python {result['python']}, {result['machine']}.",
        "",
        *table(["what", "measured", "promised", "kept", "note"], ratios),
        *([f"![{picture['says']}]({picture['file']})", ""] if picture else []),
        *table(["case", "who", "metric", "median", "from, to", "runs"], rows),
    ])  # fmt: skip


def summary(results: Iterable[dict[str, Any]]) -> str:
    """The README's table: the first ratio of each file and those marked `headline`, and how many were kept in all."""
    results = list(results)
    lines = [
        [ratio["what"], figure(ratio["value"]), ratio["target"], _verdict(ratio)]
        for result in results
        for number, ratio in enumerate(result["ratios"])
        if number == 0 or ratio.get("headline")
    ]
    if not lines:
        return NONE_YET
    met = [ratio["met"] for result in results for ratio in result["ratios"]]
    total = f"{sum(met)} of {len(met)} promises were kept; those that were not are on the page below as well."
    return "\n".join([*table(["what", "measured", "promised", "kept"], lines), total])


def _verdict(ratio: dict[str, Any]) -> str:
    return "yes" if ratio["met"] else "**no**"


def heading(name: str) -> str:
    """A heading made of a file's name: "fan_out" is "Fan out"."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table, with an empty line after it; nothing for no rows."""
    if not rows:
        return []
    cells = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [*(f"| {' | '.join(row)} |" for row in cells), ""]


def figure(value: float) -> str:
    """Three significant digits, without exponents: 0.0123, 1.23, 12.3, 123, 12,345."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = f"{value:#.3g}"
    return digits.rstrip("0").rstrip(".") if "." in digits and "e" not in digits else digits


def with_table(readme: str, text: str) -> str:
    """The README with this table between its two markers."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{text.rstrip()}\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Write the two files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    asked = parser.parse_args(arguments)
    results = load()
    wanted = {PAGE: page(results), README: with_table(README.read_text("utf-8"), summary(results))}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} {'is out of date' if asked.check else 'written'}", file=sys.stderr)
        if not asked.check:
            path.write_text(wanted[path], "utf-8")
    return int(bool(stale) and asked.check)


if __name__ == "__main__":
    sys.exit(main())
