"""Suites from TOML files."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from ganaug.bench.arms import MIXES, find_filter, find_transform
from ganaug.bench.classifiers import CLASSIFIERS
from ganaug.bench.metrics import METRICS, MINORITY
from ganaug.bench.plugins import Plugin, nearest, resolve
from ganaug.bench.samplers import check_sampler
from ganaug.bench.suite import Experiment, ImageArm, ImageExperiment, Suite, TableArm, TableExperiment
from ganaug.data.json_values import clip, short
from ganaug.gans import ImageGAN
from ganaug.quality.classifier import ClassifierConfig
from ganaug.quality.networks import NETWORKS

__all__ = ["available_suites", "check_suite", "load_suite"]

SUITES = Path(__file__).parent / "suites"
MOST = 10_000  # splits, folds and so on: a grid of them must be made before anything runs
KINDS: dict[str, type[ImageExperiment] | type[TableExperiment]] = {"images": ImageExperiment, "tables": TableExperiment}


def available_suites() -> list[str]:
    """Names of the suites that come with the package."""
    return sorted(path.stem for path in SUITES.glob("*.toml"))


def load_suite(name: str | Path) -> Suite:
    """Read a suite by the name of one that comes with the package, or from a TOML file.

    Parameters
    ----------
    name : str or path-like
        A name out of :func:`available_suites`, or a path that ends in ``.toml``.

    Returns
    -------
    Suite

    Raises
    ------
    ValueError
        Naming the file, line and key that is wrong.

    Examples
    --------
    >>> [arm.name for arm in load_suite("quick").images.arms]
    ['real', 'classical', 'mixup', 'cutmix', 'synthetic only', 'gan', 'gan+classical']
    """
    path = Path(name) if str(name).endswith(".toml") else SUITES / f"{name}.toml"
    text, values = _read(path, str(name))
    where = _Where(path.name, text)
    _check_keys(Suite, values, where)
    for kind, of_kind in KINDS.items():
        if kind in values:
            values[kind] = _experiment(of_kind, values[kind], where)
    suite = _build(Suite, values, where)
    check_suite(suite, path.name)
    return suite


class _Where:
    """A file, for messages that name it and the line of a key."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text

    def __str__(self) -> str:
        return self.name

    def key(self, key: str) -> str:
        """The file and, if the key is found in it, its line."""
        pattern = rf"^[ \t]*(?:\[+[\w.\"' -]*?)?[\"']?{re.escape(key)}[\"']?\s*(?:[=.]|\]+\s*(?:#.*)?$)"
        found = re.search(pattern, self.text, re.MULTILINE)
        found = found or re.search(rf"[{{,]\s*[\"']?{re.escape(key)}[\"']?\s*=", self.text)
        if found is None:
            return self.name
        start = found.start() + len(found[0]) - len(found[0].lstrip())
        return f"{self.name}, line {self.text.count(chr(10), 0, start) + 1}"


def _read(path: Path, asked: str) -> tuple[str, dict[str, Any]]:
    if not path.is_file():
        raise ValueError(f"there is no suite {asked!r}{nearest(asked, available_suites())}")
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid TOML: {clip(str(error), 200)}") from None
    if "extends" not in values:
        return text, values
    base = values.pop("extends")
    if base not in available_suites():
        raise ValueError(f"{path}: extends names no suite that comes with ganaug, {short(base)}")
    return text, _merged(_read(SUITES / f"{base}.toml", base)[1], values)


