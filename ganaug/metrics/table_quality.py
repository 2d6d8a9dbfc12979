"""A report on synthetic tables."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.data.fingerprints import check_holdout, row_keys
from ganaug.data.groups import groups_from_array
from ganaug.data.host_states import plain_states
from ganaug.data.kinds import KINDS
from ganaug.data.labels import labels_from_array, like_first, shared_classes
from ganaug.data.tables.containers import as_table
from ganaug.data.tables.encoder import TableEncoder
from ganaug.engine.devices import seed_from
from ganaug.metrics.columns import PairedColumns, paired_columns
from ganaug.metrics.group_consistency import (
    Grouped,
    classify_rows,
    group_consistency,
    group_positions,
    with_figures,
)
from ganaug.metrics.matching import matched_samples
from ganaug.metrics.report import Figures, QualityReport
from ganaug.metrics.two_sample import classifier_two_sample_auc

__all__ = ["table_report"]

ARGUMENTS = {"real": "X_real", "synthetic": "X_synthetic", "held-out": "holdout"}


@plain_states()
def table_report(
    X_real: Any,
    y_real: Any,
    X_synthetic: Any,
    y_synthetic: Any,
    *,
    holdout: tuple[Any, Any] | None = None,
    groups: tuple[Any, Any] | None = None,
    categorical_features: Any = "auto",
    folds: int = 5,
    random_state: Any = 0,
) -> QualityReport:
    """Measure how near synthetic rows are to real ones, overall, per class and per column.

    Parameters
    ----------
    X_real, X_synthetic : DataFrame, ndarray or sparse matrix of shape (n_rows, n_columns)
        The same columns; `X_real` is what the GAN was trained on.
    y_real, y_synthetic : array-like of shape (n_rows,)
        The same classes.
    holdout : (X, y), optional
        Real rows that the GAN has not seen. With them, synthetic rows are compared with the holdout instead, and so are
        the training rows, which shows what perfect samples would score. Without, a GAN that returns its training rows
        scores best.
    groups : (groups_real, groups_synthetic), optional
        Groups of the training and the synthetic rows, each array-like of shape (n_rows,).
    categorical_features : "auto", None, array-like of int, str or bool, default="auto"
        Columns to take for names, beside those that hold no numbers anyway.
    folds : int, default=5
        Of the classifier two-sample test. Each class needs as many rows on each side.
    random_state : int, RandomState, Generator or None, default=0
        Source of all randomness; the global states are neither read nor changed.

    Returns
    -------
    QualityReport
        Overall and per class, of as many rows of each class on both sides. Overall figures take no notice of classes:
        that rows have wrong labels shows in those per class.

        * column distance, in [0, 1]: mean of :func:`column_distances`; each column's is in ``table("columns")``.
        * pair distance, in [0, 1]: mean of :func:`pair_distances` over pairs of columns.
        * C2ST AUC: :func:`classifier_two_sample_auc`; 0.5 is best, far below are copies.

        With groups ``table("groups")`` and ``table("cells")`` hold the distances from training rows, for each that
        has enough rows, and how often its rows are recognised as the group and the class that they were asked for
        (:class:`ganaug.metrics.GroupConsistency`); the remarks name groups that the generator ignores.

    Raises
    ------
    ValueError, TypeError
        For classes that are missing on one side or too small, a holdout that shares rows with the training or the
        synthetic ones, unless rows repeat by nature, and as :func:`column_distances`.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(80, 2))
    >>> y = np.arange(40) % 2
    >>> report = table_report(rows[:40], y, rows[40:] + [0, 9], y)
    >>> report.overall["C2ST AUC"] > 0.95, report.table("columns")["distance"].loc[1].tolist()
    (True, [1.0, 1.0, 1.0])
    """
    if folds < 2:
        raise ValueError(f"folds must be at least 2, got {folds}")
    if holdout is not None and not (isinstance(holdout, tuple) and len(holdout) == 2):
        raise ValueError(f"holdout must be a pair of rows and labels, got a {type(holdout).__name__}; pass (X, y)")
    given = {"real": (X_real, y_real), "synthetic": (X_synthetic, y_synthetic)}
    if holdout is not None:
        given["held-out"] = holdout
    tables = {name: as_table(X)[0] for name, (X, _) in given.items()}
    labels = {name: labels_from_array(y, len(tables[name]), of=f"{name} rows") for name, (_, y) in given.items()}
    labels = like_first(labels)
    grouping = None if groups is None else _grouping(tables, groups)
    reference = "real" if holdout is None else "held-out"
    pairs = {
        name: paired_columns(
            tables[reference], table, categorical_features, names=(ARGUMENTS[reference], ARGUMENTS[name])
        )
        for name, table in tables.items()
        if name != reference
    }
    if holdout is not None:
        keys = row_keys(*(tables[name] for name in ("synthetic", "real", "held-out")))
        check_holdout(*keys, kind=KINDS["rows"], rows=tables["real"])
    classes = shared_classes(labels)
    seed = seed_from(random_state)
    sides = matched_samples(
        labels, classes, at_least=folds, reason=f"folds={folds}", randomness=np.random.default_rng(seed)
    )
    chosen = dict(zip(labels, sides, strict=True))
    figures = {
        name: _figures(paired, chosen[reference], chosen[name], classes, folds, seed) for name, paired in pairs.items()
    }
    remarks: list[str] = []
    if grouping is not None:
        grouped, remarks = _by_group(tables, labels, classes, grouping, categorical_features, folds, seed)
        figures["synthetic"] = replace(figures["synthetic"], groups=grouped["groups"], cells=grouped["cells"])
    basis = {
        "kind": "rows",
        "compared with": "training" if holdout is None else "held-out",
        "training data": _fingerprint(tables["real"], labels["real"]),
        "reference": _fingerprint(tables[reference], labels[reference]),
        "numbers": pairs["synthetic"].is_number.tolist(),
        "samples": sum(map(len, chosen[reference])),
        "folds": folds,
        "seed": seed,
    }
    return QualityReport(basis, figures["synthetic"], figures.get("real"), tuple(remarks))


def _grouping(
    tables: dict[str, pd.DataFrame], groups: tuple[Any, Any]
) -> tuple[NDArray[Any], dict[str, NDArray[np.int64]]]:
    if not (isinstance(groups, tuple) and len(groups) == 2):
        raise ValueError(
            f"groups must be a pair, of the real and of the synthetic rows, got a {type(groups).__name__}; pass "
            "(groups_real, groups_synthetic)"
        )
    sides = zip(("real", "synthetic"), groups, strict=True)
    return group_positions({name: groups_from_array(own, len(tables[name]), of=f"{name} rows") for name, own in sides})


def _by_group(
    tables: dict[str, pd.DataFrame],
    labels: dict[str, NDArray[Any]],
    classes: NDArray[Any],
    grouping: tuple[NDArray[Any], dict[str, NDArray[np.int64]]],
    categorical_features: Any,
    folds: int,
    seed: int,
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Figures of groups and cells, and remarks."""
    known, positions = grouping
    paired = paired_columns(tables["real"], tables["synthetic"], categorical_features)
    together = pd.concat([tables["real"], tables["synthetic"][tables["real"].columns]], ignore_index=True)
    encoded = TableEncoder(categorical_features).fit(together).transform(together)
    real, synthetic = (
        Grouped(rows, np.searchsorted(classes, labels[name]), positions[name])
        for name, rows in zip(positions, np.split(encoded, [len(tables["real"])]), strict=True)
    )
    randomness = np.random.default_rng(seed)
    found = group_consistency(real, synthetic, classes.tolist(), known.tolist(), classify_rows, randomness=randomness)

    def compare(first: NDArray[np.int64], second: NDArray[np.int64]) -> dict[str, float]:
        return _distances(paired.rows(first, second))[0]

    return with_figures(found, real, synthetic, classes, known, compare, folds, randomness), found.remarks


