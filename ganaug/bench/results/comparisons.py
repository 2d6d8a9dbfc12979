"""The scores of finished cells, and what arms differ by in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.bench.inputs.datasets.sources import origin
from ganaug.bench.methods.group_scores import GROUP_METRICS
from ganaug.bench.methods.scores import METRICS, MINORITY
from ganaug.bench.suite.schema import Arm, Experiment
from ganaug.metrics.paired import Difference, corrected_resampled_difference, paired_difference

__all__ = ["Scores"]

CONTINUOUS = {"AUC", "AP", "log-loss", "Brier", "ECE"}  # metrics of probabilities, not of how many answers are right


class Scores:
    """The scores of images or of tables, in points.

    Parameters
    ----------
    experiment : ImageExperiment or TableExperiment
    cells : DataFrame
        As :func:`~ganaug.bench.results.aggregate.cell_table` makes it.
    records : list of dict
        One per cell and fitted GAN, failed ones included.
    cases : list of (int, dict)
        Index of each case of the experiment among those of the suite, and what is known of its data.
    """

    def __init__(
        self,
        experiment: Experiment,
        cells: pd.DataFrame,
        records: list[dict[str, Any]],
        cases: list[tuple[int, dict[str, Any]]],
    ) -> None:
        self.experiment = experiment
        self.cases = cases
        done = cells[(cells["status"] == "done") & cells["case"].isin([i for i, _ in cases])]
        self.metrics = [
            m
            for m in (*METRICS, *MINORITY, *GROUP_METRICS)
            if m in done.columns and (m in METRICS or done[m].notna().any())
        ]
        self.sign = {m: 1.0 if more else -1.0 for m, more in {**METRICS, **MINORITY, **GROUP_METRICS}.items()}
        keys = ["case", "split", "arm", "classifier"]
        # Starts are averaged: what counts is the split.
        self.by_split = 100 * done.groupby(keys)[self.metrics].mean() if len(done) else pd.DataFrame()
        self.records = [r for r in records if r["case"] in {i for i, _ in cases}]
        self._cached: dict[tuple[str, int], NDArray[np.float64]] = {}

    def of_origins(self, arm: str, base: str, metric: str) -> dict[str, dict[str, float]]:
        """By how many points an arm is better: of each origin, the mean of each of its datasets over their cases.

        Datasets without a finished split are left out. Those of one origin are cut from the same rows, and independent
        results only together.
        """
        names = {dataset.name: origin(dataset) for dataset in self.experiment.datasets}
        of_cases: dict[str, dict[str, list[float]]] = {}
        for index, about in self.cases:
            if len(better := self.better(arm, base, metric, index)):
                name = about["dataset"]
                of_cases.setdefault(names.get(name, name), {}).setdefault(name, []).append(float(better.mean()))
        return {name: {of: float(np.mean(v)) for of, v in found.items()} for name, found in of_cases.items()}

    def runs(self, arm: Arm, about: dict[str, Any]) -> bool:
        """Whether a case has an arm: one with class weights may be left out where they would change nothing."""
        return arm.name in about.get("arms", [arm.name])

    def _results(self, metric: str, case: int) -> NDArray[np.float64]:
        """Of each split, classifier and arm; NaN for what has not finished."""
        if (metric, case) not in self._cached:
            arms, classifiers = ([x.name for x in some] for some in (self.experiment.arms, self.experiment.classifiers))
            table = np.empty((0, len(classifiers), len(arms)))
            if len(self.by_split) and case in self.by_split.index.get_level_values("case"):
                found = self.by_split[metric].xs(case, level="case")
                n_splits = int(found.index.get_level_values("split").max()) + 1
                table = np.full((n_splits, *table.shape[1:]), np.nan)
                for (split, arm, classifier), value in found.items():
                    table[split, classifiers.index(classifier), arms.index(arm)] = value
            self._cached[metric, case] = table
        return self._cached[metric, case]

    def _finished(self, names: list[str], metric: str, case: int, classifier: str | None = None) -> NDArray[np.float64]:
        """A row for each split that all of these arms have finished, a column for each arm: means over classifiers.

        A classifier counts that they have finished in any split; for a single arm, one that any arm has. A split counts
        with all classifiers that count only, or means would be of different ones.
        """
        arms = [arm.name for arm in self.experiment.arms]
        found = self._results(metric, case)[:, :, [arms.index(name) for name in names]]
        if classifier is not None:
            place = [c.name for c in self.experiment.classifiers].index(classifier)
            found = found[:, place : place + 1]
        finished = np.logical_not(np.isnan(found).any(axis=2))
        counting = np.asarray(finished.any(axis=0))
        if classifier is None and len(names) == 1:
            counting = np.asarray(np.logical_not(np.isnan(self._results(metric, case))).any(axis=(0, 2)))
        rows = finished[:, counting].all(axis=1) & counting.any()
        return found[rows][:, counting].mean(1) if rows.any() else np.empty((0, len(names)))

    def values(self, arm: str, metric: str, case: int, classifier: str | None = None) -> NDArray[np.float64]:
        """Of each split, the mean over classifiers, or of one."""
        return self._finished([arm], metric, case, classifier)[:, 0]

    def mean(self, arm: str, metric: str, case: int, classifier: str | None = None) -> float | None:
        """The mean over splits; None if there is none."""
        values = self.values(arm, metric, case, classifier)
        return float(values.mean()) if len(values) else None

    def better(self, arm: str, base: str, metric: str, case: int, classifier: str | None = None) -> NDArray[np.float64]:
        """By how many points an arm is better, of each split."""
        pair = self._finished([arm, base], metric, case, classifier)
        return self.sign[metric] * (pair[:, 0] - pair[:, 1]) + 0.0  # no difference is +0.0 in all metrics

    def difference(
        self, arm: str, base: str, case: int, classifier: str | None = None, metric: str | None = None
    ) -> Difference | None:
        """By how many points an arm is better, with its interval; None with fewer than two splits.

        Parameters
        ----------
        arm, base : str
        case : int
        classifier : str, optional
            By default the mean over all that both arms have finished.
        metric : str, optional
            By default the first.
        """
        better = self.better(arm, base, metric or self.experiment.metrics[0], case, classifier)
        if len(better) < 2:
            return None
        about = dict(self.cases)[case]
        share, rope = about["correlation"], self.experiment.rope
        averaged = self.experiment.repeats * (1 if classifier is not None else len(self.experiment.classifiers))
        resolution = _step(metric or self.experiment.metrics[0], about) / averaged
        if share is None:
            return paired_difference(better, rope=rope, resolution=resolution)
        return corrected_resampled_difference(better, correlation=share, rope=rope, resolution=resolution)

    def lacking(self, arm: str, base: str, case: int) -> dict[str, str]:
        """Classifiers that one of two arms has not finished in any split, and the arms that this is said of."""
        arms = [arm.name for arm in self.experiment.arms]
        found = self._results(self.experiment.metrics[0], case)[:, :, [arms.index(arm), arms.index(base)]]
        run = all(self.runs(self.experiment.arm(name), dict(self.cases)[case]) for name in (arm, base))
        if not run or np.isnan(found).all():
            return {}
        has = np.asarray(np.logical_not(np.isnan(found)).any(axis=0))
        names = [classifier.name for classifier in self.experiment.classifiers]
        by_place = zip(names, has.tolist(), strict=True)
        both = f"{arm} and {base}"
        return {
            name: base if with_arm else arm if with_base else both
            for name, (with_arm, with_base) in by_place
            if not (with_arm and with_base)
        }


def _step(metric: str, about: dict[str, Any]) -> float:
    """Points of a metric that one right answer more is worth at most, in a case with such data.

    That is an answer on the rarest class for those that classes count alike in, and for those of the rare class.
    """
    if metric in CONTINUOUS:
        return 0.0
    if metric == "accuracy":
        return 100 / float(about["n_test"])
    return 100 / (len(about["classes"]) * float(about["n_rarest"]))
