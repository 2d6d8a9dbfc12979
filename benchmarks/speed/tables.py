"""How fast GANOverSampler and TableGAN are, in ratios within one run.

    python benchmarks/speed/tables.py [-o FILE.md]
    python benchmarks/speed/tables.py --scale [-o FILE.md]

Cases, all on one thread: over-sampling a table of 1,000 rows and 20 columns, beside SMOTE and, where the package ctgan
is installed, a CTGAN fit at its defaults (timed for a tenth of its 300 epochs); over-sampling 50,000 rows of 15 mixed
columns, with the peak memory of a process of its own; and drawing rows from a fitted GAN.

With --scale, each in a process of its own: `ganaug sample` and `fit_parquet` at 100,000 rows of these columns and at
four times as many, and encoder, training and drawing at 50, 500 and 5,000 mixed columns.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from imblearn.over_sampling import SMOTE
from report import publish
from sklearn.datasets import make_classification

from ganaug import GANOverSampler, TableGAN
from ganaug.cli import app
from ganaug.data.tables.containers import as_table
from ganaug.data.tables.encoder import TableEncoder
from ganaug.data.tables.files.table_writer import TableWriter

ROUNDS = 3
FEW, MANY = 100_000, 400_000  # rows
WIDTHS = (50, 500, 5000)  # columns
ROWS_OF_WIDE, STEPS = 1000, 20


def small() -> tuple[pd.DataFrame, np.ndarray]:
    X, y = make_classification(1000, 20, n_informative=8, weights=[0.9], random_state=0)
    return pd.DataFrame(X).add_prefix("x"), y


def large(n: int = 50_000, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.05).astype(int)
    table = pd.DataFrame(rng.normal(size=(len(y), 10)) + y[:, None]).add_prefix("n")
    for column in range(5):
        table[f"c{column}"] = rng.choice([f"v{k}" for k in range(4 * (column + 1))], len(y))
    table.loc[rng.random(len(y)) < 0.1, "n0"] = np.nan
    return table, y


def seconds(function: Callable[[], Any], rounds: int = ROUNDS) -> float:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def ctgan_seconds(table: pd.DataFrame, y: np.ndarray) -> float | None:
    """Estimated time of a fit at CTGAN's defaults, from the difference of a short and a shorter one."""
    if importlib.util.find_spec("ctgan") is None:
        return None
    from ctgan import CTGAN

    whole = table.assign(y=y.astype(str))
    short, shorter = (
        seconds(lambda e=epochs: CTGAN(epochs=e, enable_gpu=False).fit(whole, ["y"]), 1) for epochs in (31, 1)
    )
    return shorter + (short - shorter) / 30 * 299


