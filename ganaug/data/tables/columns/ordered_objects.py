"""Objects with an order and an arithmetic, such as dates and decimals, as whole numbers, and back."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ganaug.data.json_values import short, whole
from ganaug.data.tables.columns.values import boxed, dtype_from_name, dtype_name, from_counts, is_date
from ganaug.data.typed_values import timezone_from_name, timezone_name

__all__ = ["OrderedObjects"]

MICROSECOND = datetime.timedelta(microseconds=1)
EPOCH = datetime.datetime(1970, 1, 1)
EPOCH_UTC = EPOCH.replace(tzinfo=datetime.UTC)
MOST_DIGITS = 400  # of a decimal
MOST_DENOMINATOR = 10**12
EXACT = decimal.Context(prec=2 * MOST_DIGITS, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)

PLAIN_KINDS: dict[type, str] = {
    datetime.date: "date",
    datetime.datetime: "datetime",
    datetime.time: "time",
    datetime.timedelta: "timedelta",
    Decimal: "decimal",  # or "short decimal"
    Fraction: "fraction",
}
# Those that pandas and numpy have a dtype for.
DTYPE_KINDS: dict[type, str] = {
    pd.Timestamp: "pandas",
    pd.Timedelta: "pandas",
    pd.Period: "pandas",
    np.datetime64: "numpy",
    np.timedelta64: "numpy",
}


def _from_epoch(moment: datetime.datetime, zone: datetime.tzinfo | None) -> int:
    return (moment - (EPOCH if zone is None else EPOCH_UTC)) // MICROSECOND


def _at_epoch(number: int, zone: datetime.tzinfo | None) -> datetime.datetime:
    return EPOCH + number * MICROSECOND if zone is None else (EPOCH_UTC + number * MICROSECOND).astimezone(zone)


def _scaled(value: Decimal, decimals: int) -> int:
    return int(EXACT.to_integral_value(EXACT.scaleb(value, decimals)))


def _decimal(number: int, decimals: int) -> Decimal:
    return EXACT.scaleb(Decimal(number), -decimals)


def _short_decimal(number: int, decimals: int) -> Decimal:
    short = _decimal(number, decimals).normalize(EXACT)
    return short if "E" not in str(short) else EXACT.quantize(short, Decimal(1))


# Kinds whose values are counted one by one: as a whole number in a unit, and back.
ONE_BY_ONE: dict[str, tuple[Callable[[Any, Any], int], Callable[[int, Any], Any]]] = {
    "date": (lambda value, _: value.toordinal(), lambda number, _: datetime.date.fromordinal(number)),
    "datetime": (_from_epoch, _at_epoch),
    # A time has no arithmetic of its own, but a day has.
    "time": (
        lambda value, _: (datetime.datetime.combine(EPOCH, value) - EPOCH) // MICROSECOND,
        lambda number, _: (EPOCH + number * MICROSECOND).time(),
    ),
    "timedelta": (lambda value, _: value // MICROSECOND, lambda number, _: number * MICROSECOND),
    "decimal": (_scaled, _decimal),
    "short decimal": (_scaled, _short_decimal),
    "fraction": (lambda value, unit: round(value * unit), Fraction),
}


@dataclass(frozen=True)
class OrderedObjects:
    """How the objects of a column are counted.

    Attributes
    ----------
    kind : str
        "date", "datetime", "time", "timedelta", "decimal" or "fraction" of Python, "short decimal" for decimals without
        zeros at their end, and "pandas" or "numpy" for the scalars of one of their dtypes.
    unit : object
        Time zone of a datetime, decimals of a decimal, denominator of a fraction, dtype of a scalar.

    Examples
    --------
    >>> prices = OrderedObjects.of([Decimal("1.50"), Decimal("12.05")])
    >>> prices.whole([Decimal("1.50")]), prices.objects([1207])
    ([150], [Decimal('12.07')])
    """

    kind: str
    unit: Any = None

    @classmethod
    def of(cls, values: list[Any]) -> OrderedObjects | None:
        """The kind of values without missing ones; None for those that are not of one kind with an order."""
        kinds = set(map(type, values))
        if len(kinds) != 1:
            return None
        (kind,) = kinds
        name = PLAIN_KINDS.get(kind) or DTYPE_KINDS.get(kind)
        if name in ("date", "timedelta"):
            return cls(name)
        if name in ("datetime", "time"):
            zones = {value.tzinfo for value in values}
            return cls(name, zones.pop()) if len(zones) == 1 and (name == "datetime" or zones == {None}) else None
        if name == "decimal":
            return cls._decimals(values)
        if name == "fraction":
            return cls(name, min(math.lcm(*(value.denominator for value in values)), MOST_DENOMINATOR))
        return cls._scalars(name, values) if name else None

    @classmethod
    def _decimals(cls, values: list[Decimal]) -> OrderedObjects | None:
        if any(value.is_infinite() or abs(value.adjusted()) > MOST_DIGITS for value in values):
            return None
        exponents = [int(value.as_tuple().exponent) for value in values]
        finest = min(exponents)
        kind = "decimal" if exponents.count(finest) >= len(exponents) / 2 else "short decimal"
        return cls(kind, -finest) if finest >= -MOST_DIGITS else None

    @classmethod
    def _scalars(cls, name: str, values: list[Any]) -> OrderedObjects | None:
        if name == "numpy":
            dtype = np.array(values).dtype
            return cls(name, dtype) if dtype.kind in "mM" and np.datetime_data(dtype)[0] != "generic" else None
        dtype = pd.Series(values, dtype=object).infer_objects().dtype
        return None if types.is_object_dtype(dtype) else cls(name, dtype)

    def whole(self, values: list[Any]) -> list[int]:
        """Values without missing ones as whole numbers; ``TypeError`` or ``AttributeError`` for values of others."""
        if self.kind in ONE_BY_ONE:
            count = ONE_BY_ONE[self.kind][0]
            return [count(value, self.unit) for value in values]
        array = pd.Series(values, dtype=object).astype(self.unit) if self.kind == "pandas" else np.array(values)
        return array.astype(self.unit).astype("int64").tolist()

    def objects(self, numbers: list[int]) -> list[Any]:
        """Inverse of :meth:`whole`."""
        if self.kind in ONE_BY_ONE:
            restore = ONE_BY_ONE[self.kind][1]
            return [restore(number, self.unit) for number in numbers]
        counts = np.array(numbers, dtype=np.int64)
        return list(counts.view(self.unit)) if self.kind == "numpy" else from_counts(counts, self.unit).tolist()

    def numbers(self, values: list[Any]) -> NDArray[Any]:
        """Values without missing ones in a dtype that numpy computes with: datetime64, timedelta64 or float64."""
        counts = boxed(self.whole(values))
        if self.kind == "date":
            return (counts - EPOCH.toordinal()).astype("M8[D]").astype("M8[s]")
        if self.kind in ("datetime", "time", "timedelta"):
            return counts.astype("M8[us]" if self.kind == "datetime" else "m8[us]")
        if self.kind in ("pandas", "numpy") and is_date(self.unit):
            return counts.astype(f"{self.unit.kind}8[{np.datetime_data(np.dtype(self.unit.str))[0]}]")
        exponent = -self.unit if self.kind.endswith("decimal") else 0
        divisor = self.unit if self.kind == "fraction" else 1
        return np.array([float(count * Fraction(10) ** exponent / divisor) for count in counts])

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        unit = self.unit
        if self.kind == "datetime":
            unit = timezone_name(unit)
        elif self.kind in ("pandas", "numpy"):
            unit = dtype_name(unit)
        return {"kind": self.kind, "unit": unit}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> OrderedObjects:
        """Inverse of :meth:`to_state`; ``ValueError``, ``TypeError`` or ``LookupError`` for what cannot be."""
        objects = cls(**state)
        kind, unit = objects.kind, objects.unit
        if kind == "datetime":
            return cls(kind, timezone_from_name(unit))
        if kind in ("decimal", "short decimal"):
            return cls(kind, whole(unit, "decimals", -MOST_DIGITS, MOST_DIGITS))
        if kind == "fraction":
            return cls(kind, whole(unit, "denominator", 1, MOST_DENOMINATOR))
        if kind in ("pandas", "numpy"):
            dtype = dtype_from_name(unit)
            of_numpy = isinstance(dtype, np.dtype) and dtype.kind in "mM"
            if not of_numpy and (kind == "numpy" or not isinstance(dtype, pd.DatetimeTZDtype | pd.PeriodDtype)):
                raise ValueError(f"no objects are of the dtype {dtype}")
            return cls(kind, dtype)
        if kind not in ("date", "time", "timedelta"):
            raise ValueError(f"there are no objects of the kind {short(kind)}")
        return cls(kind)
