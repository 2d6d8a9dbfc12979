"""Cases of tables: rows drawn once for all classifiers."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.bench.cases.case import CELLS, Case, Task, failure, global_states, scored
from ganaug.bench.inputs.datasets import TableData, load_table
from ganaug.bench.methods.classifiers import CLASSIFIERS, Columns, fit_predict
from ganaug.bench.methods.drawn import Exchanged, Rows, leaked_rows, recombined
from ganaug.bench.methods.samplers import known_samplers, make_gate, resample, table_generator
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import Suite, TableArm, TableExperiment, arm_values, digest

__all__ = ["TableCase"]


class TableCase(Case):
    """Rows of one table; see :class:`~ganaug.bench.cases.case.Case`."""

    experiment: TableExperiment

    def __init__(self, suite: Suite, index: int, store: Store) -> None:
        super().__init__(suite, index, store)
        self.data = load_table(self.spec.dataset)
        classes, targets, counts = np.unique(self.data.y, return_inverse=True, return_counts=True)
        if len(classes) < 2:
            raise ValueError(f"{self.spec.dataset.name}: there is a single class, {classes[0]!r}; two are needed")
        # Of two classes the rarer one is looked for: it comes last.
        swap = len(classes) == 2 and counts[0] < counts[1]
        self.classes = classes[::-1] if swap else classes
        self.targets = 1 - targets if swap else targets
        self.positive = 1 if len(classes) == 2 else None
        self._splits = self.split(self.data.y, self.data.groups, self.data.split_columns)
        self.check_apart(targets, chance=True)
        self._check_arms_by_group()
        if len(classes) > 2 and (arm := next((a for a in self.experiment.arms if a.threshold), None)):
            raise ValueError(
                f"{self.spec.dataset.name} has {len(classes)} classes, but arm {arm.name!r} tunes a threshold, which "
                "is for two; use prior_correction in its place"
            )
        if len(classes) > 2 and (unknown := [m for m in self.experiment.metrics if m in ("F1", "precision", "recall")]):
            raise ValueError(
                f"{self.spec.dataset.name} has {len(classes)} classes, but {unknown[0]} is a metric of the rarer of two"
            )

    def _check_arms_by_group(self) -> None:
        needing = next((arm.name for arm in self.experiment.arms if arm.by_cells), None)
        if needing is not None and self.groups is None:
            raise ValueError(
                f"{self.spec.dataset.name}: arm {needing!r} needs groups; name them by the key groups of the dataset"
            )

    def named(self, arm: TableArm, classifier: Plugin) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """A sampler and a classifier."""
        if arm.sampler is not None:
            kind = "samplers" if arm.cells is None else "generators"
            known = known_samplers()
            if arm.cells is None or "." in arm.sampler.target:
                yield kind, arm.sampler.target, known if arm.cells is None else {}
            asked = arm.sampler.params.get("generator")
            if arm.sampler.target in known and "." in (path := table_generator(asked).target):
                yield "generators", path, {}
        yield "classifiers", classifier.target, CLASSIFIERS

    def tasks(self) -> Iterator[Task]:
        """One task per arm and repeat, with a cell per classifier."""
        fingerprint = self.data.fingerprint()
        for split in range(len(self.splits)):
            shared = self.shared(split, fingerprint)
            for arm in self.experiment.arms:
                for repeat in range(self.experiment.repeats):
                    cells = [
                        {
                            **shared,
                            "arm": arm_values(arm),
                            "repeat": repeat,
                            "classifier": asdict(classifier),
                            "components": self.experiment.components,
                            **self.own_code(arm.name, classifier.name),
                        }
                        for classifier in self.experiment.classifiers
                    ]
                    names = tuple(classifier.name for classifier in self.experiment.classifiers)
                    yield Task(self.index, CELLS, split, arm.name, repeat, tuple(map(digest, cells)), names)

    def run(self, task: Task, keys: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]] | None]:
        """Draw rows once, then train and test every classifier."""
        arm = self.experiment.arm(str(task.arm))
        train, test = self.splits.training[task.split], self.splits.test[task.split]
        groups = None if self.data.groups is None else self.data.groups[train]
        rows_of = self.data.X.iloc[train].reset_index(drop=True)
        data = TableData(rows_of, self.targets[train], self.data.nominal, groups)
        encode = Columns(data, self.experiment.components)
        X_test, y_test = encode(self.data.X.iloc[test]), self.targets[test]
        seed = self.seed("sampler", task.split, arm.name, task.repeat)
        gate = make_gate(arm, data, self.experiment, seed) if arm.gate else None
        by_chance = functools.partial(recombined, data, encode, seed)
        draw = functools.partial(_drawn, training=encode(data.X), test=(X_test, y_test), by_chance=by_chance)
        if gate is None:
            with global_states(seed):
                rows, note, seconds = draw(functools.partial(resample, arm, data, encode, seed))
        yield None
        for key, classifier in zip(task.keys, self.experiment.classifiers, strict=True):
            if key not in keys:
                continue
            own = self.seed("classifier", task.split, arm.name, classifier.name, task.repeat)
            try:
                with global_states(own):
                    if gate is not None:
                        rows, note, seconds = draw(functools.partial(gate.resample, classifier, encode))
                    found = fit_predict(arm, classifier, rows, X_test.copy(), len(self.classes), own, groups)
                probabilities, predicted, remark = found
                seen = self.seen(task.split)
                result = scored(y_test, probabilities, predicted, self.positive, seen, **self.of_groups(task.split))
            except (Exception, SystemExit) as error:
                yield key, failure(error)
                continue
            notes = [text for text in (note, remark) if text]
            about = {"note": "; ".join(notes)} if notes else {}
            yield key, {**result, "fit_seconds": seconds, "n_rows": len(rows[0]), **about}

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """A hash of each row."""
        plain = self.data.X.astype(dict.fromkeys(self.data.nominal, str))
        return pd.util.hash_pandas_object(plain, index=False).to_numpy()

    def describe(self) -> dict[str, Any]:
        """Classes, sizes and hash."""
        return {
            "classes": [str(label) for label in self.classes.tolist()],
            "shape": f"{len(self.data.X.columns)} columns",
            **self.sizes(),
            **({} if self.positive is None else {"positive": str(self.classes[self.positive])}),
            **self.duplicates(),
            **self.describe_groups(),
            "sha256": self.data.fingerprint(),
        }


def _drawn(
    sample: Callable[[], tuple[Rows, str | None]],
    training: NDArray[np.float64],
    test: Rows,
    by_chance: Callable[[], Exchanged],
) -> tuple[Rows, str | None, float]:
    """Rows of an arm, a note, and the seconds they took; test rows among them are an error."""
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what the samplers say of classes is in the note
        rows, note = sample()
    seconds = time.perf_counter() - started
    if n_leaked := leaked_rows(rows[0], training, test[0], by_chance, (rows[1], test[1])):
        raise RuntimeError(f"{n_leaked} of {len(rows[0])} rows are test rows: the test set leaked")
    return rows, note, seconds
