"""How time and memory of `ganaug` grow with the rows and the columns of a table, on one thread.

    python benchmarks/speed/scale.py [--rows 100000 --rows 1000000] [--columns 50 --columns 500] [-o FILE.md]

Each case is a process of its own, of which the processor's time and the most memory that it held count; both include
the start of Python and torch, which the first row has nearly alone. Cases:

* `ganaug sample` writes rows of 15 mixed columns to a parquet file.
* `ganaug fit table --stream` takes one step on such a file, which it reads twice and never holds; once more with a text
  of its own in each row. Pages of its temporary file, which the system may take back, count as memory here;
  "anonymous" does not hold them.
* `TableGAN.fit` takes 20 steps on 2,000 rows of more and more columns: all of them numbers, of which principal
  components are learnt, or every fifth a text of four values. Time and memory are those of the fit alone.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from report import publish
from tables import large

from ganaug import TableGAN

FEW = 1000  # rows that show what a start takes
POLL = 0.02  # seconds
LEAST = 1.0  # seconds more than a start takes, for a rate
GANAUG = [sys.executable, "-m", "ganaug"]


class Cost(NamedTuple):
    """Of a process: the processor's seconds, MiB held at most, and of them at most so many that no file backs."""

    seconds: float
    peak: float
    anonymous: float


def cost(command: Sequence[str]) -> Cost:
    """Run a command to its end; ``SystemExit`` with what it wrote if it fails."""
    anonymous = 0.0
    with tempfile.TemporaryFile() as written:
        process = subprocess.Popen(command, stdout=written, stderr=written)
        while True:
            found, status, used = os.wait4(process.pid, os.WNOHANG)
            if found:
                break
            anonymous = max(anonymous, _anonymous(process.pid))
            time.sleep(POLL)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            written.seek(0)
            raise SystemExit(f"{' '.join(command)}: {written.read().decode()}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, anonymous)


def _anonymous(process: int) -> float:
    """MiB of a process, now, that no file backs; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


def drawn(rows: int, model: Path, folder: Path) -> Cost:
    """Of drawing so many rows from a model into a file."""
    output = folder / f"drawn{rows}.parquet"
    return cost([*GANAUG, "sample", str(model), "-o", str(output), "--per-class", str(rows // 2), "--seed", "0"])


def learnt(rows: int, folder: Path, *, texts: bool) -> tuple[Cost, float, float]:
    """Of a step on a file of so many rows, with a text of its own in each or not; MiB of the file and of the table."""
    table, y = large(rows)
    if texts:
        table["text"] = [f"row {k}" for k in range(rows)]
    held = table.memory_usage(deep=True).sum() / 2**20
    source = folder / f"rows{rows}{texts}.parquet"
    table.assign(y=y).to_parquet(source, row_group_size=2**17)
    del table
    command = ["fit", "table", str(source), "--target", "y", "-o", str(folder / f"model{rows}{texts}"), "--stream"]
    return cost([*GANAUG, *command, "--steps", "1", "--seed", "0"]), source.stat().st_size / 2**20, held


def fitted(columns: int, kind: str, *, rows: int = 2000, steps: int = 20) -> tuple[float, float]:
    """The processor's seconds and the MiB more than before of a fit, in this process."""
    rng = np.random.default_rng(0)
    y = np.arange(rows) % 2
    table = pd.DataFrame(rng.normal(size=(rows, columns)) + y[:, None]).add_prefix("x")
    if kind == "mixed":
        names = table.columns[::5]
        texts = pd.DataFrame(rng.choice(["a", "b", "c", "d"], (rows, len(names))), columns=names)
        table = pd.concat([table.drop(columns=texts.columns), texts], axis=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    TableGAN(steps=steps, device="cpu", random_state=0, verbose=False).fit(table, y)
    taken = time.process_time() - started
    return taken, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def row_cases(sizes: Sequence[int], folder: Path) -> list[tuple[str, str, str]]:
    """Rows of the report on drawing and learning rows."""
    model, found = folder / "model", []
    table, y = large(2000)
    TableGAN(steps=50, device="cpu", random_state=0, verbose=False).fit(table, y).save(model)
    start = drawn(FEW, model, folder)
    for rows in (FEW, *sizes):
        taken = start if rows == FEW else drawn(rows, model, folder)
        more = taken.seconds - start.seconds
        rate = f", {(rows - FEW) / more:,.0f} rows/s after the start" if more > LEAST else ""
        found.append((f"draw {rows:,} rows", f"{taken.seconds:.1f} s{rate}", f"peak {taken.peak:,.0f} MiB"))
    for texts in (False, True):
        for rows in (FEW, *sizes):
            taken, file, held = learnt(rows, folder, texts=texts)
            memory = f"peak {taken.peak:,.0f} MiB, anonymous {taken.anonymous:,.0f}"
            found.append(
                (
                    f"learn {rows:,} rows" + ", a text of its own in each" * texts,
                    f"{taken.seconds:.1f} s",
                    f"{memory}; file {file:,.0f}, table {held:,.0f}",
                )
            )
    return found


def column_cases(sizes: Sequence[int]) -> list[tuple[str, str, str]]:
    """Rows of the report on columns, each measured in a process of its own."""
    found = []
    for kind in ("numbers", "mixed"):
        for columns in sizes:
            command = [sys.executable, __file__, "--fit", f"{columns}:{kind}"]
            result = subprocess.run(command, capture_output=True, text=True, check=True)
            taken, more = map(float, result.stdout.split())
            each = f"{1000 * taken / columns:.1f} ms and {1024 * more / columns:,.0f} KiB a column"
            found.append((f"fit {columns:,} columns, {kind}", f"{taken:.1f} s, {more:,.0f} MiB", each))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append", help="default: 100000, 1000000")
    parser.add_argument("--columns", type=int, action="append", help="default: 50, 500, 5000")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--fit", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.fit:
        columns, kind = arguments.fit.split(":")
        print(*fitted(int(columns), kind))
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # of all processes
    with tempfile.TemporaryDirectory() as folder:
        rows = row_cases(arguments.rows or [100_000, 1_000_000], Path(folder))
    rows += column_cases(arguments.columns or [50, 500, 5000])
    publish("Time and memory by rows and columns of tables, one thread", "scale.py", rows, arguments.output)


if __name__ == "__main__":
    main()
