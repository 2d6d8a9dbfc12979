"""What each family of generators costs, and what a classifier learns from its samples alone.

    pip install ".[bench]"
    python benchmarks/families.py rows --output benchmarks/results/families-rows.md
    python benchmarks/families.py images --output benchmarks/results/families-images.md

On one thread, with the default parameters of every registered generator. Times are of the processor: of ``fit``, and of
drawing 1,000 samples.

Images are the digits of scikit-learn, 60 a class; the others judge. Class consistency: the share of 200 samples a class
that a classifier of the judging images finds to be of the class asked for. CAS: the accuracy on the judging images of a
classifier of samples alone.

Rows are one half of a real table, and a random forest of samples alone, as many and of the same classes, is judged by
its balanced accuracy on the other half. The real rows themselves stand in the same place.

Means over seeds, which also draw the halves; in brackets differences to the GAN and their standard errors.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from choices import judging, measured, seconds_of, split
from numpy.typing import NDArray
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

from ganaug import labelled_images
from ganaug.bench.inputs.datasets import load_table
from ganaug.bench.suite.plugins import Plugin
from ganaug.data.files import write_atomically
from ganaug.generators import generator_class, generator_names
from ganaug.generators.contract import takes

TABLES = ["breast_cancer", "wine", "digits", "keel:german", "keel:abalone9-18", "keel:vehicle0"]
SIZES = [(1_000, 20), (50_000, 15)]
IMAGES_A_CLASS = 60


def of_images(names: Sequence[str], seeds: int) -> dict[str, NDArray[np.float64]]:
    """Seconds to fit and to draw 1,000, class consistency and CAS in percent, for each seed."""
    digits = labelled_images("digits")
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    for seed in range(seeds):
        train, judges = split(digits, IMAGES_A_CLASS, seed)
        judge = judging(judges, seed)
        for name in names:
            generator = generator_class(name)(device="cpu", random_state=seed, verbose=False)
            fitting, consistent, accuracy = measured(generator, train, judges, judge, seed)
            asked = np.resize(generator.classes_, 1000)
            drawing = seconds_of(generator.sample, asked, random_state=seed)
            found[name].append([fitting, drawing, consistent, accuracy])
            print(name, seed, *(f"{value:.2f}" for value in found[name][-1]), sep="; ", flush=True)
    return {name: np.array(values) for name, values in found.items()}


def forest(X: pd.DataFrame, y: Any, test: pd.DataFrame, labels: Any, seed: int) -> float:
    """Balanced accuracy, in percent, of a random forest; names become indicators."""
    both = pd.get_dummies(pd.concat([X, test], ignore_index=True)).astype(float)
    model = RandomForestClassifier(200, random_state=seed).fit(both[: len(X)], y)
    return 100 * float(balanced_accuracy_score(labels, model.predict(both[len(X) :])))


def of_table(table: str, names: Sequence[str], seeds: int) -> dict[str, NDArray[np.float64]]:
    """Balanced accuracy in percent, for each seed, of real rows and generators."""
    data = load_table(Plugin.of(table))
    X = data.X.astype(dict.fromkeys(data.nominal, str))
    found: dict[str, list[float]] = {name: [] for name in ("real rows", *names)}
    for seed in range(seeds):
        parts = train_test_split(X, data.y, train_size=0.5, stratify=data.y, random_state=seed)
        train, test, y, y_test = [part.reset_index(drop=True) for part in parts[:2]] + list(parts[2:])
        found["real rows"].append(forest(train, y, test, y_test, seed))
        for name in names:
            drawn = _table_generator(name, seed).fit(train, y).sample(y, random_state=seed)
            found[name].append(forest(drawn, y, test, y_test, seed))
            print(table, name, seed, f"{found[name][-1]:.2f}", sep="; ", flush=True)
    return {name: np.array(values) for name, values in found.items()}


def _table_generator(name: str, seed: int) -> Any:
    cls: Any = generator_class(name)
    return cls(random_state=seed, **({"verbose": False} if takes(cls, "verbose") else {}))


def costs_of_rows(name: str) -> list[float]:
    """Seconds to fit made tables of each of the sizes, and to draw 1,000 rows of the last."""
    seconds = []
    for n, columns in SIZES:
        rows, labels = make_classification(n, columns, n_informative=columns // 2, random_state=0)
        generator = _table_generator(name, 0)
        seconds.append(seconds_of(generator.fit, rows, labels))
    return [*seconds, seconds_of(generator.sample, labels[:1000], random_state=0)]


def against(values: NDArray[np.float64], first: NDArray[np.float64] | None) -> str:
    """Mean, and the difference to the first with its standard error."""
    difference = np.zeros(len(values)) if first is None else values - first
    if len(values) < 2 or not difference.any():
        return f"{values.mean():.1f}"
    return f"{values.mean():.1f} ({difference.mean():+.1f} ± {difference.std(ddof=1) / np.sqrt(len(values)):.1f})"


def image_lines(names: Sequence[str], seeds: int) -> list[str]:
    found = of_images(names, seeds)
    lines = [f"Digits 8x8, {IMAGES_A_CLASS} a class, {seeds} seeds:", ""]
    lines += ["| generator | fit, s | draw 1,000, s | class consistency, % | CAS, % |", "|---|---|---|---|---|"]
    first = found.get("image-gan")
    for name, values in found.items():
        cells = [f"{values[:, 0].mean():.1f}", f"{values[:, 1].mean():.2f}"]
        cells += [against(values[:, k], None if first is None else first[:, k]) for k in (2, 3)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def table_lines(names: Sequence[str], seeds: int) -> list[str]:
    lines = [f"Forest of samples alone, balanced accuracy in %, {seeds} halves:", ""]
    shown = ["real rows", *names]
    lines += [f"| table | {' | '.join(shown)} |", "|" + "---|" * (1 + len(shown))]
    for table in TABLES:
        found = of_table(table, names, seeds)
        first = found.get("table-gan")
        lines.append(f"| {table} | {' | '.join(against(found[name], first) for name in shown)} |")
    sizes = [f"fit {n:,} x {columns}, s" for n, columns in SIZES]
    lines += ["", f"| generator | {' | '.join(sizes)} | draw 1,000, s |", "|---|---|---|---|"]
    for name in names:
        lines.append(f"| {name} | {' | '.join(f'{seconds:.2f}' for seconds in costs_of_rows(name))} |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["images", "rows"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=generator_names(), help="may be repeated; default all")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    where = f"{platform.machine()}, 1 thread, torch {torch.__version__}"
    lines = [
        f"Families of generators with their default parameters ({where}), by",
        f"`python benchmarks/families.py {arguments.kind}`.",
        "",
    ]
    names = arguments.only or generator_names(arguments.kind)
    lines += {"images": image_lines, "rows": table_lines}[arguments.kind](names, arguments.seeds)
    text = "\n".join(lines)
    print(text)
    if arguments.output:
        write_atomically(arguments.output, text)


if __name__ == "__main__":
    main()
