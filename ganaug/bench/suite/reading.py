"""Suites from TOML files."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganaug.bench.suite.checking import OF_RUNS, VARIANTS, unknown_key, validated
from ganaug.bench.suite.schema import Suite, weighted_variants
from ganaug.bench.suite.source_location import SourceLocation
from ganaug.data.files import UnreadableFileError, read_regular, user_path
from ganaug.data.json_values import clip, short
from ganaug.data.suggestions import nearest

__all__ = ["available_suites", "read_suite"]

SUITES = Path(__file__).parent / "suites"
MOST_SUITE = 2**24  # bytes


def available_suites() -> list[str]:
    """Names of the suites that come with the package.

    Examples
    --------
    >>> from ganaug.bench import available_suites
    >>> {"keel", "quick", "smoke"} <= set(available_suites())
    True
    """
    return sorted(path.stem for path in SUITES.glob("*.toml"))


def read_suite(name: str | Path) -> tuple[Suite, SourceLocation]:
    """Read a suite by the name of one that comes with the package, or from a TOML file.

    Its types and ranges are checked, but not whether its parts agree, nor whether what it names is there: see
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
    for key in OF_RUNS:
        if key in values:
            raise unknown_key(where, (key,), values)
    for kind in ("images", "tables"):
        _check_folds(where.at(kind), values.get(kind))
    images = values.get("images")
    asks = images.pop(VARIANTS, False) if isinstance(images, dict) else False
    suite = validated(values, where)
    if not isinstance(asks, bool):
        raise ValueError(f"{where.at('images', VARIANTS)}: {VARIANTS} must be true or false, got {short(asks)}")
    if asks and suite.images is not None:
        arms = suite.images.arms
        suite = replace(suite, images=replace(suite.images, arms=arms + weighted_variants(arms)))
    return suite, where


def _check_folds(where: SourceLocation, experiment: Any) -> None:
    for key in ("n_per_class", "n_samples", "sizes"):
        if isinstance(experiment, dict) and experiment.get(key) and "folds" in experiment:
            raise ValueError(f"{where.at('folds')}: folds are of all data, but there is {key}; leave one of them out")


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
        out: tuple[str, ...] = ("n_per_class", "n_samples", "imbalance", "folds")
    elif "n_per_class" in values:
        out = ("n_samples", "sizes", "folds")
    elif "n_samples" in values:
        out = ("n_per_class", "imbalance", "sizes", "folds")
    else:
        out = ("n_per_class", "n_samples", "imbalance", "sizes", "splits") if "folds" in values else ()
    return {**{key: value for key, value in base.items() if key not in out}, **values, **both}


def _is_table(value: Any) -> bool:
    # One with a class is a plugin, whose parameters belong together.
    return isinstance(value, dict) and "class" not in value
