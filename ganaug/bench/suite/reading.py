"""Suites from TOML files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from ganaug.bench.suite.checking import check_types_of_arms, check_values
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import (
    ImageArm,
    ImageExperiment,
    Sizes,
    Suite,
    TableArm,
    TableExperiment,
    weighted_variants,
)
from ganaug.bench.suite.source_location import SourceLocation
from ganaug.classifiers.image_classifier import ClassifierConfig
from ganaug.data.files import UnreadableFileError, read_regular, user_path
from ganaug.data.json_values import clip, short
from ganaug.data.suggestions import nearest

__all__ = ["available_suites", "read_suite"]

SUITES = Path(__file__).parent / "suites"
MOST_SUITE = 2**24  # bytes
VARIANTS = "weighted_variants"  # of [images]: asks for more arms, and is none of the experiment's own
OF_RUNS = ("budget", "reduced")  # set when a run is reduced to a time, not by who writes a suite
KINDS: dict[str, type[ImageExperiment] | type[TableExperiment]] = {"images": ImageExperiment, "tables": TableExperiment}


def available_suites() -> list[str]:
    """Names of the suites that come with the package."""
    return sorted(path.stem for path in SUITES.glob("*.toml"))


def read_suite(name: str | Path) -> tuple[Suite, SourceLocation]:
    """Read a suite by the name of one that comes with the package, or from a TOML file.

    Its types and values are checked, but not whether what it names is there: see
    :func:`ganaug.bench.cases.checking.load_suite`.

    Parameters
    ----------
    name : str or path-like
        A name out of :func:`available_suites`, or a path that ends in ``.toml``.

    Returns
    -------
    suite : Suite
    where : SourceLocation
        For what is still to be said of it.

    Raises
    ------
    ValueError
        Naming the file, line and key that is wrong.
    """
    path = user_path(name) if str(name).endswith(".toml") else SUITES / f"{name}.toml"
    text, values = _read(path, str(name))
    where = SourceLocation(path.name, text)
    _check_keys(Suite, values, where)
    for kind, of_kind in KINDS.items():
        if kind in values:
            values[kind] = _experiment(of_kind, values[kind], where.at(kind))
    suite = _build(Suite, values, where)
    check_values(suite, where)
    return suite, where


def _read(path: Path, asked: str) -> tuple[str, dict[str, Any]]:
    if not path.exists():
        raise ValueError(f"there is no suite {asked!r}{nearest(asked, available_suites())}")
    try:
        text = read_regular(path, MOST_SUITE).decode()
        values = tomllib.loads(text)
    except UnreadableFileError:
        raise
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
    # One stands in the place of the others.
    if "sizes" in values:
        out: tuple[str, ...] = ("n_per_class", "imbalance", "folds")
    elif "n_per_class" in values:
        out = ("sizes", "folds")
    else:
        out = ("n_per_class", "imbalance", "sizes", "splits") if "folds" in values else ()
    return {**{key: value for key, value in base.items() if key not in out}, **values, **both}


def _is_table(value: Any) -> bool:
    # One with a class is a plugin, whose parameters belong together.
    return isinstance(value, dict) and "class" not in value


def _experiment(cls: type[ImageExperiment] | type[TableExperiment], values: Any, where: SourceLocation) -> Any:
    if not isinstance(values, dict):
        raise ValueError(f"{where}: {cls.kind} must be a table, got {short(values)}")
    values = dict(values)
    for key in ("datasets", "classifiers"):
        if key in values:
            named = "source" if key == "datasets" else "class"
            values[key] = tuple(_plugin(value, named, key, where) for value in _sequence(values, key, where))
    arms = _sequence(values, "arms", where)
    if not all(isinstance(arm, dict) for arm in arms):
        raise ValueError(f"{where.at('arms')}: arms must be tables, each under [[{cls.kind}.arms]], got {short(arms)}")
    values["arms"] = tuple(_arm(cls.arm_type, arm, where.at("arms", i)) for i, arm in enumerate(arms))
    if cls is ImageExperiment and _is_true(values.pop(VARIANTS, False), where):
        check_types_of_arms(where, values["arms"])
        values["arms"] += weighted_variants(values["arms"])
    for key in ("baselines", "metrics"):
        if key in values:
            values[key] = tuple(_sequence(values, key, where))
    for key in ("n_per_class", "sizes"):
        if values.get(key) and "folds" in values:
            raise ValueError(f"{where.at('folds')}: folds are of all data, but there is {key}; leave one of them out")
    sizes = _sequence(values, "sizes", where)
    values["sizes"] = tuple(_sizes(some, where.at("sizes", i)) for i, some in enumerate(sizes))
    values = _with_lists(values)
    if "training" in values:
        if not isinstance(values["training"], dict):
            raise ValueError(f"{where.at('training')}: training must be a table, got {short(values['training'])}")
        values["training"] = _build(ClassifierConfig, values["training"], where.at("training"), "[images.training]")
    return _build(cls, values, where, f"[{cls.kind}]")


def _is_true(value: Any, where: SourceLocation) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{where.at(VARIANTS)}: {VARIANTS} must be true or false, got {short(value)}")
    return value


def _sizes(values: Any, where: SourceLocation) -> Sizes:
    if not isinstance(values, dict):
        raise ValueError(f"{where}: sizes must be tables such as {{ n_per_class = [5, 20] }}, got {short(values)}")
    return _build(Sizes, _with_lists(values), where, "sizes")


def _with_lists(values: dict[str, Any]) -> dict[str, Any]:
    """One number is a list of one."""
    found = {key: values[key] for key in ("n_per_class", "imbalance") if key in values}
    return values | {key: tuple(value if isinstance(value, list) else [value]) for key, value in found.items()}


def _arm(cls: type[ImageArm] | type[TableArm], values: dict[str, Any], where: SourceLocation) -> Any:
    values = dict(values)
    if "sampler" in values and cls is TableArm:
        values["sampler"] = _plugin(values["sampler"], "class", "sampler", where)
    if cls is ImageArm and isinstance(named := values.get("transform"), dict | list):
        several = [
            _plugin(one, "class", "transform", where) if isinstance(one, dict) else one
            for one in (named if isinstance(named, list) else [named])
        ]
        values["transform"] = tuple(several) if isinstance(named, list) else several[0]
    for key in ("against", "keep"):
        if key in values:
            values[key] = tuple(values[key] if isinstance(values[key], list) else [values[key]])
    return _build(cls, values, where, f"arm {short(values.get('name', ''))}")


def _plugin(value: Any, named: str, key: str, where: SourceLocation) -> Plugin:
    try:
        return Plugin.of(value, named)
    except TypeError as error:
        raise ValueError(f"{where.at(key)}: {key} {error}") from None


def _sequence(values: Mapping[str, Any], key: str, where: SourceLocation) -> list[Any]:
    found = values.get(key, [])
    if not isinstance(found, list):
        raise ValueError(f"{where.at(key)}: {key} must be a list, got {short(found)}")
    return found


def _build(cls: Any, values: Mapping[str, Any], where: SourceLocation, what: str = "") -> Any:
    _check_keys(cls, values, where, what)
    lacking = [
        f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING and f.name not in values
    ]
    if lacking:
        raise ValueError(f"{where}: {what or 'the suite'} is incomplete: it lacks {', '.join(lacking)}")
    return cls(**values)


def _check_keys(cls: Any, values: Mapping[str, Any], where: SourceLocation, what: str = "") -> None:
    known = [f.name for f in fields(cls) if f.name not in OF_RUNS] + ([VARIANTS] if cls is ImageExperiment else [])
    for key in values:
        if key not in known:
            raise ValueError(
                f"{where.at(key)}: {what}{' has an ' if what else ''}unknown key {short(key)}{nearest(key, known)}"
            )
