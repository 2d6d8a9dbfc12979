"""What may be wrong with the types and values of a suite, found before anything runs.

What only the registries can tell, such as whether there is a sampler of some name, is found out where they are, in
:mod:`ganaug.bench.cases.checking`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ganaug.bench.suite.plugins import Plugin, nearest
from ganaug.bench.suite.schema import Experiment, ImageArm, ImageExperiment, Sizes, Suite, TableArm, TableExperiment
from ganaug.bench.suite.source_location import SourceLocation
from ganaug.data.json_values import short
from ganaug.generators import ImageGAN

__all__ = ["SUITE", "check_types_of_arms", "check_values", "located"]

SUITE = SourceLocation("suite")
MOST = 10_000  # splits, folds and so on: a grid of them must be made before anything runs


def check_values(suite: Suite, where: SourceLocation = SUITE) -> None:
    """Find out whether a suite holds what it must, of the right types, within range, and in agreement with itself.

    Raises
    ------
    ValueError
    """
    _check_text(where, "title", suite.title)
    if not isinstance(suite.name, str) or re.fullmatch(r"\w[\w.+-]{,99}", suite.name) is None:
        raise ValueError(
            f"{where.at('name')}: name must hold letters, digits and the signs . + - _ only, at most 100, "
            f"got {short(suite.name)}"
        )
    _check_number(where, "seed", suite.seed, whole=True, least=0, limit=2**64)
    if suite.timeout is not None:
        _check_number(where, "timeout", suite.timeout, least=1e-3)
    if not suite.experiments:
        raise ValueError(f"{where}: there is neither [images] nor [tables]; declare what is compared in one of them")
    for experiment in suite.experiments:
        _check_experiment(where.at(experiment.kind).saying(experiment.kind), experiment)


def _check_experiment(where: SourceLocation, experiment: Experiment) -> None:
    _check_kinds(where, experiment)
    _check_sizes(where, experiment)
    _check_types(where, experiment)
    for key in ("datasets", "classifiers", "metrics", "imbalance", "arms"):
        names = [getattr(value, "name", value) for value in getattr(experiment, key)]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"{where.at(key)}: {key} must be there and have different names, got {short(names, 200)}")
    names = [arm.name for arm in experiment.arms]
    for name in experiment.baselines:
        if name not in names:
            raise ValueError(
                f"{where.at('baselines')}: baseline {short(name)} is not among the arms{nearest(name, names)}"
            )
    for i, arm in enumerate(experiment.arms):
        _check_arm(where.at("arms", i), arm, [name for name in names if name != arm.name])
    if isinstance(experiment, ImageExperiment):
        _check_images(where, experiment)
    elif isinstance(experiment, TableExperiment):
        _check_tables(where, experiment)


def _check_kinds(where: SourceLocation, experiment: Experiment) -> None:
    """Find out whether what holds several values does; one that is made in Python may hold anything."""
    kinds = {"datasets": Plugin, "classifiers": Plugin, "arms": experiment.arm_type, "sizes": Sizes}
    for key in (*kinds, "baselines", "metrics"):
        values = getattr(experiment, key)
        _check_several(where, key, values, kinds.get(key, object))
    places = [(where, experiment), *((where.at("sizes", i), some) for i, some in enumerate(experiment.sizes))]
    for place, drawn in places:
        for key in ("n_per_class", "imbalance"):
            _check_several(place, key, getattr(drawn, key), object)


def _check_several(where: SourceLocation, key: str, values: Any, kind: type) -> None:
    if not isinstance(values, tuple | list) or not all(isinstance(value, kind) for value in values):
        of = "" if kind is object else f" of {kind.__name__}"
        raise ValueError(f"{where.at(key)}: {key} must be a tuple{of}, got {short(values)}")


def _check_types(where: SourceLocation, experiment: Experiment) -> None:
    for key in ("baselines", "metrics"):
        for value in getattr(experiment, key):
            _check_text(where, key, value)
    check_types_of_arms(where, experiment.arms)
    for key in ("datasets", "classifiers"):
        for i, plugin in enumerate(getattr(experiment, key)):
            _check_name(where.at(key, i), f"the name of a {key.removesuffix('s')}", plugin.name)


def check_types_of_arms(where: SourceLocation, arms: Sequence[ImageArm | TableArm]) -> None:
    """Find out whether arms hold values of the kinds that all else takes for granted.

    Raises
    ------
    ValueError
    """
    for i, arm in enumerate(arms):
        place = where.at("arms", i)
        _check_name(place, "the name of an arm", arm.name)
        for value in fields(arm):
            if value.type == "bool" and not isinstance(getattr(arm, value.name), bool):
                got = short(getattr(arm, value.name))
                raise ValueError(
                    f"{place.at(value.name)}: {value.name} of arm {short(arm.name)} must be true or false, got {got}"
                )
        for key in ("against", "keep"):
            _check_several(place, key, getattr(arm, key, ()), object)
        for name in (*arm.against, *getattr(arm, "keep", ())):
            _check_text(place, f"what arm {short(arm.name)} is against or keeps", name)


def _check_arm(where: SourceLocation, arm: ImageArm | TableArm, others: list[str]) -> None:
    for name in arm.against:
        if name not in others:
            raise ValueError(
                f"{where.at('against')}: arm {short(arm.name)} is against {short(name)}, no other arm"
                f"{nearest(name, others)}"
            )
    if isinstance(arm, ImageArm):
        _check_image_arm(where, arm)
    else:
        _check_table_arm(where, arm)


def _check_sizes(where: SourceLocation, experiment: Experiment) -> None:
    for key in ("splits", "folds"):
        _check_number(where, key, getattr(experiment, key), whole=True, least=2, limit=MOST)
    _check_number(where, "repeats", experiment.repeats, whole=True, least=1, limit=MOST)
    _check_number(where, "rope", experiment.rope, least=0)
    if experiment.sizes:
        for key, default in (("n_per_class", ()), ("imbalance", (1.0,))):
            if getattr(experiment, key) != default:
                raise ValueError(f"{where.at(key)}: {key} belongs into sizes where there are sizes; leave it out here")
        for i, some in enumerate(experiment.sizes):
            _check_drawn(where.at("sizes", i), some)
            if not some.n_per_class or not some.imbalance:
                raise ValueError(f"{where.at('sizes', i)}: sizes must each have n_per_class and imbalance, got none")
    else:
        _check_drawn(where, experiment)
        if experiment.imbalance != (1.0,) and not experiment.n_per_class:
            raise ValueError(f"{where.at('imbalance')}: imbalance needs n_per_class, the samples of the largest class")
    known: dict[tuple[int | None, int], float] = {}
    for n, ratio in experiment.drawn_sizes():
        smallest = max(1, round((n or 0) / ratio))
        if (other := known.setdefault((n, smallest), ratio)) != ratio:
            raise ValueError(
                f"{where.at('imbalance')}: imbalance must have ratios that differ in samples, but {other:g} and "
                f"{ratio:g} of n_per_class = {n} leave the smallest class {smallest}"
            )
    if len(known) < len(experiment.drawn_sizes()):
        raise ValueError(f"{where.at('sizes')}: sizes must differ, got {short(experiment.drawn_sizes(), 200)}")


def _check_drawn(where: SourceLocation, sizes: Experiment | Sizes) -> None:
    for n in sizes.n_per_class:
        _check_number(where, "n_per_class", n, whole=True, least=1, limit=10**9)
    for ratio in sizes.imbalance:
        _check_number(where, "imbalance", ratio, least=1)
    if len(set(sizes.n_per_class)) < len(sizes.n_per_class):
        raise ValueError(
            f"{where.at('n_per_class')}: n_per_class must have different sizes, got {short(sizes.n_per_class)}"
        )


def _check_images(where: SourceLocation, experiment: ImageExperiment) -> None:
    if not isinstance(experiment.gan, dict):
        raise ValueError(
            f"{where.at('gan')}: gan must be a table of parameters of ImageGAN, got {short(experiment.gan)}"
        )
    known = [name for name in ImageGAN().get_params() if name != "run"]  # whose options are set as run__health is
    for key in experiment.gan:
        if key not in known:
            raise ValueError(f"{where.at('gan', key)}: gan has an unknown key {short(key)}{nearest(key, known)}")
    located(where.at("gan").saying("gan"), ImageGAN().set_params(**experiment.gan)._validate_params)
    _check_text(where, "device", experiment.device)
    _check_number(where, "synthetic_per_class", experiment.synthetic_per_class, whole=True, least=1, limit=10**9)
    for key in ("steps", "batch_size"):
        _check_number(
            where.at("training", key),
            f"training.{key}",
            getattr(experiment.training, key),
            whole=True,
            least=1,
            limit=10**9,
        )
    _check_number(
        where.at("training", "learning_rate"), "training.learning_rate", experiment.training.learning_rate, least=1e-12
    )


def _check_tables(where: SourceLocation, experiment: TableExperiment) -> None:
    if experiment.components is not None:
        _check_number(where, "components", experiment.components, whole=True, least=1, limit=MOST)


def _check_image_arm(where: SourceLocation, arm: ImageArm) -> None:
    _check_number(where.at("synthetic"), f"synthetic of arm {short(arm.name)}", arm.synthetic, least=0, most=1)
    if arm.gate and not 0 < arm.synthetic < 1:
        raise ValueError(
            f"{where}: arm {short(arm.name)} has a gate; its synthetic, the most that is tried, must be in (0, 1), "
            f"got {arm.synthetic:g}"
        )


def _check_table_arm(where: SourceLocation, arm: TableArm) -> None:
    _check_number(where.at("ratio"), f"ratio of arm {short(arm.name)}", arm.ratio, least=0, most=1)
    _check_number(
        where.at("fill_to"), f"fill_to of arm {short(arm.name)}", arm.fill_to, whole=True, least=0, limit=10**9
    )
    if arm.fill_to and arm.sampler is None:
        raise ValueError(
            f"{where.at('fill_to')}: arm {short(arm.name)} has a fill_to but no sampler that could fill; name one"
        )
    if arm.gate and (arm.sampler is None or not (arm.sampler.target == "gan" or arm.raw)):
        raise ValueError(
            f"{where}: arm {short(arm.name)} has a gate, which takes the sampler 'gan', or one by its import path with "
            "raw = true"
        )
    if arm.threshold and arm.prior_correction:
        raise ValueError(f"{where}: arm {short(arm.name)} must either tune a threshold or correct for priors")
    if arm.threshold and arm.sampler is not None:
        raise ValueError(
            f"{where}: arm {short(arm.name)} tunes a threshold on rows of its sampler, but only real ones can tell it"
        )


def located(where: SourceLocation, find: Any, *arguments: Any) -> None:
    """Call something that may raise ``ValueError``, and say where in the suite its argument is from.

    Raises
    ------
    ValueError
    """
    try:
        find(*arguments)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _check_text(where: SourceLocation, key: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{where.at(key)}: {key} must be a string, got {short(value)}")


def _check_name(where: SourceLocation, key: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where.at('name')}: {key} must be a string that is not blank, got {short(value)}")


def _check_number(
    where: SourceLocation,
    key: str,
    value: Any,
    *,
    whole: bool = False,
    least: float,
    most: float = math.inf,
    limit: float = 2.0**1000,
) -> None:
    """Raise ``ValueError`` unless a value is a number in a range, and below a limit, told where it counts."""
    kinds = int if whole else int | float
    right = isinstance(value, kinds) and not isinstance(value, bool)
    if not right or not least <= value <= min(most, limit):
        kind = "whole number" if whole else "number"
        reach = f"at least {least:g}" if most == math.inf else f"{least:g} to {most:g}"
        if right and most == math.inf and value > limit:
            reach = f"at most {limit:g}"
        raise ValueError(f"{where.at(key)}: {key} must be a {kind} of {reach}, got {short(value)}")
