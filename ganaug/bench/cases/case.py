"""A case: one dataset at one size, with its splits and the tasks on it."""

from __future__ import annotations

import base64
import contextlib
import itertools
import random
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug._version import __version__
from ganaug.bench.inputs.given_splits import given_splits
from ganaug.bench.inputs.group_splits import CellSplits, check_apart, grouped_splits
from ganaug.bench.inputs.splits import Splits, balanced_splits, copies, drawn_splits, folds
from ganaug.bench.methods.group_scores import GROUP_METRICS, group_scores
from ganaug.bench.methods.scores import calibration, decisions, scores
from ganaug.bench.records.provenance import code_of
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import Experiment, Suite, digest
from ganaug.engine.devices import global_states_seeded

__all__ = [
    "Case",
    "CaseSpec",
    "Task",
    "case_specs",
    "failure",
    "global_states",
    "heading",
    "predictions",
    "prepared",
    "scored",
    "seed_of",
]

CPU = torch.device("cpu")
GAN, CELLS = 0, 1  # stages: cells need the GANs
CHOICE = "choice of "  # begins the name of what is chosen in the first stage
GENERATOR = "generator "  # and of the fits of a generator that is not the one of the table gan


@dataclass(frozen=True)
class CaseSpec:
    """What a case is declared by.

    Attributes
    ----------
    kind : {"images", "tables"}
    dataset : Plugin
    n_per_class : int or None
        None stands for `n_samples` or, without them, for all data in folds.
    imbalance : float
    n_samples : int or None
        Of all classes together, spread over them equally.
    """

    kind: str
    dataset: Plugin
    n_per_class: int | None
    imbalance: float
    n_samples: int | None = None

    @property
    def name(self) -> str:
        """Dataset and size."""
        size = "" if self.n_per_class is None else f", {self.n_per_class} a class"
        if self.n_samples is not None:
            size = f", {self.n_samples} {'rows' if self.kind == 'tables' else 'images'}"
        if self.imbalance > 1:
            size = f", {self.n_per_class} down to {max(1, round((self.n_per_class or 0) / self.imbalance))} a class"
        return f"{self.dataset.name}{size}"


def case_specs(suite: Suite) -> list[CaseSpec]:
    """All cases of a suite."""
    found = []
    for experiment in suite.experiments:
        for dataset in experiment.datasets:
            found += [CaseSpec(experiment.kind, dataset, n, imbalance) for n, imbalance in experiment.drawn_sizes()]
            found += [CaseSpec(experiment.kind, dataset, None, 1.0, n) for n in experiment.n_samples]
    return found


@dataclass(frozen=True)
class Task:
    """What one process does at a time: the fit of a GAN, or all cells that share one draw of synthetic samples.

    Attributes
    ----------
    case : int
        Position among the cases of the suite.
    stage : {0, 1}
        GANs come before the cells that need them.
    split : int
    arm : str or None
        None for the fit of a GAN.
    repeat : int
    keys : tuple of str
        Of the records that it makes: hashes of all that they depend on.
    classifiers : tuple of str
        Of each record. Where there is no arm one name: empty for the GAN of a split, of the part of the training
        samples that another GAN is fitted on, or of what is chosen.
    """

    case: int
    stage: int
    split: int
    arm: str | None
    repeat: int
    keys: tuple[str, ...]
    classifiers: tuple[str, ...]

    @property
    def name(self) -> str:
        """For people."""
        what = prepared(self.classifiers[0]) if self.arm is None else f"{self.arm}, start {self.repeat + 1}"
        return f"split {self.split + 1}: {what}"


def prepared(part: str) -> str:
    """What is made for the cells of a split, for people: a generator, or a choice that several arms share."""
    return part if part.startswith((CHOICE, GENERATOR)) else f"GAN {part}".strip()


def seed_of(*parts: int | str) -> int:
    """A seed of 32 bits of its own for each thing that draws, the same whatever the version or the data."""
    return int(digest(parts)[:8], 16)