def _merged(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    both = {key: _merged(base[key], values[key]) for key in base if _is_table(base[key]) and _is_table(values.get(key))}
    return {**base, **values, **both}


def _is_table(value: Any) -> bool:
    # One with a class is a plugin, whose parameters belong together.
    return isinstance(value, dict) and "class" not in value


def _experiment(cls: type[ImageExperiment] | type[TableExperiment], values: Any, where: _Where) -> Any:
    if not isinstance(values, dict):
        raise ValueError(f"{where.key(cls.kind)}: {cls.kind} must be a table, got {short(values)}")
    values = dict(values)
    for key in ("datasets", "classifiers"):
        if key in values:
            named = "source" if key == "datasets" else "class"
            values[key] = tuple(_plugin(value, named, key, where) for value in _sequence(values, key, where))
    arms = _sequence(values, "arms", where)
    if not all(isinstance(arm, dict) for arm in arms):
        raise ValueError(f"{where.key('arms')}: arms must be tables, each under [[{cls.kind}.arms]], got {short(arms)}")
    values["arms"] = tuple(_arm(cls.arm_type, arm, where) for arm in arms)
    for key in ("baselines", "metrics"):
        if key in values:
            values[key] = tuple(_sequence(values, key, where))
    for key in ("n_per_class", "imbalance"):
        if key in values:
            values[key] = tuple(values[key] if isinstance(values[key], list) else [values[key]])
    if "training" in values:
        if not isinstance(values["training"], dict):
            raise ValueError(f"{where.key('training')}: training must be a table, got {short(values['training'])}")
        values["training"] = _build(ClassifierConfig, values["training"], where, "[images.training]")
    return _build(cls, values, where, f"[{cls.kind}]")


def _arm(cls: type[ImageArm] | type[TableArm], values: dict[str, Any], where: _Where) -> Any:
    values = dict(values)
    if "sampler" in values and cls is TableArm:
        values["sampler"] = _plugin(values["sampler"], "class", "sampler", where)
    for key in ("against", "keep"):
        if key in values:
            values[key] = tuple(values[key] if isinstance(values[key], list) else [values[key]])
    return _build(cls, values, where, f"arm {short(values.get('name', ''))}")


def _plugin(value: Any, named: str, key: str, where: _Where) -> Plugin:
    try:
        return Plugin.of(value, named)
    except TypeError as error:
        raise ValueError(f"{where.key(key)}: {key} {error}") from None


def _sequence(values: Mapping[str, Any], key: str, where: _Where) -> list[Any]:
    found = values.get(key, [])
    if not isinstance(found, list):
        raise ValueError(f"{where.key(key)}: {key} must be a list, got {short(found)}")
    return found


def _build(cls: Any, values: Mapping[str, Any], where: _Where, what: str = "") -> Any:
    _check_keys(cls, values, where, what)
    lacking = [
        f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING and f.name not in values
    ]
    if lacking:
        raise ValueError(f"{where}: {what or 'the suite'} is incomplete: it lacks {', '.join(lacking)}")
    return cls(**values)


def _check_keys(cls: Any, values: Mapping[str, Any], where: _Where, what: str = "") -> None:
    known = [f.name for f in fields(cls)]
    for key in values:
        if key not in known:
            raise ValueError(
                f"{where.key(key)}: {what}{' has an ' if what else ''}unknown key {short(key)}{nearest(key, known)}"
            )


def check_suite(suite: Suite, where: str = "suite") -> None:
    """Find what is wrong with a suite before anything runs.

    Raises
    ------
    ValueError
    """
    _check_text(where, "title", suite.title)
    if not isinstance(suite.name, str) or re.fullmatch(r"\w[\w.+-]{,99}", suite.name) is None:
        raise ValueError(
            f"{where}: name must hold letters, digits and the signs . + - _ only, at most 100, got {short(suite.name)}"
        )
    _check_number(where, "seed", suite.seed, whole=True, least=0, limit=2**64)
    if suite.timeout is not None:
        _check_number(where, "timeout", suite.timeout, least=1e-3)
    if not suite.experiments:
        raise ValueError(f"{where}: there is neither [images] nor [tables]; declare what is compared in one of them")
    for experiment in suite.experiments:
        _check_experiment(f"{where}: {experiment.kind}", experiment)


def _check_experiment(where: str, experiment: Experiment) -> None:
    _check_sizes(where, experiment)
    _check_types(where, experiment)
    for key in ("datasets", "classifiers", "metrics", "imbalance", "arms"):
        names = [getattr(value, "name", value) for value in getattr(experiment, key)]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"{where}: {key} must be there and have different names, got {short(names, 200)}")
    names = [arm.name for arm in experiment.arms]
    for name in experiment.baselines:
        if name not in names:
            raise ValueError(f"{where}: baseline {short(name)} is not among the arms{nearest(name, names)}")
    known = [*METRICS, *(MINORITY if experiment.kind == "tables" else ())]
    for metric in experiment.metrics:
        if metric not in known:
            raise ValueError(f"{where}: there is no metric {short(metric)}{nearest(metric, known)}")
    for arm in experiment.arms:
        _check_arm(where, arm, [name for name in names if name != arm.name])
    if isinstance(experiment, ImageExperiment):
        _check_images(where, experiment)
    elif isinstance(experiment, TableExperiment):
        _check_tables(where, experiment)


