"""Verdicts and cautions: what a run has found, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ganaug.bench.results.comparisons import Scores
from ganaug.bench.results.records import ArmMeans, DatasetsTest
from ganaug.bench.results.stats import ENOUGH_DATASETS, holm
from ganaug.metrics.paired import Difference

__all__ = ["cautions_on_cells", "cautions_on_unseen", "share_seen", "verdicts_over_datasets", "verdicts_per_case"]

SIGNIFICANT = 0.05
LEAST_GAP = 1.0  # points between seen and unseen cells: below, there is nothing that filling them could gain
AFTER_CORRECTION = ", though not after correction for the number of tests"
SEEN = "stand in a training set too, where memorising is enough to be right. On the others alone"
WORDS = {
    "gain": "a gain",
    "harm": "harm",
    "equal": "no gain (equal for practical purposes)",
    "unclear": "no gain shown (the interval includes zero)",
}


def verdicts_per_case(scores: Scores) -> list[str]:
    """One sentence per case and pair, that against the strongest baseline first: beating a weak one is easy."""
    first = scores.experiment.metrics[0]
    sentences, called = [], _called(scores, first)
    corrected = _corrected(scores)
    for index, about in scores.cases:
        where = f" on {about['name']}" if len(scores.cases) > 1 else ""
        means = {arm.name: scores.mean(arm.name, first, index) for arm in scores.experiment.arms}
        strength = {name: -np.inf if mean is None else scores.sign[first] * mean for name, mean in means.items()}
        order = _by_strength(scores, strength)
        for arm, base in sorted(_pairs(scores, index), key=lambda pair: order(pair[1].name), reverse=True):
            difference = scores.difference(arm.name, base.name, index)
            what = f"{arm.name} against {base.name}{where}{_without(scores, arm.name, base.name, index)}"
            if difference is None:
                sentences.append(f"{what}: too few finished splits to tell.")
                continue
            beside = _of_both_classes(scores, arm.name, base.name, index)
            if not difference.has_interval:
                sentences.append(
                    f"{what}: {difference.mean:+.1f} points of {called} in {difference.n} splits, too few splits "
                    f"for an interval.{beside}"
                )
                continue
            word = WORDS[difference.verdict]
            if difference.verdict in ("gain", "harm") and corrected[arm.name, base.name, index] > SIGNIFICANT:
                word += AFTER_CORRECTION
            sentences.append(
                f"{what}: {word}, {difference.mean:+.1f} points of {called} "
                f"(95 % interval {difference.low:+.1f} to {difference.high:+.1f}, {difference.n} splits; "
                f"probability of harm {_chance(difference.harm)}).{beside}"
            )
    return sentences


def _by_strength(scores: Scores, strength: dict[str, float]) -> Callable[[str], tuple[bool, float]]:
    """What arms are sorted by: whether one would do without the generators in question, and how good they are."""
    without = {arm.name for arm in scores.experiment.arms if not arm.amount} | {*scores.experiment.baselines}
    return lambda name: (name in without, strength.get(name, -np.inf))


def _pairs(scores: Scores, case: int) -> list[tuple[Any, Any]]:
    """Arms of a case with those that they are compared with.

    Arms that fill withheld cells are also compared with the best of those without synthetic samples, whichever it is.
    """
    about = dict(scores.cases)[case]
    pairs = [pair for pair in scores.experiment.pairs() if all(scores.runs(arm, about) for arm in pair)]
    first = scores.experiment.metrics[0]
    run = [arm for arm in scores.experiment.arms if scores.runs(arm, about)]
    free = [(arm, mean) for arm in run if not arm.amount and (mean := scores.mean(arm.name, first, case)) is not None]
    if scores.experiment.split != "cells" or not free:
        return pairs
    best = max(free, key=lambda found: scores.sign[first] * found[1])[0]
    known = {(arm.name, base.name) for arm, base in pairs}
    return pairs + [(arm, best) for arm in run if arm.cells is not None and (arm.name, best.name) not in known]


def _of_both_classes(scores: Scores, arm: str, base: str, case: int) -> str:
    """What stands beside a verdict on unseen cells of two classes, which favouring the withheld class is enough for."""
    about, beside = dict(scores.cases)[case], "balanced over cells"
    if scores.experiment.metrics[0] != "unseen cells" or len(about["classes"]) > 2 or beside not in scores.metrics:
        return ""
    found = scores.difference(arm, base, case, metric=beside)
    if found is None:
        return ""
    return f" With two classes this is the recall of the withheld one alone; {_points(found)} points of {beside}."


def _without(scores: Scores, arm: str, base: str, case: int) -> str:
    """What counts on neither side of a comparison, since one of the two arms has not finished it."""
    lacking = [f"{name}, not finished with {arms}" for name, arms in scores.lacking(arm, base, case).items()]
    found = f", without {', and '.join(lacking)}" if lacking else ""
    n, splits = len(scores.better(arm, base, scores.experiment.metrics[0], case)), dict(scores.cases)[case]["splits"]
    return found + (f", in {n} of {splits} splits" if 0 < n < splits else "")


def _corrected(scores: Scores) -> dict[tuple[str, str, int], float]:
    """Holm's p-value of each pair and case, for their number."""
    found = {
        (arm.name, base.name, index): difference.p
        for index, _ in scores.cases
        for arm, base in _pairs(scores, index)
        if (difference := scores.difference(arm.name, base.name, index)) is not None
    }
    return dict(zip(found, map(float, holm(list(found.values()))), strict=True))


