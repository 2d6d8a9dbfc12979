"""What small classifiers gain from a large one that labels synthetic rows, and who should draw these.

    pip install ".[bench]"
    python benchmarks/distillation.py --output benchmarks/results/distillation.md

Half of each table, at most 1,000 rows, trains the students; the other half judges them by the area under the ROC curve,
of several classes that of each against the rest. The teacher is the default of `DistilledClassifier`. The students see:

* the labels alone;
* the probabilities of the teacher beside them, and no synthetic rows;
* also nine synthetic rows for each real one: near real ones (the default), from a Gaussian copula, from `TableFlow`;
* what `DistilledClassifier` chooses by inner validation.

In the tables are means over splits, and under them means over tables of the differences to the labels alone with 95 %
intervals of Student's t, the tables being the unit, and Holm's correction over all rows of a student.
"""

from __future__ import annotations

import argparse
import platform
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from ganaug import DistilledClassifier, GANOverSampler, TableCopula, TableFlow
from ganaug.bench.inputs.datasets import load_table
from ganaug.bench.results.stats import holm
from ganaug.bench.suite.plugins import Plugin
from ganaug.data.files import write_atomically
from ganaug.resampling.distilled import Lesson, default_teacher
from ganaug.resampling.encoded_columns import EncodedColumns

# None of these was looked at when the defaults of DistilledClassifier were chosen; that was on page-blocks0, vehicle3,
# yeast1, segment and digits.
TABLES = [
    "keel:german",
    "keel:australian",
    "keel:mammographic",
    "keel:contraceptive",
    "keel:splice",
    "keel:pima",
    "keel:car",
    "keel:wdbc",
]
STUDENTS: dict[str, Any] = {
    "tree of 16 leaves": DecisionTreeClassifier(max_leaf_nodes=16, random_state=0),
    "forest of 3 trees": RandomForestClassifier(3, random_state=0),
    "logistic regression": LogisticRegression(max_iter=1000),
    "network of 32 units": MLPClassifier((32,), max_iter=300, random_state=0),
}
GATED = ("tree of 16 leaves", "logistic regression")  # the choice trains some thirty teachers
RATIOS = [0, 9, 9, 9]
ARMS = ["teacher, real rows", "and near them", "and of a copula", "and of TableFlow", "chosen"]


def area(model: Any, X: Any, y: Any) -> float:
    """Area under the ROC curve in percent, of several classes that of each against the rest."""
    found = model.predict_proba(X)
    return 100 * float(roc_auc_score(y, found[:, 1] if found.shape[1] == 2 else found, multi_class="ovr"))


def of_split(table: str, seed: int, rows: int) -> dict[str, list[float]]:
    """Areas by student: of the teacher, of labels alone, and of each arm; NaN where none is chosen."""
    data = load_table(Plugin.of(table))
    X = data.X.astype(dict.fromkeys(data.nominal, str))
    size = min(rows, len(X) // 2)
    X, test, y, labels = train_test_split(X, data.y, train_size=size, stratify=data.y, random_state=seed)
    X, test, y = X.reset_index(drop=True), test.reset_index(drop=True), np.asarray(y)

    def drawn_by(generator: Any) -> Any:
        return GANOverSampler(generator=generator, local_share=0.0, selection=False, random_state=seed)

    near = GANOverSampler(local_share=1.0, selection=False, random_state=seed)
    flow = TableFlow(verbose=False, device="cpu")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "column .* holds (a different|values of several)", UserWarning)
        lessons = [
            Lesson(X, y, default_teacher(seed), sampler, ratio, seed)
            for ratio, sampler in zip(RATIOS, [near, near, drawn_by(TableCopula()), drawn_by(flow)], strict=True)
        ]
        found: dict[str, list[float]] = {}
        for name, student in STUDENTS.items():
            learner = make_pipeline(EncodedColumns(), student)
            models = [lessons[0].teacher, clone(learner).fit(X, y)]
            models += [lesson.taught(clone(learner), ratio) for lesson, ratio in zip(lessons, RATIOS, strict=True)]
            if name in GATED:
                models.append(DistilledClassifier(learner, random_state=seed).fit(X, y))
            areas = [area(model, test, labels) for model in models]
            found[name] = areas + [float("nan")] * (len(ARMS) + 2 - len(areas))
    return found


def report(found: dict[str, list[dict[str, list[float]]]]) -> str:
    """Tables of all students, of areas by table and of differences over tables."""
    lines = [__doc__.split("\n\n", 2)[2].strip(), ""]
    for name in STUDENTS:
        means = np.array([np.mean([split[name] for split in splits], axis=0) for splits in found.values()])
        shown = [arm for arm, column in zip(ARMS, means[:, 2:].T, strict=True) if np.isfinite(column).all()]
        columns = ["teacher", "labels alone", *shown]
        lines += [f"### {name}", "", "| table | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        lines += [
            f"| {table} | " + " | ".join(f"{value:.1f}" for value in row[: len(columns)]) + " |"
            for table, row in zip(found, means, strict=True)
        ]
        gains = means[:, 2 : len(columns)] - means[:, 1:2]
        half = scipy.stats.sem(gains) * scipy.stats.t.ppf(0.975, len(gains) - 1)
        corrected = holm(scipy.stats.ttest_1samp(gains, 0).pvalue)
        cells = [
            f"{mean:+.1f} [{mean - width:+.1f}, {mean + width:+.1f}], p {p:.3f}"
            for mean, width, p in zip(gains.mean(0), half, corrected, strict=True)
        ]
        lines += ["| gain over labels alone |  |  | " + " | ".join(cells) + " |", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000, help="training rows at most")
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    found: dict[str, list[dict[str, list[float]]]] = {}
    for table in args.tables:
        found[table] = [of_split(table, seed, args.rows) for seed in range(args.splits)]
        for name in STUDENTS:
            print(table, name, np.mean([split[name] for split in found[table]], axis=0).round(1), flush=True)
    text = (
        f"Distillation ({platform.machine()}, {args.splits} splits), by `python benchmarks/distillation.py`.\n\n"
        + report(found)
    )
    print(text)
    if args.output is not None:
        write_atomically(args.output, text)


if __name__ == "__main__":
    main()