def memory() -> None:
    """Over-sample the large table and print seconds and peak memory; run in a process of its own."""
    table, y = large()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = seconds(lambda: GANOverSampler(generator=TableGAN(verbose=False), random_state=0).fit_resample(table, y), 1)
    print(taken, before / 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def wide(n_columns: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, ROWS_OF_WIDE)
    columns: dict[str, Any] = {}
    for k in range(n_columns):
        values = rng.normal(size=len(y)) + y
        if k % 3 == 1:
            values[rng.random(len(y)) < 0.1] = np.nan
        columns[f"x{k}"] = rng.choice([f"v{j}" for j in range(6)], len(y)) if k % 3 == 2 else values
    return pd.DataFrame(columns), y


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(case: str, size: int, folder: str) -> None:
    """Run a case of the scale of tables, and print what it took; in a process of its own."""
    if case == "wide":
        table, y = wide(size)
        made: dict[str, Any] = {}
        before = peak()
        encode = seconds(lambda: made.update(encoder=TableEncoder().fit(table, y)), 1)
        gan = TableGAN(steps=STEPS, random_state=0, verbose=False)
        rows = made["encoder"].transform(table)
        container = as_table(table)[1]
        train = seconds(lambda: gan.fit_encoded(made["encoder"], rows, y, container), 1)
        draw = seconds(lambda: gan.sample(y, random_state=0), 1)
        print(encode, train, draw, before, peak())
        return
    if case == "sample":
        before = peak()
        TableGAN.load(f"{folder}/model")
        asked = ["sample", f"{folder}/model", "-o", f"{folder}/{size}.parquet", "--per-class", str(size // 2)]
        taken = seconds(lambda: app(asked, standalone_mode=False), 1)
    else:
        before = peak()
        gan = TableGAN(steps=200, random_state=0, verbose=False)
        taken = seconds(lambda: gan.fit_parquet(f"{folder}/{size}.real.parquet", "y"), 1)
    print(taken, before, peak())


def scale() -> list[tuple[str, str, str]]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        table, y = large(5000)
        TableGAN(verbose=False, steps=50, random_state=0).fit(table, y).save(f"{folder}/model")
        for size in (FEW, MANY):
            with TableWriter(f"{folder}/{size}.real.parquet") as writer:
                for seed in range(size // 50_000):
                    table, y = large(seed=seed)
                    writer.write(table.assign(y=y))

        def run(case: str, size: int) -> list[float]:
            asked = [sys.executable, __file__, "--case", case, "--size", str(size), "--folder", folder]
            done = subprocess.run(asked, capture_output=True, text=True, check=True)
            return list(map(float, done.stdout.splitlines()[-1].split()))

        for case, called in (("sample", "ganaug sample to .parquet"), ("fit", "fit_parquet, 200 steps")):
            few, _, least = run(case, FEW)
            many, before, most = run(case, MANY)
            rows.append((f"{called}, {FEW:,} rows", f"{few:.1f} s, peak {least:,.0f} MiB, {before:,.0f} before", ""))
            ratios = f"{many / few:.1f} times the time, {most / least:.2f} times the memory of {FEW:,}"
            figures = f"{many:.1f} s, {MANY / many:,.0f} rows/s, peak {most:,.0f} MiB"
            rows.append((f"{called}, {MANY:,} rows", figures, ratios))
        last: list[float] = []
        for width in WIDTHS:
            *taken, before, most = run("wide", width)
            figures = f"encoder {taken[0]:.2f} s, training {taken[1]:.2f} s, drawing {taken[2]:.2f} s"
            now = [*taken, most - before]
            ratios = ", ".join(f"{new / max(old, 1e-9):.1f}" for new, old in zip(now, last, strict=False))
            compared = f"{ratios} times (encoder, training, drawing, memory)" if last else ""
            rows.append((f"{width:,} columns x {ROWS_OF_WIDE:,}", f"{figures}, {most - before:,.0f} MiB", compared))
            last = now
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--scale", action="store_true", help="many rows and many columns instead")
    for hidden, kind in (("--case", str), ("--size", int), ("--folder", str)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.case:
        alone(arguments.case, arguments.size, arguments.folder)
        return
    if arguments.scale:
        publish("Scale of tables, one thread", "tables.py --scale", scale(), arguments.output)
        return
    if arguments.memory:
        memory()
        return
    table, y = small()
    ours = seconds(lambda: GANOverSampler(generator=TableGAN(verbose=False), random_state=0).fit_resample(table, y))
    smote = seconds(lambda: SMOTE(random_state=0).fit_resample(table, y))
    peer = ctgan_seconds(table, y)
    rows = [
        ("over-sample 1,000 x 20", f"{ours:.2f} s", f"{ours / smote:,.0f} times SMOTE"),
    ]
    ctgan = (f"{peer:.0f} s", f"{peer / ours:.0f} times ours") if peer else ("not installed", "")
    rows.append(("CTGAN fit on the same", *ctgan))
    mixed, labels = large()
    gan = TableGAN(verbose=False, steps=50, random_state=0).fit(mixed[:2000], labels[:2000])
    drawn = seconds(lambda: gan.sample(np.zeros(100_000, dtype=int), random_state=0))
    rows.append(("draw rows of 15 mixed columns", f"{100_000 / drawn:,.0f} rows/s", ""))
    result = subprocess.run([sys.executable, __file__, "--memory"], capture_output=True, text=True, check=True)
    taken, before, peak = map(float, result.stdout.split())
    rows.append(("over-sample 50,000 x 15 mixed", f"{taken:.0f} s", f"peak {peak:,.0f} MiB, {before:,.0f} before"))
    publish("Speed on tables, one thread", "tables.py", rows, arguments.output)


if __name__ == "__main__":
    main()
