"""Whether synthetic rows pay where sampler, amount and classifier are chosen together by inner validation.

    pip install ".[bench]"
    python benchmarks/chosen_together.py --output benchmarks/results/chosen-together.md

Training sets of few rows of equal classes are drawn as in synthetic_validation.py, and at most 3,000 other rows are
the test. There are two ways to spend the same number of candidates, each tried in the same five folds; the candidate
with the largest mean area under the ROC curve is trained on all training rows:

* "24 classifiers": logistic regression, nearest neighbours, random forest, LightGBM and a network, each with several
  settings; those that are not of trees on standardised columns and on normal scores (a quantile transform);
* "12 classifiers, and synthetic rows": half of these, and the four best of them once more with `GANOverSampler`, 50
  rows and 200 rows of each class, and with its local sampler alone, 200 rows of each class;
* "12 classifiers": the control, half the budget.

Areas on the test, and balanced accuracy, in percent: means over splits, and then over tables, with 95 % intervals of
Student's t over tables of the difference to the 24 classifiers, and Holm's correction over sizes.
"""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from distillation import area
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from synthetic_validation import arguments, balanced_rows

from ganaug import GANOverSampler
from ganaug.bench.inputs.datasets import TableData
from ganaug.bench.methods.classifiers import Columns
from ganaug.bench.results.stats import holm
from ganaug.data.files import write_atomically
from ganaug.metrics.paired import Difference, paired_difference
from ganaug.resampling.encoded_columns import EncodedColumns

SIZES = (50, 200)
FOLDS, SHORTLIST = 5, 4
NORMAL, STANDARD = "normal scores", "standardised"


class Candidate(NamedTuple):
    """A classifier on columns that are encoded in some way, and the rows that are added to the real ones."""

    classifier: Any
    columns: str
    added: str = "none"


def both(*classifiers: Any) -> list[Candidate]:
    """Each classifier on both kinds of columns."""
    return [Candidate(classifier, columns) for classifier in classifiers for columns in (STANDARD, NORMAL)]


def trees(*classifiers: Any) -> list[Candidate]:
    """Classifiers that monotone transforms of a column do not change."""
    return [Candidate(classifier, STANDARD) for classifier in classifiers]


def boosted(n: int) -> Any:
    return LGBMClassifier(n_estimators=n, min_child_samples=5, n_jobs=1, verbose=-1)


def forest(least: int, share: Any = "sqrt") -> Any:
    return RandomForestClassifier(100, min_samples_leaf=least, max_features=share, random_state=0)


def network(decay: float) -> Any:
    return MLPClassifier((32,), alpha=decay, max_iter=200, random_state=0)


def neighbours(k: int) -> Any:
    return KNeighborsClassifier(k, weights="distance")


def logistic(C: float) -> Any:
    return LogisticRegression(C=C, max_iter=2000)


FIRST = [
    *both(logistic(1.0), neighbours(5), neighbours(15), network(1e-4)),
    *trees(forest(1), forest(5), boosted(30), boosted(100)),
]
FURTHER = [
    *both(logistic(0.1), logistic(10.0), neighbours(9), network(1.0)),
    *trees(forest(2), forest(1, None), boosted(10), boosted(300)),
]
SAMPLERS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {  # parameters of GANOverSampler, and rows of each class
    "mixture": ({}, (50, 200)),
    "local": ({"local_share": 1.0, "selection": False}, (200,)),
}
ADDED = [f"{name} {n}" for name, (_, amounts) in SAMPLERS.items() for n in amounts]
WAYS = ["24 classifiers", "12 classifiers, and synthetic rows", "12 classifiers"]


class Trial:
    """Training rows, and others that judge classifiers of them.

    Parameters
    ----------
    X, other_X : DataFrame
    y, other_y : ndarray
    nominal : tuple
        Columns of names.
    seed : int
        Of the samplers.
    """

    def __init__(
        self,
        X: pd.DataFrame,
        y: NDArray[Any],
        other_X: pd.DataFrame,
        other_y: NDArray[Any],
        nominal: tuple[Any, ...],
        seed: int,
    ) -> None:
        self._other_y = other_y
        self._rows = {"none": (X, y)}
        for name, (params, amounts) in SAMPLERS.items():
            counts = {label: int((y == label).sum()) + max(amounts) for label in np.unique(y)}
            sampler = GANOverSampler(sampling_strategy=counts, random_state=seed, **params)
            drawn, labels = sampler.fit_resample(X, y)
            for n in amounts:
                of_class = [np.flatnonzero(labels[len(y) :] == label)[:n] + len(y) for label in counts]
                kept = np.concatenate([np.arange(len(y)), *of_class])
                self._rows[f"{name} {n}"] = drawn.iloc[kept].reset_index(drop=True), labels[kept]
        plain, encoder = Columns(TableData(X, y, nominal)), EncodedColumns().fit(X)
        self._encoders: dict[str, Callable[[pd.DataFrame], NDArray[Any]]] = {
            STANDARD: plain,
            NORMAL: encoder.transform,
        }
        self._other = {name: encode(other_X) for name, encode in self._encoders.items()}

    def trained(self, candidate: Candidate) -> Any:
        """The classifier of a candidate."""
        X, y = self._rows[candidate.added]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return clone(candidate.classifier).fit(self._encoders[candidate.columns](X), y)

    def area(self, candidate: Candidate) -> float:
        """Area under the ROC curve on the other rows."""
        return area(self.trained(candidate), self._other[candidate.columns], self._other_y)

    def judged(self, candidate: Candidate) -> tuple[float, float]:
        """Area and balanced accuracy on the other rows, in percent."""
        model, rows = self.trained(candidate), self._other[candidate.columns]
        accuracy = balanced_accuracy_score(self._other_y, model.predict(rows))
        return area(model, rows, self._other_y), 100 * float(accuracy)


