"""Types of the fields of suites, as pydantic checks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    PlainValidator,
    StrictBool,
    WrapValidator,
)

from ganaug.bench.suite.plugins import Plugin
from ganaug.classifiers.image_classifier import ClassifierConfig
from ganaug.data.json_values import short

CELLS = "cells"  # beside true and false: by cells of class and group
THRESHOLDS = ("balanced accuracy", "F1", "MCC")  # what a decision threshold is tuned for; true is the first
CHECKED = ConfigDict(extra="forbid", revalidate_instances="always")
MOST = 10_000  # splits, folds and so on: a grid of them must be made before anything runs
MOST_SAMPLES = 10**9


def as_tuple(value: Any) -> Any:
    """One value, or several in a list, a range or an array, as a tuple; anything else as it is."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | range):
        return tuple(value)
    return value if isinstance(value, tuple | dict | None) else (value,)


def as_plugins(value: Any) -> Any:
    """Tables of a class and its arguments, alone or among others in a list, as plugins; anything else as it is."""
    if isinstance(value, list | tuple):
        return tuple(map(as_plugins, value))
    return Plugin.of(value) if isinstance(value, dict) else value


def _whole(least: int, most: int = MOST_SAMPLES) -> Any:
    return Field(strict=True, ge=least, le=most)


def _number(least: float, most: float | None = None) -> Any:
    return Field(strict=True, ge=least, le=most, allow_inf_nan=False)


def _as_written(value: Any, check: Callable[[Any], Any]) -> Any:
    """The value itself: a whole number stays one, as digests of suites and cells have it."""
    check(value)
    return value


def _plugin(key: str) -> Any:
    return BeforeValidator(lambda value: Plugin.of(value, key))


def _transform(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(map(_transform, value))
    return value if value is None or (isinstance(value, str) and value) else Plugin.of(value)


def _filters(value: Any) -> Any:
    found = as_tuple(value)
    return tuple(map(_transform, found if isinstance(found, tuple) else (found,)))


def _flag_or(*names: str) -> PlainValidator:
    """True, false, or one of some names."""

    def check(value: Any) -> Any:
        if isinstance(value, bool) or (isinstance(value, str) and value in names):
            return value
        known = "one of " * (len(names) > 1) + ", ".join(f'"{name}"' for name in names)
        raise ValueError(f"must be true or false, or {known}, got {short(value)}")

    return PlainValidator(check)


def _generators(value: Any) -> Any:
    names = value if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(name, str) and name.strip() for name in names) or not names or len({*names}) < len(names):
        raise ValueError(f"must be the name of a generator, or different ones in a list, got {short(value)}")
    return tuple(names) if len(names) > 1 else names[0]


@dataclass(frozen=True)
class _Training:
    """The limits of :class:`ClassifierConfig`, which is made for more than suites."""

    __pydantic_config__: ClassVar[ConfigDict] = CHECKED

    steps: Annotated[int, _whole(1)] = ClassifierConfig.steps
    batch_size: Annotated[int, _whole(1)] = ClassifierConfig.batch_size
    learning_rate: Annotated[float, _number(1e-12), WrapValidator(_as_written)] = ClassifierConfig.learning_rate
    precision: Literal["fp32", "bf16", "auto"] = ClassifierConfig.precision  # type: ignore[assignment]
    threads: Annotated[int, _whole(1)] | None = ClassifierConfig.threads


_checked_training = Annotated[
    _Training,
    BeforeValidator(lambda value: asdict(value) if isinstance(value, ClassifierConfig) else value),
    AfterValidator(lambda found: ClassifierConfig(**asdict(found))),
]

Flag = StrictBool
FlagOrCells = Annotated[bool | str, _flag_or(CELLS)]
Threshold = Annotated[bool | str, _flag_or(*THRESHOLDS)]
Generators = Annotated[str | tuple[str, ...], PlainValidator(_generators)]
Name = Annotated[str, Field(pattern=r"\S")]
SuiteName = Annotated[str, Field(pattern=r"^\w[\w.+-]{0,99}$")]
Count = Annotated[int, _whole(1)]
Amount = Annotated[int, _whole(0)]
Repeats = Annotated[int, _whole(1, MOST)]
Parts = Annotated[int, _whole(2, MOST)]
Number = Annotated[float, _number(0), WrapValidator(_as_written)]
Share = Annotated[float, _number(0, 1), WrapValidator(_as_written)]
OpenShare = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]
Ratio = Annotated[float, _number(1), WrapValidator(_as_written)]
Several = BeforeValidator(as_tuple)
Named = Annotated[Plugin, _plugin("class")]
Dataset = Annotated[Plugin, _plugin("source")]
Transform = Annotated[str | Plugin | tuple[str | Plugin, ...] | None, PlainValidator(_transform)]
Filters = Annotated[tuple[str | Plugin, ...], PlainValidator(_filters)]
Training = Annotated[ClassifierConfig, GetPydanticSchema(lambda _, make: make.generate_schema(_checked_training))]
