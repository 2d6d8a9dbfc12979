"""The first metric, and gains in it, against the number of real samples and against how much is synthetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganaug.bench.results.comparisons import Scores
from ganaug.bench.results.records import AmountCurve, EquivalentSamples, GainCurve, LearningCurve, Points
from ganaug.bench.suite.schema import Arm
from ganaug.metrics.paired import Difference

__all__ = ["amount_curves", "equivalent_real_samples", "learning_curves"]

Cases = list[tuple[int, dict[str, Any]]]


def learning_curves(scores: Scores) -> tuple[LearningCurve, ...]:
    """Scores and gains by the number of real samples, of each dataset and imbalance with two sizes at least."""
    groups: dict[tuple[str, float], Cases] = {}
    for index, about in scores.cases:
        if _size(about) is not None:
            groups.setdefault((about["dataset"], about["imbalance"]), []).append((index, about))
    return tuple(
        _learning_curve(scores, *of, sorted(cases, key=lambda case: _size(case[1])))
        for of, cases in groups.items()
        if len(cases) > 1
    )


def _size(about: dict[str, Any]) -> Any:
    """Real samples of the largest class, or of all classes together; None for all data."""
    return about.get("n_samples") or about["n_per_class"]


def _learning_curve(scores: Scores, dataset: str, imbalance: float, cases: Cases) -> LearningCurve:
    first = scores.experiment.metrics[0]
    points: dict[str, Points] = {
        arm.name: [
            [_size(about), mean] for index, about in cases if (mean := scores.mean(arm.name, first, index)) is not None
        ]
        for arm in scores.experiment.arms
    }
    gains = tuple(GainCurve(base, _gains(scores, base, cases)) for base in scores.experiment.baselines)
    return LearningCurve(dataset, imbalance, points, gains, _equivalents(scores, points, cases))


def _gains(scores: Scores, base: str, cases: Cases) -> dict[str, Points]:
    """By how much each other arm is better at each size, with the ends of its interval."""
    found = {
        arm.name: [
            [_size(about), *_with_ends(gain)]
            for index, about in cases
            if (gain := scores.difference(arm.name, base, index)) is not None
        ]
        for arm in scores.experiment.arms
        if arm.name != base
    }
    return {name: points for name, points in found.items() if points}


def _equivalents(scores: Scores, points: dict[str, Points], cases: Cases) -> tuple[EquivalentSamples, ...]:
    sign = scores.sign[scores.experiment.metrics[0]]
    found = []
    for arm, base in scores.experiment.pairs():
        curve = points[base.name]
        for index, about in cases:
            n = _size(about)
            difference = scores.difference(arm.name, base.name, index)
            # Where a classifier has failed with the base alone, there is a difference of the others, but no mean over
            # all.
            if difference is None or not difference.has_interval:
                continue
            if len(curve) > 1 and n in [size for size, _ in curve]:
                extra = equivalent_real_samples(curve, n, difference, sign)
                found.append(EquivalentSamples(arm.name, base.name, n, *extra))
    return tuple(found)


def equivalent_real_samples(
    curve: Points, n: int, difference: Difference, sign: float
) -> tuple[float | str, float | str, float | str]:
    """Extra real samples that would have given the same gain, on the curve of the other arm.

    Between the sizes that were measured, the curve is taken for straight in the logarithm of the size. Where it is
    flat, the size nearest to `n` counts. What the curve cannot tell is "more" or "fewer" than its ends.

    Parameters
    ----------
    curve : list of [int, float]
        Real samples, a class or in all, and the score of the other arm, in the order of sizes; two at least.
    n : int
        Real samples that the gain was found with.
    difference : Difference
    sign : {1, -1}
        -1 where a lower score is better.

    Returns
    -------
    extra, low, high : float or {"more", "fewer"}
        For the mean and for the ends of its interval.
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

    return extra(difference.mean), extra(difference.low), extra(difference.high)


def amount_curves(scores: Scores) -> tuple[AmountCurve, ...]:
    """Gain against how much is synthetic, for arms that differ in nothing else."""
    groups: dict[str, list[Arm]] = {}
    for arm in scores.experiment.arms:
        if arm.amount > 0:
            groups.setdefault(repr(arm.likeness()), []).append(arm)
    found = []
    for arms in groups.values():
        if len({arm.amount for arm in arms}) < 2:
            continue
        bases = dict.fromkeys(base.name for arm, base in scores.experiment.pairs() if arm in arms)
        for base in bases:
            for index, about in scores.cases:
                differences = [(arm.amount, scores.difference(arm.name, base, index)) for arm in arms]
                points = [[amount, *_with_ends(d)] for amount, d in differences if d is not None]
                found.append(AmountCurve(about["name"], arms[0].name, base, sorted(points)))
    return tuple(found)


def _with_ends(difference: Difference) -> list[float]:
    """A mean and the ends of its interval, where there is one."""
    ends = [difference.low, difference.high] if difference.has_interval else []
    return [difference.mean, *ends]
