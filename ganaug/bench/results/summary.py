"""From finished cells to tables and verdicts."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.bench.cases.case import prepared
from ganaug.bench.methods.scores import METRICS, MINORITY
from ganaug.bench.results.stats import bayesian_signed_rank, bootstrap_interval, harm_rate, holm, wilcoxon
from ganaug.bench.suite.schema import Arm, Experiment, Suite
from ganaug.metrics.paired import Difference, corrected_resampled_difference, paired_difference

__all__ = ["ENOUGH_DATASETS", "cell_table", "summarise"]

SIGNIFICANT = 0.05
ENOUGH_DATASETS = 6  # below, no signed-rank test over datasets can find anything at 5 %
AFTER_CORRECTION = ", though not after correction for the number of tests"
FEW_SEEN = 0.01  # of the test samples: below, what stands in a training set too moves no figure
SEEN = "stand in a training set too, where to remember is enough to be right. On the others alone"
WORDS = {
    "gain": "a gain",
    "harm": "harm",
    "equal": "no gain (equal for practical purposes)",
    "unclear": "no gain shown (the interval includes zero)",
}


def cell_table(records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """One row per cell, failed ones included, without what differs from run to run.

    Parameters
    ----------
    records : iterable of dict

    Returns
    -------
    DataFrame
        Case, split, arm, classifier, repeat, status, reason, note, and a column per metric.
    """
    rows = [
        {
            **{key: r[key] for key in ("case", "split", "arm", "classifier", "repeat", "status")},
            "reason": r.get("reason", ""),
            "note": r.get("note", ""),
            **(r.get("metrics") or dict.fromkeys(METRICS, np.nan)),
        }
        for r in records
        if r["kind"] == "cell"
    ]
    return pd.DataFrame(rows)


def summarise(suite: Suite, records: list[dict[str, Any]], data: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarise the records of a run.

    Parameters
    ----------
    suite : Suite
    records : list of dict
        One per cell and fitted GAN, failed ones included.
    data : list of dict
        Of each case: name, kind, classes, sizes, and how it was split.

    Returns
    -------
    dict
        "cautions" (sentences on test samples that stand in a training set too, with the figures on the others),
        "verdicts" (sentences, the most telling first), "experiments" (one entry each for images and tables) and
        "failed". Means and differences are in points, hundredths of the metric; a positive difference is better.
    """
    cells, experiments, cautions = cell_table(records), [], []
    for experiment in suite.experiments:
        numbered = [(i, about) for i, about in enumerate(data) if about["kind"] == experiment.kind]
        experiments.append(_Experiment(experiment, cells, records, numbered).to_dict())
        if repeating := {i for i, about in numbered if _share_seen(about) >= FEW_SEEN}:
            others = [_on_unseen(record) if record["case"] in repeating else record for record in records]
            cautions += _Experiment(experiment, cell_table(others), others, numbered).on_unseen(repeating)
    return {
        "cautions": cautions,
        "verdicts": [sentence for found in experiments for sentence in found["verdicts"]],
        "experiments": experiments,
        "failed": [
            {
                **{key: r[key] for key in ("split", "repeat", "status", "reason")},
                "arm": prepared(r["classifier"]) if r["arm"] is None else r["arm"],
                "classifier": "" if r["arm"] is None else r["classifier"],
                "case": data[r["case"]]["name"],
            }
            for r in records
            if r["status"] != "done"
        ],
    }


def _share_seen(about: dict[str, Any]) -> float:
    """Share of the test samples that stand in a training set too, in the split that has most of them."""
    return about.get("duplicates", 0) / max(1, about.get("duplicates_of", about.get("n_test", 1)))