def _figures(
    paired: PairedColumns,
    reference: list[NDArray[np.int64]],
    chosen: list[NDArray[np.int64]],
    classes: NDArray[Any],
    folds: int,
    seed: int,
) -> Figures:
    """Compare rows by their indices per class."""
    everything = paired.rows(np.concatenate(reference), np.concatenate(chosen))
    overall, columns = _compare(everything, None, folds, seed)
    per_class = []
    for label, first, second in zip(classes.tolist(), reference, chosen, strict=True):
        found, own = _compare(paired.rows(first, second), label, folds, seed)
        per_class.append({"class": label, "n": len(first), **found})
        columns += own
    return Figures(overall, per_class, columns)


def _compare(paired: PairedColumns, label: Any, folds: int, seed: int) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Figures, and the distances of the columns."""
    found, distances = _distances(paired)
    found["C2ST AUC"] = classifier_two_sample_auc(paired.real, paired.synthetic, folds=folds, random_state=seed)
    columns = [
        {
            "column": name if isinstance(name, str | int) else str(name),
            "kind": "number" if number else "category",
            "class": label,
            "distance": distance,
        }
        for name, number, distance in zip(paired.names, paired.is_number, distances.tolist(), strict=True)
    ]
    return found, columns


def _distances(paired: PairedColumns) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Means of the distances of columns and pairs, and the distances of the columns."""
    distances = paired.distances()
    found = {"column distance": float(distances.mean())}
    if len(distances) > 1:
        found["pair distance"] = float(paired.pair_distances()[np.triu_indices(len(distances), 1)].mean())
    return found, distances


def _fingerprint(table: pd.DataFrame, labels: NDArray[Any]) -> str:
    """SHA-256 over names, values and labels."""
    digest = hashlib.sha256(repr((list(table.columns), [str(v) for v in labels])).encode())
    digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return digest.hexdigest()
