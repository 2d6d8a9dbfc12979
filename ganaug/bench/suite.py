"""A suite: what a benchmark compares, declared before anything runs."""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ganaug.bench.arms import MIXES, TRANSFORMS, find_transform
from ganaug.data.files import sha256_of
from ganaug.quality.classifier import ClassifierConfig

__all__ = ["Arm", "Suite", "available_suites", "digest", "load_suite"]

SUITES = Path(__file__).parent / "suites"


@dataclass(frozen=True)
class Arm:
    """One way of augmenting.

    Attributes
    ----------
    name : str
    synthetic : float in [0, 1]
        Probability with which an image of a training batch is replaced by a synthetic one of its class.
    transform : str or None
        What is applied to every training image, real or synthetic: a name, or the import path of a class such as
        ``torchvision.transforms.v2.RandomHorizontalFlip``.
    mix : {"mixup", "cutmix"} or None
        What is applied to every batch last, and makes labels soft.
    """

    name: str
    synthetic: float = 0.0
    transform: str | None = None
    mix: str | None = None


@dataclass(frozen=True)
class Suite:
    """What is compared, on what, and how often.

    Attributes
    ----------
    name, title : str
    dataset : str
        Anything :func:`ganaug.labelled_images` reads from a string.
    n_per_class : int
        Real training images of each class in each split.
    splits : int
        Training sets, without a common image; the rest of the data is the test set of all.
    repeats : int
        Random starts of the classifier per arm and split; none is shared by two cells.
    seed : int
    arms : tuple of Arm
    baselines : tuple of str
        Arms that all others are compared with.
    rope : float
        Percentage points of accuracy within which two arms count as equal.
    synthetic_per_class : int
        Images of each class sampled from each GAN.
    gan : dict
        Parameters of :class:`ganaug.ImageGAN`.
    classifier : ClassifierConfig
    """

    name: str
    title: str
    dataset: str
    n_per_class: int
    splits: int
    arms: tuple[Arm, ...]
    baselines: tuple[str, ...]
    repeats: int = 1
    seed: int = 0
    rope: float = 0.5
    synthetic_per_class: int = 200
    gan: dict[str, Any] = field(default_factory=dict)
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``suite.json``."""
        return asdict(self)

    def counterpart(self, arm: Arm) -> Arm | None:
        """The arm that differs from `arm` only in using no synthetic images."""
        if arm.synthetic == 0:
            return None
        alike = (a for a in self.arms if a.synthetic == 0 and (a.transform, a.mix) == (arm.transform, arm.mix))
        return next(alike, None)


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return sha256_of(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode())


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
        Naming the file and key that is wrong.

    Examples
    --------
    >>> [arm.name for arm in load_suite("quick").arms]
    ['real', 'classical', 'mixup', 'cutmix', 'synthetic only', 'gan', 'gan+classical']
    """
    path = Path(name) if str(name).endswith(".toml") else SUITES / f"{name}.toml"
    values = _read(path, str(name))
    if not all(isinstance(arm, dict) for arm in _sequence(values, "arms", path.name)):
        raise ValueError(f"{path.name}: arms must be tables, each under [[arms]], got {values['arms']!r}")
    if not isinstance(values.get("classifier", {}), dict):
        raise ValueError(f"{path.name}: classifier must be a table, got {values['classifier']!r}")
    _sequence(values, "baselines", path.name)
    values["arms"] = tuple(_build(Arm, arm, f"{path.name}: arm") for arm in values.get("arms", ()))
    values["classifier"] = _build(ClassifierConfig, values.get("classifier", {}), f"{path.name}: classifier")
    values["baselines"] = tuple(values.get("baselines", ()))
    suite = _build(Suite, values, path.name)
    _check(suite, path.name)
    return suite


def _sequence(values: Mapping[str, Any], key: str, where: str) -> list[Any]:
    found = values.get(key, [])
    if not isinstance(found, list):
        raise ValueError(f"{where}: {key} must be a list, got {found!r}")
    return found


def _read(path: Path, asked: str) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"there is no suite {asked!r}{_nearest(asked, available_suites())}")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from None
    if "extends" not in values:
        return values
    base = _read(SUITES / f"{values.pop('extends')}.toml", "of extends")
    for key, value in values.items():
        base[key] = {**base.get(key, {}), **value} if isinstance(value, dict) else value
    return base


def _build(cls: Any, values: Mapping[str, Any], where: str) -> Any:
    known = [f.name for f in fields(cls)]
    for key in values:
        if key not in known:
            raise ValueError(f"{where} has an unknown key {key!r}{_nearest(key, known)}")
    try:
        return cls(**values)
    except TypeError as error:
        raise ValueError(f"{where} is incomplete: {str(error).partition(') ')[2] or error}") from None


def _check(suite: Suite, where: str) -> None:
    for key in ("title", "dataset"):
        if not isinstance(getattr(suite, key), str):
            raise ValueError(f"{where}: {key} must be a string, got {getattr(suite, key)!r}")
    if not isinstance(suite.name, str) or re.fullmatch(r"\w[\w.+-]*", suite.name) is None:
        raise ValueError(f"{where}: name must hold letters, digits and the signs . + - _ only, got {suite.name!r}")
    if not isinstance(suite.gan, dict):
        raise ValueError(f"{where}: gan must be a table of parameters of ImageGAN, got {suite.gan!r}")
    for key in ("n_per_class", "splits", "repeats", "synthetic_per_class"):
        _check_number(where, key, getattr(suite, key), whole=True, least=1)
    _check_number(where, "seed", suite.seed, whole=True, least=0)
    _check_number(where, "rope", suite.rope, least=0)
    for key in ("steps", "batch_size"):
        _check_number(where, f"classifier.{key}", getattr(suite.classifier, key), whole=True, least=1)
    _check_number(where, "classifier.learning_rate", suite.classifier.learning_rate, least=1e-12)
    if suite.splits < 2:
        raise ValueError(f"{where}: splits must be at least 2, or no spread can be told, got {suite.splits}")
    names = [arm.name for arm in suite.arms]
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"{where}: arms must be there and have different names, got {names}")
    for name in suite.baselines:
        if name not in names:
            raise ValueError(f"{where}: baseline {name!r} is not among the arms{_nearest(name, names)}")
    for arm in suite.arms:
        _check_number(where, f"synthetic of arm {arm.name!r}", arm.synthetic, least=0, most=1)
        _check_transform(where, arm)
        if arm.mix is not None and arm.mix not in MIXES:
            raise ValueError(f"{where}: arm {arm.name!r} has an unknown mix {arm.mix!r}{_nearest(arm.mix, MIXES)}")


def _check_transform(where: str, arm: Arm) -> None:
    if arm.transform is None:
        return
    if arm.transform not in TRANSFORMS and "." not in str(arm.transform):
        raise ValueError(
            f"{where}: arm {arm.name!r} has an unknown transform {arm.transform!r}{_nearest(arm.transform, TRANSFORMS)}"
        )
    try:
        find_transform(arm.transform)
    except ValueError as error:
        raise ValueError(f"{where}: arm {arm.name!r}: {error}") from None


def _check_number(
    where: str, key: str, value: Any, *, whole: bool = False, least: float, most: float = math.inf
) -> None:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not least <= value <= most:
        kind = "whole number" if whole else "number"
        reach = f"at least {least:g}" if most == math.inf else f"{least:g} to {most:g}"
        raise ValueError(f"{where}: {key} must be a {kind} of {reach}, got {value!r}")


def _nearest(word: object, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(str(word), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(map(repr, known))}"