def _on_unseen(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a cell with its metrics on the test samples that no training sample equals, where there are any."""
    return {**record, "metrics": record["metrics_unseen"] or {}} if "metrics_unseen" in record else record


class _Experiment:
    """The results of images or of tables."""

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
            m for m in (*METRICS, *MINORITY) if m in done.columns and (m in METRICS or done[m].notna().any())
        ]
        self.sign = {m: 1.0 if {**METRICS, **MINORITY}[m] else -1.0 for m in (*METRICS, *MINORITY)}
        keys = ["case", "split", "arm", "classifier"]
        # Starts are averaged: what counts is the split.
        self.by_split = 100 * done.groupby(keys)[self.metrics].mean() if len(done) else pd.DataFrame()
        self.records = [r for r in records if r["case"] in {i for i, _ in cases}]
        self._cached: dict[tuple[str, int], NDArray[np.float64]] = {}

    def to_dict(self) -> dict[str, Any]:
        """Everything that the report shows."""
        several = len({about["dataset"] for _, about in self.cases}) >= ENOUGH_DATASETS
        tests = self._tests() if several else []
        return {
            "kind": self.experiment.kind,
            "verdicts": self._verdicts_over_datasets(tests) if several else self._verdicts_per_case(),
            "metrics": self.metrics,
            "compared": list(self.experiment.metrics),
            "cases": [self._case(i, about) for i, about in self.cases],
            "overall": self._overall() if len(self.cases) > 1 else [],
            "tests": tests,
            "curves": self._curves(),
            "amounts": self._amounts(),
            "notes": self._notes(),
        }

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

    def _values(self, arm: str, metric: str, case: int, classifier: str | None = None) -> NDArray[np.float64]:
        """Of each split, the mean over classifiers, or of one."""
        return self._finished([arm], metric, case, classifier)[:, 0]

    def _better(
        self, arm: str, base: str, metric: str, case: int, classifier: str | None = None
    ) -> NDArray[np.float64]:
        """By how many points an arm is better, of each split."""
        pair = self._finished([arm, base], metric, case, classifier)
        return self.sign[metric] * (pair[:, 0] - pair[:, 1])

    def _difference(
        self, arm: str, base: str, case: int, classifier: str | None = None, metric: str | None = None
    ) -> Difference | None:
        better = self._better(arm, base, metric or self.experiment.metrics[0], case, classifier)
        if len(better) < 2:
            return None
        about = dict(self.cases)[case]
        share, rope = about["test_share"], self.experiment.rope
        averaged = self.experiment.repeats * (1 if classifier is not None else len(self.experiment.classifiers))
        resolution = 100 / (len(about["classes"]) * about["n_rarest"] * averaged)
        if share is None:
            return paired_difference(better, rope=rope, resolution=resolution)
        return corrected_resampled_difference(better, test_share=share, rope=rope, resolution=resolution)

    def _case(self, index: int, about: dict[str, Any]) -> dict[str, Any]:
        gans = [r for r in self.records if r["case"] == index and "consistency" in r and r["status"] == "done"]
        gan_seconds = float(np.mean([r["fit_seconds"] for r in gans])) if gans else 0.0
        return {
            **about,
            "index": index,
            "arms": [self._arm(index, arm, gan_seconds) for arm in self.experiment.arms if self._runs(arm, about)],
            "left_out": [arm.name for arm in self.experiment.arms if not self._runs(arm, about)],
            "gan": {
                "consistency": (100 * np.mean([r["consistency"] for r in gans], axis=0)).tolist(),
                "seconds": gan_seconds,
                "steps": gans[0]["steps"],
                "audit": next((r["audit"] for r in gans if "audit" in r), None),
            }
            if gans
            else None,
        }

    def _runs(self, arm: Arm, about: dict[str, Any]) -> bool:
        """Whether a case has an arm: one with class weights may be left out where they would change nothing."""
        return arm.name in about.get("arms", [arm.name])

    def _arm(self, index: int, arm: Arm, gan_seconds: float) -> dict[str, Any]:
        first = self.experiment.metrics[0]
        values = self._values(arm.name, first, index)
        mine = [r for r in self.records if r["arm"] == arm.name and r["case"] == index and r["status"] == "done"]
        names = [c.name for c in self.experiment.classifiers]
        bases = [base for base in self.experiment.baselines if base != arm.name]
        made = [r["fit_seconds"] for r in mine if "fit_seconds" in r]
        synthetic = arm.amount > 0
        return {
            "name": arm.name,
            "mean": float(values.mean()) if len(values) else None,
            "deviation": float(values.std(ddof=1)) if len(values) > 1 else None,
            "splits": len(values),
            "metrics": {m: _mean(self._values(arm.name, m, index)) for m in self.metrics} if mine else None,
            "recall": (100 * np.mean([r["recall"] for r in mine], axis=0)).tolist() if mine else None,
            "calibration": np.sum([r["calibration"] for r in mine], axis=0).tolist() if mine else None,
            "seconds": float(np.mean([r["seconds"] for r in mine])) if mine else None,
            "seconds_synthetic": (float(np.median(made)) if made else gan_seconds) if synthetic else 0.0,
            "differences": _some({base: self._difference(arm.name, base, index) for base in bases}),
            "classifiers": {
                name: {
                    "mean": _mean(self._values(arm.name, first, index, name)),
                    "differences": _some({base: self._difference(arm.name, base, index, name) for base in bases}),
                }
                for name in names
            },
        }

    def _verdicts_per_case(self) -> list[str]:
        """One sentence per case and pair, that against the strongest arm first: beating a weak one is easy."""
        first = self.experiment.metrics[0]
        sentences = []
        corrected = self._corrected()
        for index, about in self.cases:
            where = f" on {about['name']}" if len(self.cases) > 1 else ""
            means = {arm.name: _mean(self._values(arm.name, first, index)) for arm in self.experiment.arms}
            strength = {name: -np.inf if mean is None else self.sign[first] * mean for name, mean in means.items()}
            pairs = [pair for pair in self.experiment.pairs() if all(self._runs(arm, about) for arm in pair)]
            for arm, base in sorted(pairs, key=lambda pair: strength[pair[1].name], reverse=True):
                difference = self._difference(arm.name, base.name, index)
                what = f"{arm.name} against {base.name}{where}{self._without(arm.name, base.name, index)}"
                if difference is None:
                    sentences.append(f"{what}: too few finished splits to tell.")
                    continue
                if not difference.has_interval:
                    sentences.append(
                        f"{what}: {difference.mean:+.1f} points of {first} in {difference.n} splits, too few splits "
                        "for an interval."
                    )
                    continue
                word = WORDS[difference.verdict]
                if difference.verdict in ("gain", "harm") and corrected[arm.name, base.name, index] > SIGNIFICANT:
                    word += AFTER_CORRECTION
                sentences.append(
                    f"{what}: {word}, {difference.mean:+.1f} points of {first} "
                    f"(95 % interval {difference.low:+.1f} to {difference.high:+.1f}, {difference.n} splits; "
                    f"probability of harm {_chance(difference.harm)})."
                )
        return sentences

    def on_unseen(self, cases: set[int]) -> list[str]:
        """Say which test samples stand in a training set too, and what comparisons give on the others alone.

        The records must hold the metrics on those.
        """
        first = self.experiment.metrics[0]
        bases = ((arm.name, base) for arm in self.experiment.arms for base in self.experiment.baselines)
        pairs = [(arm.name, base.name) for arm, base in self.experiment.pairs()] or [p for p in bases if p[0] != p[1]]
        sentences = []
        for index, about in self.cases if len(cases) < ENOUGH_DATASETS else ():
            if index not in cases:
                continue
            found = {pair: self._difference(*pair, index) for pair in pairs}
            told = [f"{arm} against {base} {_points(d)}" for (arm, base), d in found.items() if d is not None]
            n, of = about["duplicates"], about.get("duplicates_of", about.get("n_test"))
            sentences.append(f"{n} of {of} test samples of {about['name']} {SEEN}: {_listed(told, first)}.")
        if not sentences:
            told = []
            for arm, base in pairs:
                better = [self._better(arm, base, first, index) for index, _ in self.cases]
                if means := [values.mean() for values in better if len(values)]:
                    told.append(f"{arm} against {base} {np.mean(means):+.1f}")
            share = max(_share_seen(dict(self.cases)[index]) for index in cases)
            sentences.append(
                f"In {len(cases)} of {len(self.cases)} cases up to {100 * share:.0f} % of the test samples {SEEN}: "
                f"{_listed(told, first)}."
            )
        return sentences

    def _without(self, arm: str, base: str, case: int) -> str:
        """What counts on neither side of a comparison, since one of the two arms has not finished it."""
        lacking = [f"{name}, not finished with {arms}" for name, arms in self._lacking(arm, base, case).items()]
        found = f", without {', and '.join(lacking)}" if lacking else ""
        n, splits = len(self._better(arm, base, self.experiment.metrics[0], case)), dict(self.cases)[case]["splits"]
        return found + (f", in {n} of {splits} splits" if 0 < n < splits else "")

    def _lacking(self, arm: str, base: str, case: int) -> dict[str, str]:
        """Classifiers that one of two arms has not finished in any split, and the arms that this is said of."""
        arms = [arm.name for arm in self.experiment.arms]
        found = self._results(self.experiment.metrics[0], case)[:, :, [arms.index(arm), arms.index(base)]]
        run = all(self._runs(self.experiment.arm(name), dict(self.cases)[case]) for name in (arm, base))
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

    def _corrected(self) -> dict[tuple[str, str, int], float]:
        """Holm's p-value of each pair and case, for their number."""
        found = {
            (arm.name, base.name, index): difference.p
            for index, _ in self.cases
            for arm, base in self.experiment.pairs()
            if (difference := self._difference(arm.name, base.name, index)) is not None
        }
        return dict(zip(found, map(float, holm(list(found.values()))), strict=True))

    def _tests(self) -> list[dict[str, Any]]:
        """Each pair and metric over datasets: intervals, signed-rank tests with Holm's correction, probabilities."""
        rope = self.experiment.rope
        found: list[dict[str, Any]] = []
        for arm, base in self.experiment.pairs():
            for metric in self.experiment.metrics:
                of_splits: dict[str, list[float]] = {}
                clear: Counter[str] = Counter()
                pairs = []
                for index, about in self.cases:
                    better = self._better(arm.name, base.name, metric, index)
                    of_splits.setdefault(about["dataset"], []).extend(better)
                    for classifier in self.experiment.classifiers:
                        pairs.append(_mean(self._better(arm.name, base.name, metric, index, classifier.name)))
                    if (difference := self._difference(arm.name, base.name, index, metric=metric)) is not None:
                        clear[difference.verdict] += 1
                finished = [values for values in of_splits.values() if values]
                if len(finished) < ENOUGH_DATASETS:
                    continue
                means = np.array([np.mean(values) for values in finished])
                low, high = bootstrap_interval(finished)
                chances = bayesian_signed_rank(means, rope=rope)
                found.append(
                    {
                        "arm": arm.name,
                        "base": base.name,
                        "metric": metric,
                        "datasets": len(means),
                        "mean": float(means.mean()),
                        "low": low,
                        "high": high,
                        "won": int((means > 0).sum()),
                        "lost": int((means < 0).sum()),
                        "clear_gain": clear["gain"],
                        "clear_harm": clear["harm"],
                        "p": wilcoxon(means),
                        "worse": chances.worse,
                        "equal": chances.equal,
                        "better": chances.better,
                        "harm": harm_rate([p for p in pairs if p is not None], rope=rope),
                    }
                )
        for test, p in zip(found, holm([test["p"] for test in found]) if found else (), strict=True):
            test["p_holm"] = float(p)
        return found

    def _verdicts_over_datasets(self, tests: list[dict[str, Any]]) -> list[str]:
        first = self.experiment.metrics[0]
        of_first = [test for test in tests if test["metric"] == first]
        strength = {row["name"]: self.sign[first] * row["metrics"][first] for row in self._overall() if row["metrics"]}
        sentences = []
        for test in sorted(of_first, key=lambda test: strength.get(test["base"], -np.inf), reverse=True):
            word = self._word(test)
            sentences.append(
                f"{test['arm']} against {test['base']} over {self._datasets(test)}: {word}, {test['mean']:+.1f} "
                f"points of {first} (95 % interval {test['low']:+.1f} to {test['high']:+.1f}, Holm's p "
                f"{test['p_holm']:.2g}); on another dataset worse with probability {_chance(test['worse'])}, better "
                f"with {_chance(test['better'])}; worse by more than {self.experiment.rope:g} in "
                f"{100 * test['harm']:.0f} % of the pairs of dataset and classifier."
            )
        return sentences or ["Too few finished datasets to tell."]

    def _datasets(self, test: dict[str, Any]) -> str:
        """How many datasets a comparison is over, of how many, and without which classifiers in some of them."""
        n, of = test["datasets"], len({about["dataset"] for _, about in self.cases})
        lacking = [lacking for index, _ in self.cases if (lacking := self._lacking(test["arm"], test["base"], index))]
        pairs = dict.fromkeys(f"{name} with {arm}" for found in lacking for name, arm in found.items())
        without = f" ({len(lacking)} of them without what has not finished: {', '.join(pairs)})" if lacking else ""
        return f"{n} of {of} datasets{without}" if n < of else f"{n} datasets{without}"

    def _word(self, test: dict[str, Any]) -> str:
        """The interval is of the mean, the signed-rank test of what most datasets show: both count."""
        side = WORDS["gain" if test["mean"] > 0 else "harm"]
        in_mean, in_most = test["low"] > 0 or test["high"] < 0, test["p_holm"] <= SIGNIFICANT
        if in_mean and in_most:
            return side
        if in_mean:
            return side + AFTER_CORRECTION
        if in_most:
            return f"{side} on most datasets, but not clearly in the mean"
        rope = self.experiment.rope
        return WORDS["equal" if -rope < test["low"] and test["high"] < rope else "unclear"]

    def _overall(self) -> list[dict[str, Any]]:
        """Means and mean ranks of each arm over pairs of case and classifier, in splits that all arms have finished.

        All arms, that is, that have finished any cell. Where an arm is left out, since its class weights would change
        nothing, the figures of its like without them count.
        """
        left_out = {
            arm.name: cases
            for arm in self.experiment.arms
            if (cases := [index for index, about in self.cases if not self._runs(arm, about)])
        }
        arms = [arm for arm in self.experiment.arms if len(left_out.get(arm.name, ())) < len(self.cases)]
        if not len(self.by_split):
            return [{"name": arm.name, "metrics": None, "ranks": None} for arm in arms]
        blocks = self.by_split.unstack("arm")
        for name, cases in left_out.items():
            here = blocks.index.get_level_values("case").isin(cases)
            like = self.experiment.arm(name).like_without_weights(self.experiment.arms).name
            for metric in self.metrics if {name, like} <= {*blocks[self.metrics[0]]} else ():
                blocks.loc[here, (metric, name)] = blocks.loc[here, (metric, like)]
        tables = {
            metric: blocks[metric].dropna(axis=1, how="all").dropna().groupby(["case", "classifier"]).mean()
            for metric in self.metrics
        }
        complete = set(tables[self.experiment.metrics[0]])
        rows = []
        for arm in arms:
            there = arm.name in complete and len(tables[self.experiment.metrics[0]])
            ranks = {m: (self.sign[m] * tables[m]).rank(axis=1, ascending=False) for m in self.metrics} if there else {}
            rows.append(
                {
                    "name": arm.name,
                    "metrics": {m: _mean(tables[m][arm.name]) for m in self.metrics} if there else None,
                    "ranks": {m: _mean(ranks[m][arm.name]) for m in self.metrics} if there else None,
                }
            )
        return rows

    def _curves(self) -> list[dict[str, Any]]:
        """The first metric and gains in it against the number of real samples, and what synthetic ones are worth."""
        first = self.experiment.metrics[0]
        groups: dict[tuple[str, float], list[tuple[int, dict[str, Any]]]] = {}
        for index, about in self.cases:
            if about["n_per_class"] is not None:
                groups.setdefault((about["dataset"], about["imbalance"]), []).append((index, about))
        curves = []
        for (dataset, imbalance), cases in groups.items():
            ordered = sorted(cases, key=lambda case: case[1]["n_per_class"])
            if len(ordered) < 2:
                continue
            points = {
                arm.name: [
                    [about["n_per_class"], mean]
                    for index, about in ordered
                    if (mean := _mean(self._values(arm.name, first, index))) is not None
                ]
                for arm in self.experiment.arms
            }
            worth = []
            for arm, base in self.experiment.pairs():
                curve = points[base.name]
                for index, about in ordered:
                    n = about["n_per_class"]
                    difference = self._difference(arm.name, base.name, index)
                    # Where a classifier has failed with the base alone, there is a difference of the others, but no
                    # mean over all.
                    if difference is None or not difference.has_interval:
                        continue
                    if len(curve) > 1 and n in [size for size, _ in curve]:
                        found = _worth(curve, n, difference, self.sign[first])
                        worth.append({"arm": arm.name, "base": base.name, "n": n, **found})
            gains = [{"base": base, "points": self._gains(base, ordered)} for base in self.experiment.baselines]
            curves.append(
                {"dataset": dataset, "imbalance": imbalance, "points": points, "gains": gains, "worth": worth}
            )
        return curves

    def _gains(self, base: str, cases: list[tuple[int, dict[str, Any]]]) -> dict[str, list[list[float]]]:
        """By how much each other arm is better at each size, with the ends of its interval."""
        found = {
            arm.name: [
                [about["n_per_class"], *_with_ends(gain)]
                for index, about in cases
                if (gain := self._difference(arm.name, base, index)) is not None
            ]
            for arm in self.experiment.arms
            if arm.name != base
        }
        return {name: points for name, points in found.items() if points}

    def _amounts(self) -> list[dict[str, Any]]:
        """Gain against how much is synthetic, for arms that differ in nothing else."""
        groups: dict[str, list[Arm]] = {}
        for arm in self.experiment.arms:
            if arm.amount > 0:
                groups.setdefault(repr(arm.likeness()), []).append(arm)
        found = []
        for arms in groups.values():
            if len({arm.amount for arm in arms}) < 2:
                continue
            bases = dict.fromkeys(base.name for arm, base in self.experiment.pairs() if arm in arms)
            for base in bases:
                for index, about in self.cases:
                    differences = [(arm.amount, self._difference(arm.name, base, index)) for arm in arms]
                    points = [[amount, *_with_ends(d)] for amount, d in differences if d is not None]
                    found.append({"case": about["name"], "arm": arms[0].name, "base": base, "points": sorted(points)})
        return found

    def _notes(self) -> list[dict[str, Any]]:
        """What could not be done as asked, and how often; and what comparisons with baselines are without."""
        counted = Counter((r["arm"], r["note"]) for r in self.records if "note" in r)
        failed = Counter((r["case"], r["arm"], r["classifier"]) for r in self.records if r["status"] != "done")
        for (index, _), arm, base in itertools.product(self.cases, self.experiment.arms, self.experiment.baselines):
            for classifier, missing in self._lacking(arm.name, base, index).items() if arm.name != base else ():
                cells = sum(failed[index, name, classifier] for name in (arm.name, base))
                note = f"compared with {base} without {classifier}, not finished with {missing}"
                if cells:
                    counted[arm.name, note] += cells
        return [{"arm": arm, "note": note, "cells": n} for (arm, note), n in sorted(counted.items())]


def _worth(curve: list[list[float]], n: int, difference: Difference, sign: float) -> dict[str, Any]:
    """Extra real samples a class that would have given the same gain, on the curve of the other arm.

    Between the sizes that were measured, the curve is taken for straight in the logarithm of the size. Where it is
    flat, the size nearest to `n` counts. What the curve cannot tell is "more" or "fewer" than its ends.
    """
    sizes = np.log([size for size, _ in curve])
    level = np.maximum.accumulate([sign * value for _, value in curve])
    here = float(np.interp(np.log(n), sizes, level))

    def extra(gain: float) -> float | str:
        wanted = here + gain
        if gain == 0:
            return 0.0
        if wanted > level[-1] or wanted < level[0]:
            return "more" if gain > 0 else "fewer"
        # The first size that reaches it, or the last that does not exceed it.
        after = int(np.searchsorted(level, wanted, side="left" if gain > 0 else "right"))
        share = (wanted - level[after - 1]) / (level[after] - level[after - 1])
        return float(np.exp(sizes[after - 1] + share * (sizes[after] - sizes[after - 1])) - n)

    return {"extra": extra(difference.mean), "low": extra(difference.low), "high": extra(difference.high)}


def _with_ends(difference: Difference) -> list[float]:
    """A mean and the ends of its interval, where there is one."""
    ends = [difference.low, difference.high] if difference.has_interval else []
    return [difference.mean, *ends]


def _listed(told: list[str], metric: str) -> str:
    return f"{'; '.join(told)} points of {metric}" if told else "too few samples or splits are left to tell"


def _points(difference: Difference) -> str:
    """A difference with its interval, or that there are too few splits for one."""
    interval = f"95 % interval {difference.low:+.1f} to {difference.high:+.1f}"
    return f"{difference.mean:+.1f} ({interval if difference.has_interval else 'too few splits for an interval'})"


def _mean(values: NDArray[np.float64] | pd.Series) -> float | None:
    return float(values.mean()) if len(values) else None


def _some(differences: dict[str, Difference | None]) -> dict[str, dict[str, Any]]:
    return {base: difference.to_dict() for base, difference in differences.items() if difference is not None}


def _chance(p: float) -> str:
    """A probability for a sentence; a posterior from a few splits is never certain."""
    if p < 0.005:
        return "below .01"
    if p > 0.995:
        return "above .99"
    return f"{p:.2f}".removeprefix("0")