def verdicts_over_datasets(scores: Scores, tests: Sequence[DatasetsTest], overall: Sequence[ArmMeans]) -> list[str]:
    """One sentence per pair, that against the strongest baseline first."""
    first = scores.experiment.metrics[0]
    of_first = [test for test in tests if test.metric == first]
    means = {row.name: row.metrics[first] for row in overall if row.metrics is not None}
    strength = {name: scores.sign[first] * mean for name, mean in means.items() if mean is not None}
    sentences = []
    order = _by_strength(scores, strength)
    for test in sorted(of_first, key=lambda test: order(test.base), reverse=True):
        word = _word(scores, test)
        sentences.append(
            f"{test.arm} against {test.base} over {_datasets(scores, test)}: {word}, {test.mean:+.1f} "
            f"points of {_called(scores, first)} (95 % interval {test.low:+.1f} to {test.high:+.1f}, Holm's p "
            f"{test.p_holm:.2g}); on another dataset worse with probability {_chance(test.worse)}, better "
            f"with {_chance(test.better)}; worse by more than {scores.experiment.rope:g} in "
            f"{100 * test.harm:.0f} % of the pairs of dataset and classifier."
        )
    return sentences or ["Too few finished datasets to tell."]


def _datasets(scores: Scores, test: DatasetsTest) -> str:
    """How many datasets a comparison is over, of how many, and without which classifiers in some of them."""
    n, of = test.datasets, len({about["dataset"] for _, about in scores.cases})
    lacking = [lacking for index, _ in scores.cases if (lacking := scores.lacking(test.arm, test.base, index))]
    pairs = dict.fromkeys(f"{name} with {arm}" for found in lacking for name, arm in found.items())
    without = f" ({len(lacking)} of them without what has not finished: {', '.join(pairs)})" if lacking else ""
    cut = f" of {test.origins} origins" if test.origins < n else ""
    return f"{f'{n} of {of}' if n < of else n} datasets{cut}{without}"


def _word(scores: Scores, test: DatasetsTest) -> str:
    """The interval is of the mean, the signed-rank test of what most datasets show: both count."""
    side = WORDS["gain" if test.mean > 0 else "harm"]
    most = WORDS["gain" if (test.better, test.won) > (test.worse, test.lost) else "harm"]
    in_mean, in_most = test.low > 0 or test.high < 0, test.p_holm <= SIGNIFICANT
    if in_mean and in_most:
        return side if side == most else f"{side} in the mean, but {most} on most datasets"
    if in_mean:
        return side + AFTER_CORRECTION
    if in_most:
        return f"{most} on most datasets, but not clearly in the mean"
    rope = scores.experiment.rope
    return WORDS["equal" if -rope < test.low and test.high < rope else "unclear"]


