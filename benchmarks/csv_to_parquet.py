"""A large CSV to Parquet: weft beside polars by hand and pandas, each in a process of its own.

python benchmarks/csv_to_parquet.py [--megabytes 1000] [--rounds 5] [--dry]
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import Report

HERE = Path(__file__).parent
OURS, BY_HAND, PANDAS = "weft", "polars by hand", "pandas"
CODE = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
from image_peers import peak
peer, small, source, target = sys.argv[1], *map(Path, sys.argv[2:])

def weft(source, target):
    from weft.uploads import Limits, Table, convert_file
    limits = Limits(size=10**12, rows=10**9, seconds=600)
    convert_file(source, Table(format="parquet"), target, limits, overwrite=True)

def polars(source, target):
    import polars
    polars.scan_csv(source).sink_parquet(target)

def pandas(source, target):
    import pandas
    pandas.read_csv(source, engine="pyarrow").to_parquet(target, engine="pyarrow", compression="zstd")

convert = {{"weft": weft, "polars by hand": polars, "pandas": pandas}}[peer]
convert(small, target)  # what is imported late is there
began = time.perf_counter()
convert(source, target)
print(json.dumps([time.perf_counter() - began, peak(), target.stat().st_size]))
"""


def table(path, megabytes):
    """Write numbers, words, dates and quoted text in ten columns, no two rows alike; tell how many rows."""
    chance = random.Random(1)
    size = 0
    with path.open("w") as file:
        size += file.write("id,x,colour,mail,day,age,z,ok,note,n\n")
        number = 0
        while size < megabytes * 1_000_000:
            rows = []
            for _ in range(1000):
                number += 1
                word = f"{chance.getrandbits(160):040x}"
                rows.append(
                    f"{number},{chance.random():.6f},{word[:6]},{word[6:14]}@example.org,2026-01-{number % 28 + 1:02},"
                    f'{number % 100},{chance.random():.9f},{"true" if number % 3 else "false"},"a, {word[14:]}",'
                    f"{chance.getrandbits(30)}\n"
                )
            size += file.write("".join(rows))
    return number


def measure(peer, folder):
    words = [peer, *(str(folder / name) for name in ("small.csv", "large.csv", "out.parquet"))]
    command = [sys.executable, "-c", CODE.format(here=str(HERE)), *words]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def compare(options, folder):
    table(folder / "small.csv", 0.01)
    rows = table(folder / "large.csv", options.megabytes)
    report = Report(
        "csv_to_parquet",
        f"A CSV of {options.megabytes} MB ({rows:,} rows, 10 columns) to Parquet with zstd, peers in turn, each in a "
        "new process that has converted a small one before. weft asks zstd for its level 1, the others leave it as it "
        "is; weft also looks for NUL bytes, and hashes the new file. pandas reads and writes by pyarrow.",
    )
    case = f"CSV of {options.megabytes} MB to Parquet"
    peers = [OURS, BY_HAND, PANDAS]
    found = {peer: [] for peer in peers}
    for number in range(options.rounds):
        for peer in peers[number % 3 :] + peers[: number % 3]:
            found[peer].append(measure(peer, folder))
    for peer, runs in found.items():
        report.row(case, peer, "speed", "MB/s", [options.megabytes / seconds for seconds, _, _ in runs])
        report.row(case, peer, "peak memory", "MiB", [memory for _, memory, _ in runs])
        report.row(case, peer, "size of the new file", "MB", [size / 1_000_000 for _, _, size in runs])
    for other, target in ((BY_HAND, 0.95), (PANDAS, 1.0)):
        value = statistics.median(b[0] / a[0] for a, b in zip(found[OURS], found[other], strict=True))
        report.ratio(f"{case}: speed, weft / {other}", value, f"at least {target}", met=value >= target)
    memory = statistics.median(run[1] for run in found[OURS])
    report.ratio(f"{case}: weft's peak memory, MiB", memory, "at most 488 (512 MB)", met=memory <= 488)
    return report


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="print, and write no result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weft-csv-") as name:
        report = compare(options, Path(name))
    if not options.dry:
        report.write()


if __name__ == "__main__":
    main()
