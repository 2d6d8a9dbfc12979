"""How fast GANOverSampler and TableGAN are, in ratios within one run.

    python benchmarks/speed/tables.py [-o FILE.md]

Cases, all on one thread: over-sampling a table of 1,000 rows and 20 columns, beside SMOTE; over-sampling 50,000 rows of
15 mixed columns, with the peak memory of a process of its own; and drawing rows from a fitted GAN. Generators of other
packages are in table_generators.py.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
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

ROUNDS = 3


def small() -> tuple[pd.DataFrame, np.ndarray]:
    X, y = make_classification(1000, 20, n_informative=8, weights=[0.9], random_state=0)
    return pd.DataFrame(X).add_prefix("x"), y


def large(rows: int = 50_000) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    y = (rng.random(rows) < 0.05).astype(int)
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


def memory() -> None:
    """Over-sample the large table and print seconds and peak memory; run in a process of its own."""
    table, y = large()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = seconds(lambda: GANOverSampler(generator=TableGAN(verbose=False), random_state=0).fit_resample(table, y), 1)
    print(taken, before / 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.memory:
        memory()
        return
    table, y = small()
    ours = seconds(lambda: GANOverSampler(generator=TableGAN(verbose=False), random_state=0).fit_resample(table, y))
    smote = seconds(lambda: SMOTE(random_state=0).fit_resample(table, y))
    rows = [("over-sample 1,000 x 20", f"{ours:.2f} s", f"{ours / smote:,.0f} times SMOTE")]
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