def cautions_on_unseen(scores: Scores, cases: set[int]) -> list[str]:
    """Say which test samples stand in a training set too, and what comparisons give on the others alone.

    The records must hold the metrics on those.
    """
    first = scores.experiment.metrics[0]
    called = _called(scores, first)
    pairs = [(arm.name, base.name) for arm, base in scores.experiment.pairs()]
    sentences = []
    for index, about in scores.cases if len(cases) < ENOUGH_DATASETS else ():
        if index not in cases:
            continue
        found = {pair: scores.difference(*pair, index) for pair in pairs}
        parts = [f"{arm} against {base} {_points(d)}" for (arm, base), d in found.items() if d is not None]
        n, of = about["duplicates"], about.get("duplicates_of", about.get("n_test"))
        sentences.append(f"{n} of {of} test samples of {about['name']} {SEEN}: {_listed(parts, called)}.")
    if not sentences:
        parts = []
        for arm, base in pairs:
            better = [scores.better(arm, base, first, index) for index, _ in scores.cases]
            if means := [values.mean() for values in better if len(values)]:
                parts.append(f"{arm} against {base} {np.mean(means):+.1f}")
        share = max(share_seen(dict(scores.cases)[index]) for index in cases)
        sentences.append(
            f"In {len(cases)} of {len(scores.cases)} cases up to {100 * share:.0f} % of the test samples {SEEN}: "
            f"{_listed(parts, called)}."
        )
    return sentences


def cautions_on_cells(scores: Scores) -> list[str]:
    """Say where unseen cells score as seen ones do without synthetic samples, and no arm with them scores higher.

    The arm without synthetic samples is the one that is best over all cells: the one that is best on unseen cells is
    often one that favours the classes that happen to be withheld, at the cost of the others.
    """
    sentences = []
    for index, about in scores.cases if {"unseen cells", "seen cells"} <= {*scores.metrics} else ():
        without, added = {}, []
        for arm in scores.experiment.arms:
            found = [scores.mean(arm.name, m, index) for m in ("balanced over cells", "unseen cells", "seen cells")]
            known = [value for value in found if value is not None]
            if len(known) < len(found):
                continue
            if arm.amount == 0:
                without[arm.name] = known
            else:
                added.append(known[1])
        if not without:
            continue
        best = max(without, key=lambda name: without[name][0])
        _, unseen, seen = without[best]
        if seen - unseen < LEAST_GAP and all(value - unseen < LEAST_GAP for value in added):
            sentences.append(
                f"On {about['name']} unseen cells score as seen ones do, {unseen:.1f} against {seen:.1f} with {best}, "
                "so that filling them cannot pay."
            )
    return sentences


def share_seen(about: dict[str, Any]) -> float:
    """Share of the test samples that stand in a training set too, in the split that has most of them."""
    return about.get("duplicates", 0) / max(1, about.get("duplicates_of", about.get("n_test", 1)))


def _listed(parts: list[str], metric: str) -> str:
    return f"{'; '.join(parts)} points of {metric}" if parts else "too few samples or splits are left to tell"


def _points(difference: Difference) -> str:
    """A difference with its interval, or that there are too few splits for one."""
    interval = f"95 % interval {difference.low:+.1f} to {difference.high:+.1f}"
    return f"{difference.mean:+.1f} ({interval if difference.has_interval else 'too few splits for an interval'})"


def _called(scores: Scores, metric: str) -> str:
    """A metric whose differences are told: of those that are better the less there is, they say how much less."""
    return metric if scores.sign[metric] > 0 else f"{metric} saved"


def _chance(p: float) -> str:
    """A probability for a sentence; a posterior from a few splits is never certain."""
    if p < 0.005:
        return "below .01"
    if p > 0.995:
        return "above .99"
    return f"{p:.2f}".removeprefix("0")