class Case(ABC):
    """One dataset at one size: its splits, its tasks, and what these share.

    Parameters
    ----------
    suite : Suite
    index : int
        Position among :func:`case_specs`.
    store : Store
    """

    def __init__(self, suite: Suite, index: int, store: Store) -> None:
        self.suite = suite
        self.index = index
        self.store = store
        self.spec = case_specs(suite)[index]
        self.experiment: Any = suite.experiment(self.spec.kind)
        self.arms: tuple[Any, ...] = self.experiment.arms  # that are run in this case
        self._seen: dict[int, NDArray[np.bool_]] = {}

    def split(self, labels: NDArray[Any], groups: NDArray[Any] | None, columns: Mapping[str, NDArray[Any]]) -> Splits:
        """Training and test sets, with the name of the dataset in errors; `columns` say what is given of them."""
        experiment: Experiment = self.experiment
        if groups is not None:
            self.group_names, self.groups = np.unique(groups, return_inverse=True)
        asked = next((metric for metric in experiment.metrics if metric in GROUP_METRICS), None)
        if bool(columns) != (experiment.split == "given"):
            raise ValueError(
                f"{self.spec.dataset.name}: split_columns and split = 'given' need each other, got split = "
                f"{experiment.split!r} and {len(columns)} columns; pass both or neither"
            )
        by_groups = experiment.split not in ("samples", "given")
        if groups is None and (by_groups or asked is not None):
            needs = f"split = {experiment.split!r}" if by_groups else f"the metric {asked!r}"
            raise ValueError(
                f"{self.spec.dataset.name}: {needs} needs groups; name them by the key groups of the dataset"
            )
        try:
            if columns:
                return given_splits(columns, labels, groups)
            if groups is not None and by_groups:
                return grouped_splits(experiment, labels, groups, self.suite.seed)
            if self.spec.n_samples is not None:
                return balanced_splits(labels, self.spec.n_samples, experiment.splits, self.suite.seed)
            if self.spec.n_per_class is None:
                return folds(labels, experiment.folds, self.suite.seed)
            return drawn_splits(labels, self.spec.n_per_class, experiment.splits, self.suite.seed, self.spec.imbalance)
        except ValueError as error:
            raise ValueError(f"{self.spec.dataset.name}: {error}") from None

    @property
    def splits(self) -> Splits:
        """Set by the constructor."""
        return self._splits

    _splits: Splits
    group_names: NDArray[Any] | None = None
    groups: NDArray[np.int64] | None = None  # of each sample, by its place among the names
    targets: NDArray[np.int64]

    @property
    def n_rarest(self) -> int:
        """Test samples of the rarest class, in the split that has fewest of it."""
        return min(int(np.unique(self.targets[test], return_counts=True)[1].min()) for test in self.splits.test)

    def seen(self, split: int) -> NDArray[np.bool_]:
        """Which test samples of a split equal one of its training samples."""
        if split not in self._seen:
            self._seen[split] = copies(self.keys[self.splits.test[split]], self.keys[self.splits.training[split]])
        return self._seen[split]

    @property
    @abstractmethod
    def keys(self) -> NDArray[Any]:
        """Something for each sample, the same for equal ones."""

    def of_groups(self, split: int) -> dict[str, Any]:
        """The groups of the test samples, and which are of cells that are not trained on, for :func:`scored`."""
        if self.groups is None:
            return {}
        unseen = self.splits.unseen[split] if isinstance(self.splits, CellSplits) else None
        return {"groups": self.groups[self.splits.test[split]], "unseen": unseen}

    def check_apart(self, targets: NDArray[np.integer], chance: bool) -> None:
        """Refuse splits by groups of which both sides hold the same samples; these may be equal by `chance`.

        `targets` are positions among the sorted classes, by which cells are withheld.

        Raises
        ------
        ValueError
        """
        if self.groups is None or self.experiment.split == "samples":
            return
        try:
            check_apart(self.splits, self.keys, targets, self.groups, chance=chance)
        except ValueError as error:
            raise ValueError(f"{self.spec.dataset.name}: {error}") from None

    def describe_groups(self) -> dict[str, Any]:
        """The groups and how they were split, for the report; empty without groups."""
        if self.group_names is None:
            return {}
        held = [int(of_split.sum()) for of_split in getattr(self.splits, "withheld", ())]
        cells = len(self.group_names) * len(np.unique(self.targets))
        return {
            "groups": [str(name) for name in self.group_names.tolist()],
            "split": self.experiment.split,
            **({"withheld_cells": max(held), "cells": cells} if held else {}),
        }

    def sizes(self) -> dict[str, Any]:
        """Training and test samples of the smallest split, and of the largest one where others are larger."""
        found: dict[str, Any] = {}
        for name, parts in (("n_train", self.splits.training), ("n_test", self.splits.test)):
            sizes = [len(part) for part in parts]
            found[name] = min(sizes)
            if max(sizes) > min(sizes):
                found[f"{name}_most"] = max(sizes)
        return found

    def duplicates(self) -> dict[str, int]:
        """Test samples that equal a training sample, in the split that has most of them, and how many it tests on."""
        seen = [self.seen(split) for split in range(len(self.splits))]
        most = max(seen, key=lambda of_split: of_split.mean())
        return {"duplicates": int(most.sum()), "duplicates_of": len(most)}

    def own_code(self, arm: str, classifier: str) -> dict[str, Any]:
        """What the key of a cell holds of the user's own code, so that cells run again once it is edited."""
        found = self.code[arm, classifier]
        return {"code": found} if found else {}

    def shared(self, split: int, fingerprint: str) -> dict[str, Any]:
        """What every record of a split depends on."""
        return {
            "version": __version__,
            "data": fingerprint,
            "seed": self.suite.seed,
            "training_samples": digest(self.splits.training[split].tolist()),
            "test_samples": digest(self.splits.test[split].tolist()),
        }

    def seed(self, *parts: int | str) -> int:
        """A seed of a thing of this case."""
        return seed_of(self.suite.seed, self.spec.name, *parts)

    @cached_property
    def declared(self) -> frozenset[Task]:
        """All tasks."""
        return frozenset(self.tasks())

    @cached_property
    def code(self) -> dict[tuple[str, str], dict[str, str]]:
        """Of each arm and classifier: hashes of the code of the user's own that their cells run, by its name."""
        return {
            (arm.name, classifier.name): {
                name: found for named in self.named(arm, classifier) for name, found in code_of(*named).items()
            }
            for arm, classifier in itertools.product(self.experiment.arms, self.experiment.classifiers)
        }

    @abstractmethod
    def named(self, arm: Any, classifier: Plugin) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """What an arm and a classifier name, as arguments of :func:`~ganaug.bench.suite.plugins.resolve`."""

    @abstractmethod
    def tasks(self) -> Iterator[Task]:
        """All tasks, in the order they are reported in."""

    @abstractmethod
    def run(self, task: Task, keys: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]] | None]:
        """Make the records of some keys; None tells that what the cells share is there.

        Exceptions of a single cell are records too. One that is raised concerns all records not made yet.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Classes, sizes and hash, for the report."""

    def execute(self, task: Task, keys: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]] | None]:
        """Do a task; a failure becomes a record with its reason, never a gap."""
        left = set(keys)
        started = time.perf_counter()
        try:
            for made in self.run(task, keys):
                if made is None:
                    yield None
                    started = time.perf_counter()
                    continue
                key, result = made
                seconds = {} if "status" in result else {"status": "done", "seconds": time.perf_counter() - started}
                left.discard(key)
                yield key, {**heading(task, key), **seconds, **result}
                started = time.perf_counter()
        except (Exception, SystemExit) as error:
            for key in sorted(left, key=task.keys.index):
                yield key, {**heading(task, key), **failure(error)}