def chosen(folds: list[Trial]) -> list[Candidate]:
    """The candidate that each of `WAYS` chooses by its mean area over the folds."""

    def mean(candidate: Candidate) -> float:
        return float(np.mean([fold.area(candidate) for fold in folds]))

    first, further = [mean(each) for each in FIRST], [mean(each) for each in FURTHER]
    shortlist = [FIRST[i] for i in np.argsort(first)[::-1][:SHORTLIST]]
    widened = [each._replace(added=added) for each in shortlist for added in ADDED]
    assert len(widened) == len(FURTHER)
    synthetic = [mean(each) for each in widened]

    def best(candidates: list[Candidate], means: list[float]) -> Candidate:
        return candidates[int(np.argmax(means))]

    return [best(FIRST + FURTHER, first + further), best(FIRST + widened, first + synthetic), best(FIRST, first)]


def of_split(table: str, size: int, split: int) -> tuple[NDArray[np.float64], str]:
    """Area and balanced accuracy of each way, shape (2, n_ways), and the rows that were added."""
    data, train, test = balanced_rows(table, size, split)
    X, y, nominal = data.X, np.asarray(data.y), tuple(data.nominal)

    def trial(fitted: NDArray[np.intp], judging: NDArray[np.intp]) -> Trial:
        part = X.iloc[fitted].reset_index(drop=True)
        return Trial(part, y[fitted], X.iloc[judging], y[judging], nominal, split)

    parts = StratifiedKFold(FOLDS, shuffle=True, random_state=split).split(train, y[train])
    found = chosen([trial(train[fitted], train[judging]) for fitted, judging in parts])
    whole = trial(train, test)
    return np.array([whole.judged(each) for each in found]).T, found[1].added


def shown(difference: Difference) -> str:
    return f"{difference.mean:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]"


def report(found: dict[int, dict[str, list[tuple[NDArray[np.float64], str]]]]) -> list[str]:
    """Areas by table, differences over tables, and what was chosen, for each size."""
    lines, differences = [], []
    for size, tables in found.items():
        means = np.array([np.mean([values for values, _ in splits], axis=0) for splits in tables.values()])
        areas, accuracies = means[:, 0], means[:, 1]
        lines += [f"### {size} rows", "", f"| area, by | {' | '.join(tables)} | mean | balanced accuracy |"]
        lines.append("|---" * (len(tables) + 3) + "|")
        for way, column, accuracy in zip(WAYS, areas.T, accuracies.T, strict=True):
            figures = " | ".join(f"{value:.1f}" for value in column)
            lines.append(f"| {way} | {figures} | {column.mean():.2f} | {accuracy.mean():.2f} |")
        lines.append("")
        differences.append([paired_difference(values[:, 1] - values[:, 0], rope=0.0) for values in (areas, accuracies)])
        added = [added for splits in tables.values() for _, added in splits]
        counts = ", ".join(f"{name}: {added.count(name)}" for name in ["none", *ADDED])
        lines += [f"Chosen with synthetic rows, of {len(added)}: {counts}.", ""]
    lines += ["### Synthetic rows against more classifiers", "", "| rows | area | p, by Holm | balanced accuracy |"]
    lines.append("|---|---|---|---|")
    corrected = holm([of_area.p for of_area, _ in differences])
    lines += [
        f"| {size} | {shown(of_area)} | {p:.2f} | {shown(of_accuracy)} |"
        for size, (of_area, of_accuracy), p in zip(found, differences, corrected, strict=True)
    ]
    return [*lines, ""]


def main() -> None:
    args = arguments(__doc__, SIZES)
    found: dict[int, dict[str, list[tuple[NDArray[np.float64], str]]]] = {}
    for size in args.sizes:
        found[size] = {}
        for table in args.tables:
            found[size][table] = [of_split(table, size, split) for split in range(args.splits)]
            values, added = zip(*found[size][table], strict=True)
            print(size, table, np.mean(values, axis=0).round(2).tolist(), added, flush=True)
    heading = [
        f"Synthetic rows chosen together with the classifier ({platform.machine()}, {args.splits} splits), by",
        "`python benchmarks/chosen_together.py`. Percent.",
        "",
    ]
    text = "\n".join(heading + report(found))
    print(text)
    if args.output is not None:
        write_atomically(args.output, text)


if __name__ == "__main__":
    main()
