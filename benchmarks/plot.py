"""Draws how cost grows with the calls in flight, from `results/in_flight.json`: CPU and memory of each call."""

import json
from pathlib import Path

from harness import RESULTS

TARGET = Path(__file__).parent.parent / "docs" / "why" / "growth.svg"
COLOURS = {
    "weft": "#c2410c",
    "raw engine": "#0f766e",
    "aiohttp": "#1d4ed8",
    "httpx": "#7c3aed",
    "requests.Session": "#a16207",
    "article": "#6b7280",
}


def run():
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "weft"  # the same figures give the same file
    from matplotlib import pyplot as plt

    rows = json.loads((RESULTS / "in_flight.json").read_text())["rows"]
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for axis, metric, unit in zip(axes, ("CPU per call", "RSS per call"), ("µs", "KiB"), strict=True):
        for peer, colour in COLOURS.items():
            points = sorted(_points(rows, peer, metric))
            if points:
                width = 2.5 if peer == "weft" else 1.3
                axis.plot(*zip(*points, strict=True), marker="o", color=colour, label=peer, lw=width)
        axis.set(xscale="log", yscale="log", xlabel="calls in flight", ylabel=f"{metric}, {unit}")
        axis.grid(visible=True, which="major", alpha=0.3)
    axes[0].legend(frameon=False)
    figure.savefig(TARGET, metadata={"Date": None})
    print(f"written: {TARGET}")


def _points(rows, peer, metric):
    for row in rows:
        if (row["peer"], row["metric"]) == (peer, metric):
            yield int(row["case"].split()[0]), row["median"]


if __name__ == "__main__":
    run()