def heading(task: Task, key: str) -> dict[str, Any]:
    """What a record is of."""
    return {
        "kind": "gan" if task.stage == GAN else "cell",
        "case": task.case,
        "split": task.split,
        "arm": task.arm,
        "classifier": task.classifiers[task.keys.index(key)],
        "repeat": task.repeat,
    }


def failure(error: Exception | SystemExit) -> dict[str, Any]:
    """The record of an exception."""
    return {
        "status": "failed",
        "reason": f"{type(error).__name__}: {error}",
        "traceback": "".join(traceback.format_exception(error)),
    }


@contextlib.contextmanager
def global_states(seed: int, device: torch.device = CPU) -> Iterator[None]:
    """Seed the global states of Python, numpy and torch for code that draws from them, and put them back at the end.

    Without it, what such code gives would depend on what has run before it in the same process.
    """
    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - what others draw from
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - what others draw from
    try:
        with global_states_seeded(seed, device):
            yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002 - what others draw from


def scored(
    targets: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    predicted: NDArray[np.integer] | None = None,
    positive: int | None = None,
    seen: NDArray[np.bool_] | None = None,
    groups: NDArray[np.integer] | None = None,
    unseen: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """What the record of a cell holds of its predictions.

    Parameters
    ----------
    targets, probabilities, predicted, positive
        As for :func:`~ganaug.bench.methods.scores.scores`.
    seen : ndarray of shape (n,), bool, optional
        Test samples that equal a training sample: "metrics_unseen" are of the others, None where a class has none.
    groups, unseen
        As for :func:`~ganaug.bench.methods.group_scores.group_scores`, whose metrics are then beside the others.

    Returns
    -------
    dict
        Metrics are of the probabilities and decisions that are kept, so that they can be computed again.
    """
    if predicted is None:
        predicted = decisions(probabilities, positive)
    kept = probabilities.astype("<f4")
    exact = kept.astype(np.float64)

    def measured(part: Any) -> dict[str, float]:
        found = scores(targets[part], exact[part], predicted=predicted[part], positive=positive)
        if groups is None:
            return found
        of_part = None if unseen is None else unseen[part]
        return {**found, **group_scores(targets[part], predicted[part], groups[part], of_part)}

    others: dict[str, Any] = {}
    if seen is not None and seen.any():
        each = len(np.unique(targets[~seen])) == probabilities.shape[1]
        others = {"metrics_unseen": measured(~seen) if each else None}
    return {
        "metrics": measured(slice(None)),
        **others,
        "recall": [float((predicted[targets == c] == c).mean()) for c in range(probabilities.shape[1])],
        "calibration": [part.tolist() for part in calibration(targets, exact)],
        "probabilities": base64.b64encode(kept.tobytes()).decode(),
        "decisions": base64.b64encode(predicted.astype("<i4").tobytes()).decode(),
    }


def predictions(record: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The probabilities and decisions that the record of a cell keeps, from which its metrics can be computed again.

    Parameters
    ----------
    record : mapping

    Returns
    -------
    probabilities : ndarray of shape (n_test, n_classes)
    decisions : ndarray of shape (n_test,)

    Raises
    ------
    ValueError
        For a record of an older version, which keeps no decisions.

    Examples
    --------
    >>> predictions(scored(np.array([0, 1]), np.eye(2), np.array([1, 1])))[1].tolist()
    [1, 1]
    """
    if "decisions" not in record:
        raise ValueError("the cell was made by an older version, which kept no decisions; run it again in a new folder")
    chosen = np.frombuffer(base64.b64decode(record["decisions"]), "<i4").astype(np.int64)
    kept = np.frombuffer(base64.b64decode(record["probabilities"]), "<f4")
    return kept.reshape(len(chosen), -1).astype(np.float64), chosen
