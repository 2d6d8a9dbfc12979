"""From finished cells to a table and a verdict."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganaug.bench.metrics import METRICS
from ganaug.bench.stats import Difference, paired_difference
from ganaug.bench.suite import Arm, Suite

__all__ = ["summarise"]

WORDS = {
    "gain": "a gain",
    "harm": "harm",
    "equal": "no gain (equal for practical purposes)",
    "unclear": "no gain shown (the interval includes zero)",
}


def summarise(suite: Suite, records: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarise the records of a run.

    Parameters
    ----------
    suite : Suite
    records : list of dict
        One per cell and fitted GAN, failed ones included.

    Returns
    -------
    dict
        "verdicts" (sentences), "arms" (one entry per arm: accuracy in percent as mean and standard deviation over
        splits, paired differences in percentage points, means of all metrics, seconds), "gan" (consistency per class,
        in percent), "failed".
    """
    gans = [r for r in records if r["kind"] == "gan" and r["status"] == "done"]
    gan_seconds = float(np.mean([r["fit_seconds"] for r in gans])) if gans else 0.0
    by_split = {arm.name: _accuracy_by_split(arm.name, records) for arm in suite.arms}

    arms = []
    for arm in suite.arms:
        values = list(by_split[arm.name].values())
        seconds = [r["seconds"] for r in records if r["arm"] == arm.name and r["status"] == "done"]
        recalls = [r["recall"] for r in records if r["arm"] == arm.name and r["status"] == "done"]
        arms.append(
            {
                "name": arm.name,
                "accuracy": float(np.mean(values)) if values else None,
                "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
                "splits": len(values),
                "metrics": _mean_metrics(arm.name, records),
                "recall": (100 * np.mean(recalls, axis=0)).tolist() if recalls else None,
                "seconds_classifier": float(np.mean(seconds)) if seconds else None,
                "seconds_gan": gan_seconds if arm.synthetic > 0 else 0.0,
                "differences": {
                    base: difference.to_dict()
                    for base in suite.baselines
                    if base != arm.name
                    and (difference := _difference(by_split, arm.name, base, suite.rope)) is not None
                },
            }
        )
    return {
        "verdicts": _verdicts(suite, by_split),
        "arms": arms,
        "gan": {
            "consistency": (100 * np.mean([r["consistency"] for r in gans], axis=0)).tolist(),
            "seconds": gan_seconds,
            "steps": gans[0]["steps"],
        }
        if gans
        else None,
        "failed": [
            {"arm": r["arm"] or "GAN", "split": r["split"], "repeat": r["repeat"], "reason": r["reason"]}
            for r in records
            if r["status"] == "failed"
        ],
    }


def _mean_metrics(arm: str, records: list[dict[str, Any]]) -> dict[str, float] | None:
    """Mean of each metric over splits and starts."""
    found = [r["metrics"] for r in records if r["arm"] == arm and r["status"] == "done"]
    return {name: float(np.mean([metrics[name] for metrics in found])) for name in METRICS} if found else None


def _accuracy_by_split(arm: str, records: list[dict[str, Any]]) -> dict[int, float]:
    """Mean accuracy over the classifier starts of each split, in percent."""
    splits: dict[int, list[float]] = {}
    for record in records:
        if record["arm"] == arm and record["status"] == "done":
            splits.setdefault(record["split"], []).append(100 * record["metrics"]["accuracy"])
    return {split: float(np.mean(values)) for split, values in splits.items()}


def _difference(by_split: dict[str, dict[int, float]], arm: str, base: str, rope: float) -> Difference | None:
    common = sorted(by_split[arm].keys() & by_split[base].keys())
    if len(common) < 2:
        return None
    return paired_difference([by_split[arm][s] - by_split[base][s] for s in common], rope=rope)


def _verdicts(suite: Suite, by_split: dict[str, dict[int, float]]) -> list[str]:
    """One sentence per arm with synthetic images, on what these add to the same arm without them.

    The arm whose counterpart is the strongest baseline comes first: beating a weak one says little.
    """

    def strength(pair: tuple[Arm, Arm]) -> float:
        return float(np.mean(list(by_split[pair[1].name].values()) or [0.0]))

    pairs = [(arm, base) for arm in suite.arms if (base := suite.counterpart(arm)) is not None]
    sentences = []
    for arm, base in sorted(pairs, key=strength, reverse=True):
        difference = _difference(by_split, arm.name, base.name, suite.rope)
        if difference is None:
            sentences.append(f"{arm.name} against {base.name}: too few finished splits to tell.")
            continue
        sentences.append(
            f"{arm.name} against {base.name}: {WORDS[difference.verdict]}, {difference.mean:+.1f} points of accuracy "
            f"(95 % interval {difference.low:+.1f} to {difference.high:+.1f}, {difference.n} splits)."
        )
    return sentences
