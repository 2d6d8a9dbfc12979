"""Fitting a suite into a time: fewer folds, starts and training steps, and what that leaves out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ganaug.bench.cases.images import JUDGE_STEPS
from ganaug.bench.inputs.datasets import TableData, load_images, load_table
from ganaug.bench.inputs.splits import folds
from ganaug.bench.methods.arms import arm_batches
from ganaug.bench.methods.classifiers import Columns, fit_predict
from ganaug.bench.methods.making import make_generator
from ganaug.bench.methods.samplers import resample, table_generator
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import DEFAULT_GENERATOR, ImageArm, ImageExperiment, Suite, TableArm, TableExperiment
from ganaug.classifiers.image_classifier import train_classifier
from ganaug.engine.devices import random_generator, resolve_device
from ganaug.resampling import SafeOverSampler
from ganaug.resampling.safe import REPEATS

__all__ = ["read_duration", "reduced_before", "within_budget"]

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
SHARES = (1.0, 0.5, 0.25, 0.1)  # of the training steps
FOLDS = 3  # fewer are too few for an interval
FEWEST_STEPS = 50
PROBES = (4, 12)  # training steps whose times are compared
RESERVE = 1.5  # what a probe does not see: data that are read, processes that start, a report
GAN_OVERHEAD = 5.0  # seconds that a GAN of images takes besides training: sampling, saving, an audit
TUNING = 6.0  # fits of a classifier whose threshold is tuned
# Samplers that train a TableGAN, and their parameters for a number of steps.
TABLE_GANS: dict[str, Callable[[int], dict[str, Any]]] = {
    "gan": lambda steps: {"generator": {"steps": steps}},
    "safe": lambda steps: {"sampler": {"generator": {"steps": steps}}},
    "table-gan": lambda steps: {"steps": steps},
}


def read_duration(text: str) -> float:
    """Seconds of a text such as "90s", "2m" or "1.5h".

    Raises
    ------
    ValueError

    Examples
    --------
    >>> read_duration("2m"), read_duration("0.5h"), read_duration("45")
    (120.0, 1800.0, 45.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if found is None or float(found[1]) <= 0:
        raise ValueError(f"a budget must be a time such as 90s, 2m or 1h, got {text!r}")
    return float(found[1]) * UNITS[found[2]]


@dataclass(frozen=True)
class _Plan:
    """How much is done."""

    folds: int
    repeats: int
    share: float


def within_budget(suite: Suite, seconds: float, jobs: int = 1) -> tuple[Suite, float]:
    """Reduce a suite of one data set in folds until it is expected to take no more than a time.

    Short trainings are timed on the data first. Starts go first, then folds down to three, then training steps, and
    folds down to two at last.

    Parameters
    ----------
    suite : Suite
        Of one experiment on one data set, in folds, as :func:`ganaug.bench.cases.custom.custom_suite` makes it.
    seconds : float
        The budget.
    jobs : int
        Processes that share the work.

    Returns
    -------
    suite : Suite
        With ``budget`` and ``reduced`` set, so that reports tell.
    expected : float
        Seconds that it is expected to take, which is more than the budget where nothing is left to reduce.
    """
    (experiment,) = suite.experiments
    cost = _image_cost(experiment) if isinstance(experiment, ImageExperiment) else _table_cost(experiment, suite.seed)
    expected, plan = 0.0, _Plan(experiment.folds, experiment.repeats, 1.0)
    for plan in _plans(experiment):
        expected = RESERVE * plan.folds * cost(plan) / jobs
        if expected <= seconds:
            break
    return _planned(suite, plan, seconds), expected


def reduced_before(suite: Suite, seconds: float, root: Path) -> Suite | None:
    """The suite of a run that was begun in a folder with the same budget, so that it can be resumed; None without one.

    It must be what the suite is reduced to by one of the plans: another question is not answered by an old run.

    Parameters
    ----------
    suite : Suite
        As it is without a budget.
    seconds : float
        The budget.
    root : Path
        Folder of the run.
    """
    if not (root / "suite.json").is_file():
        return None
    declared = Store(root).declaration()
    try:
        before = Suite.from_dict(declared["suite"])
    except ValueError:  # of another version: that it cannot be resumed is said later
        return None
    if before.budget != seconds:
        return None
    (experiment,) = suite.experiments
    known = before.to_dict()
    return before if any(_planned(suite, plan, seconds).to_dict() == known for plan in _plans(experiment)) else None


def _planned(suite: Suite, plan: _Plan, seconds: float) -> Suite:
    """The suite of a plan, which says its budget and what is less in it."""
    (experiment,) = suite.experiments
    smaller, reduced = _reduced(experiment, plan)
    changed = {experiment.kind: smaller, "budget": seconds, "reduced": tuple(reduced)}
    return replace(suite, **changed)


def _plans(experiment: Any) -> Iterator[_Plan]:
    given = experiment.split == "given"  # all of them are done
    first, fewest = experiment.folds, experiment.folds if given else min(FOLDS, experiment.folds)
    yield _Plan(first, experiment.repeats, 1.0)
    yield _Plan(first, 1, 1.0)
    for share in SHARES:
        yield _Plan(fewest, 1, share)
    if not given:
        yield _Plan(2, 1, SHARES[-1])


def _steps(steps: int, share: float) -> int:
    return min(steps, max(FEWEST_STEPS, round(steps * share)))


def _reduced(experiment: Any, plan: _Plan) -> tuple[Any, list[str]]:
    """The experiment of a plan, and what is less in it."""
    changed: dict[str, Any] = {"folds": plan.folds, "repeats": plan.repeats}
    if experiment.split == "cells":
        changed["splits"] = plan.folds
    reduced = [
        f"{now} {what} in place of {before}"
        for what, now, before in (
            ("folds", plan.folds, experiment.folds),
            ("start of each classifier", plan.repeats, experiment.repeats),
        )
        if now < before
    ]
    if plan.share < 1 and isinstance(experiment, ImageExperiment):
        before, gan_before = experiment.training.steps, _gan_steps(experiment)
        changed["training"] = replace(experiment.training, steps=_steps(before, plan.share))
        changed["gan"] = {**experiment.gan, "steps": _steps(gan_before, plan.share)}
        reduced += [
            f"{changed['training'].steps} steps of each classifier in place of {before}",
            f"{changed['gan']['steps']} steps of each GAN in place of {gan_before}",
        ]
    elif plan.share < 1:
        steps = _steps(_table_steps(), plan.share)
        changed["arms"] = tuple(_with_steps(arm, steps) for arm in experiment.arms)
        reduced.append(f"{steps} steps of each GAN in place of {_table_steps()}")
    return replace(experiment, **changed), reduced


def _with_steps(arm: TableArm, steps: int) -> TableArm:
    if arm.sampler is None or arm.sampler.target not in TABLE_GANS:
        return arm
    params = TABLE_GANS[arm.sampler.target](steps)
    return replace(arm, sampler=Plugin(arm.sampler.name, arm.sampler.target, params))


def _table_steps() -> int:
    return int(make_generator(table_generator(None), "rows").steps)


def _gan_steps(experiment: ImageExperiment) -> int:
    real = load_images(experiment.datasets[0])
    return _gan(experiment).resolve(real).training.steps


def _gan(experiment: ImageExperiment, **params: Any) -> Any:
    named = experiment.generator(DEFAULT_GENERATOR)
    return make_generator(
        replace(named, params={**named.params, **params}), "images", device=experiment.device, verbose=False
    )


def _seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _per_step(train: Callable[[int], Any]) -> tuple[float, float]:
    """Seconds of a step, and of what does not depend on their number."""
    train(1)  # what happens once in a process is not timed
    few, more = (_seconds(lambda n=n: train(n)) for n in PROBES)  # type: ignore[misc]
    step = max(0.0, more - few) / (PROBES[1] - PROBES[0])
    return step, max(0.0, few - PROBES[0] * step)


def _probed_folds(experiment: Any) -> int:
    """Folds one of which is timed; given splits may be more than a class has samples."""
    return 2 if experiment.split == "given" else int(experiment.folds)


def _image_cost(experiment: ImageExperiment) -> Callable[[_Plan], float]:
    """Seconds of a fold of a plan."""
    data = load_images(experiment.datasets[0])
    classes, targets = np.unique(data.labels, return_inverse=True)
    part = folds(data.labels, _probed_folds(experiment), 0).training[0]
    real = data.subset(part)
    device = resolve_device(experiment.device)

    def classify(arm: ImageArm) -> float:
        def train(steps: int) -> None:
            generator = random_generator(0, "probe")
            draw = arm_batches(arm, (data.images[part], targets[part]), None, generator)
            config = replace(experiment.training, steps=steps)
            train_classifier(draw, data.image_shape, len(classes), config, generator, device=device)

        return _per_step(train)[0]

    plain = classify(ImageArm("plain"))
    changed = classify(ImageArm("changed", transform="affine"))
    gan_step, gan_fixed = _per_step(lambda n: _gan(experiment, steps=n, random_state=0).fit(real))
    choices = sum(map(len, {tuple(map(str, arm.transforms)) for arm in experiment.arms if len(arm.transforms) > 1}))
    steps, gan_steps = experiment.training.steps, _gan_steps(experiment)

    def cost(plan: _Plan) -> float:
        trained = _steps(steps, plan.share) * len(experiment.classifiers)
        arms = sum(changed if arm.transform else plain for arm in experiment.arms)
        gan = _steps(gan_steps, plan.share) * gan_step + gan_fixed + GAN_OVERHEAD + JUDGE_STEPS * plain
        return trained * (plan.repeats * arms + choices * changed) + gan

    return cost


def _table_cost(experiment: TableExperiment, seed: int) -> Callable[[_Plan], float]:
    """Seconds of a fold of a plan."""
    table = load_table(experiment.datasets[0])
    targets = np.unique(table.y, return_inverse=True)[1]
    part = folds(table.y, _probed_folds(experiment), seed).training[0]
    data = TableData(table.X.iloc[part].reset_index(drop=True), targets[part], table.nominal)
    encode = Columns(data, experiment.components)
    rows = (encode(data.X), data.y)
    classify = sum(
        _seconds(lambda c=c: fit_predict(TableArm("none"), c, rows, rows[0], int(targets.max()) + 1, 0))  # type: ignore[misc]
        for c in experiment.classifiers
    )
    step, fixed = _per_step(lambda n: resample(_with_steps(TableArm("gan", Plugin("gan", "gan")), n), data, encode, 0))
    fits = sum(TUNING if arm.threshold else 1.0 for arm in experiment.arms)
    targets_of = [arm.sampler.target for arm in experiment.arms if arm.sampler is not None]
    gans = targets_of.count("gan") + targets_of.count("table-gan")
    gans += targets_of.count("safe") * (1 + REPEATS * int(SafeOverSampler().cv))

    def cost(plan: _Plan) -> float:
        return plan.repeats * (gans * (_steps(_table_steps(), plan.share) * step + fixed) + fits * classify)

    return cost
