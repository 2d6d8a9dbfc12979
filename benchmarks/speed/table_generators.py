"""Generators of rows beside those of other packages: time to fit and to draw, memory, and what a classifier learns.

    pip install ".[bench,peers]"
    python benchmarks/speed/table_generators.py [-o FILE.md]

Half of each table, by three seeds, trains a generator with its defaults, in a process of its own on one thread; it
draws as many rows of each class as there are. A random forest learns these alone, and is judged by its average
precision (AP) on the other half. Times are of the processor: of ``fit``, and of drawing 1,000 rows; memory is what the
process takes at most beyond what it took before the fit.

`TableGAN` is trained with other numbers of steps too, which says when it is as good as a generator of another package:
the least time to fit and draw with which its AP, the mean over seeds, is not below that of the other. The last column
says so of all families of ganaug.

CTGAN and TVAE are measured where the package ctgan is installed, whose licence (Business Source) is not open.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score
from sklearn.model_selection import train_test_split

from ganaug.bench.inputs.datasets import TableData, load_table
from ganaug.bench.methods.classifiers import Columns
from ganaug.bench.methods.peers import GENERATORS, require_package
from ganaug.bench.suite.plugins import Plugin
from ganaug.data.files import write_atomically
from ganaug.generators import generator_class
from ganaug.generators.contract import takes

TABLES = ["keel:page-blocks0", "keel:german", "keel:vehicle0", "keel:pima"]
OURS = {"TableGAN": "table-gan", "TableVAE": "table-vae", "TableFlow": "table-flow"}
OURS |= {"TableAutoregressive": "table-autoregressive", "TableCopula": "table-copula"}
PEERS = {"CTGAN": "ctgan", "TVAE": "tvae", "adversarial random forest": "arf", "TabularARGN": "tabular-argn"}
STEPS = [100, 200, 500, 3000]


def generator(name: str, nominal: tuple[str, ...], seed: int) -> Any:
    """One of ganaug by its registered name, which steps may follow after a colon, or one of another package."""
    name, _, steps = name.partition(":")
    if name in PEERS.values():
        cls, options = GENERATORS[name], {"nominal": nominal}
        return cls(**options, **({"random_state": seed} if takes(cls, "random_state") else {}))
    found: Any = generator_class(name)
    options = {"random_state": seed, **({"steps": int(steps)} if steps else {})}
    return found(**options, **({"verbose": False} if takes(found, "verbose") else {}))


def halves(table: str, seed: int) -> tuple[TableData, TableData]:
    """Training and test rows; the rare class is 1."""
    data = load_table(Plugin.of(table))
    values, counts = np.unique(data.y, return_counts=True)
    y = (np.asarray(data.y) == values[counts.argmin()]).astype(int)
    rows, others, y, labels = train_test_split(data.X, y, train_size=0.5, stratify=y, random_state=seed)
    return TableData(rows.reset_index(drop=True), y, data.nominal), TableData(others, labels, data.nominal)


def precision(rows: pd.DataFrame, train: TableData, test: TableData, seed: int) -> float:
    """AP in percent of a forest that learns these rows, with the labels of the training rows."""
    encode = Columns(train)
    forest = RandomForestClassifier(300, random_state=seed).fit(encode(rows), train.y)
    return 100 * float(average_precision_score(test.y, forest.predict_proba(encode(test.X))[:, 1]))


def measure(name: str, table: str, seed: int) -> dict[str, float]:
    """What is shown of one generator; run in a process of its own."""
    torch.set_num_threads(1)
    train, test = halves(table, seed)
    if name == "real":
        return {"AP": precision(train.X, train, test, seed)}
    if name in PEERS.values():
        require_package(name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    fitted = generator(name, train.nominal, seed).fit(train.X.copy(), train.y.copy())
    fitting = time.process_time() - started
    started = time.process_time()
    rows = fitted.sample(train.y, random_state=seed)
    drawing = (time.process_time() - started) * 1000 / len(train.y)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"fit": fitting, "draw": drawing, "memory": memory, "AP": precision(rows, train, test, seed)}


def measured(name: str, table: str, seeds: int) -> pd.DataFrame | str:
    """A row for each seed; or why there is none, such as a package that is not installed."""
    found = []
    for seed in range(seeds):
        command = [sys.executable, __file__, "--one", name, table, str(seed)]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **threads})
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1]
            print(name, table, reason, sep="; ", flush=True)
            return reason
        found.append(json.loads(done.stdout.splitlines()[-1]))
        print(name, table, seed, *(f"{key} {value:.2f}" for key, value in found[-1].items()), sep="; ", flush=True)
    return pd.DataFrame(found)


def lines_of(table: str, seeds: int) -> list[str]:
    """What is shown of a table."""
    real = measured("real", table, seeds)
    train, _ = halves(table, 0)
    size = f"{len(train.y):,} rows of {train.X.shape[1]} columns, {int(train.y.sum())} of the rare class"
    lines = [f"{table}, {size}:", ""]
    after = "TableGAN as good after | any of ganaug as good after"
    lines += [f"| generator | fit, s | draw 1,000, s | memory, MiB | AP, % | {after} |", "|" + "---|" * 7]
    lines += [f"| real rows | | | | {real if isinstance(real, str) else f'{real.AP.mean():.1f}'} | | |"]
    all_steps = {f"TableGAN, {steps:,} steps": f"table-gan:{steps}" for steps in STEPS}
    means: dict[str, pd.Series[float]] = {}
    for shown, name in {**OURS, **all_steps, **PEERS}.items():
        found = measured(name, table, seeds)
        if isinstance(found, str):
            lines.append(f"| {shown} | {found} | | | | | |")
            continue
        of = found.mean()
        after = " | "
        if name in PEERS.values():
            gans = {each: values for each, values in means.items() if each.startswith("TableGAN")}
            after = f"{as_good(gans, of)} | {as_good(means, of, named=True)}"
        else:
            means[shown] = of
        values = f"{of.fit:.1f} | {of.draw:.2f} | {of.memory:,.0f} | {of.AP:.1f} ± {found.AP.std(ddof=1):.1f}"
        lines.append(f"| {shown} | {values} | {after} |")
    return [*lines, ""]


def as_good(means: dict[str, pd.Series[float]], other: pd.Series[float], *, named: bool = False) -> str:
    """The least time in which one of some is as good as another, and how many times as long the other takes."""
    times = {each: float(of.fit + of.draw) for each, of in means.items() if other.AP <= of.AP}
    if not times:
        return "never"
    first = min(times, key=lambda each: times[each])
    told = f"{times[first]:.1f} s, {(other.fit + other.draw) / times[first]:.1f} times as fast"
    return f"{first}: {told}" if named else told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", default=TABLES, help="such as keel:german; keel needs the extra bench")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            name, table, seed = arguments.one
            print(json.dumps(measure(name, table, int(seed))))
        return
    lines = [
        f"Generators of rows beside those of other packages, one thread ({platform.machine()}, torch "
        f"{torch.__version__}), by",
        f"`python benchmarks/speed/table_generators.py`. Means over {arguments.seeds} seeds; of AP also the standard "
        "deviation.",
        "",
    ]
    for table in arguments.tables:
        lines += lines_of(table, arguments.seeds)
        if arguments.output:
            write_atomically(arguments.output, "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