def _check_types(where: str, experiment: Experiment) -> None:
    for key in ("baselines", "metrics"):
        for value in getattr(experiment, key):
            _check_text(where, key, value)
    for arm in experiment.arms:
        _check_text(where, "the name of an arm", arm.name)
        for value in fields(arm):
            if value.type == "bool" and not isinstance(getattr(arm, value.name), bool):
                got = short(getattr(arm, value.name))
                raise ValueError(f"{where}: {value.name} of arm {short(arm.name)} must be true or false, got {got}")
        for name in (*arm.against, *getattr(arm, "keep", ())):
            _check_text(where, f"what arm {short(arm.name)} is against or keeps", name)


def _check_arm(where: str, arm: ImageArm | TableArm, others: list[str]) -> None:
    for name in arm.against:
        if name not in others:
            raise ValueError(
                f"{where}: arm {short(arm.name)} is against {short(name)}, no other arm{nearest(name, others)}"
            )
    if isinstance(arm, ImageArm):
        _check_image_arm(where, arm)
    else:
        _check_table_arm(where, arm)


def _check_sizes(where: str, experiment: Experiment) -> None:
    for key in ("splits", "folds"):
        _check_number(where, key, getattr(experiment, key), whole=True, least=2, limit=MOST)
    _check_number(where, "repeats", experiment.repeats, whole=True, least=1, limit=MOST)
    _check_number(where, "rope", experiment.rope, least=0)
    for n in experiment.n_per_class:
        _check_number(where, "n_per_class", n, whole=True, least=1, limit=10**9)
    for ratio in experiment.imbalance:
        _check_number(where, "imbalance", ratio, least=1)
    if experiment.imbalance != (1.0,) and not experiment.n_per_class:
        raise ValueError(f"{where}: imbalance needs n_per_class, the samples of the largest class")


def _check_images(where: str, experiment: ImageExperiment) -> None:
    if not isinstance(experiment.gan, dict):
        raise ValueError(f"{where}: gan must be a table of parameters of ImageGAN, got {short(experiment.gan)}")
    known = ImageGAN().get_params()
    for key in experiment.gan:
        if key not in known:
            raise ValueError(f"{where}: gan has an unknown key {short(key)}{nearest(key, known)}")
    _told(f"{where}: gan", ImageGAN(**experiment.gan)._validate_params)
    _check_text(where, "device", experiment.device)
    _check_number(where, "synthetic_per_class", experiment.synthetic_per_class, whole=True, least=1, limit=10**9)
    for key in ("steps", "batch_size"):
        _check_number(where, f"training.{key}", getattr(experiment.training, key), whole=True, least=1, limit=10**9)
    _check_number(where, "training.learning_rate", experiment.training.learning_rate, least=1e-12)
    for network in experiment.classifiers:
        _told(where, resolve, "networks", network.target, NETWORKS)


def _check_tables(where: str, experiment: TableExperiment) -> None:
    if experiment.components is not None:
        _check_number(where, "components", experiment.components, whole=True, least=1, limit=MOST)
    for classifier in experiment.classifiers:
        _told(where, resolve, "classifiers", classifier.target, CLASSIFIERS)


def _check_image_arm(where: str, arm: ImageArm) -> None:
    _check_number(where, f"synthetic of arm {short(arm.name)}", arm.synthetic, least=0, most=1)
    if arm.transform is not None:
        _told(f"{where}: arm {short(arm.name)}", find_transform, str(arm.transform))
    for name in arm.keep:
        _told(f"{where}: arm {short(arm.name)}", find_filter, str(name))
    if arm.gate and not 0 < arm.synthetic < 1:
        raise ValueError(
            f"{where}: arm {short(arm.name)} has a gate; its synthetic, the most that is tried, must be in (0, 1), "
            f"got {arm.synthetic:g}"
        )
    if arm.mix is not None and (not isinstance(arm.mix, str) or arm.mix not in MIXES):
        raise ValueError(f"{where}: arm {short(arm.name)} has an unknown mix {short(arm.mix)}{nearest(arm.mix, MIXES)}")


def _check_table_arm(where: str, arm: TableArm) -> None:
    _check_number(where, f"ratio of arm {short(arm.name)}", arm.ratio, least=0, most=1)
    if arm.sampler is not None:
        _told(f"{where}: arm {short(arm.name)}", check_sampler, arm.sampler)
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


def _told(where: str, find: Any, *arguments: Any) -> None:
    try:
        find(*arguments)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _check_text(where: str, key: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{where}: {key} must be a string, got {short(value)}")


def _check_number(
    where: str,
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
        raise ValueError(f"{where}: {key} must be a {kind} of {reach}, got {short(value)}")
