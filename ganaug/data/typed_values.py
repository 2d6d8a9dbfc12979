"""Single values, such as a date or a tuple, as JSON holds them, and back with their type."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from ganaug.data.json_values import short

__all__ = ["from_json", "timezone_from_name", "timezone_name", "to_json", "unlike"]

PLAIN = (str, bool, int, float)
MOST_BITS = 4096  # of a whole number
MOST_DEPTH = 4
MICROSECOND = datetime.timedelta(microseconds=1)
FRACTION = re.compile(r"-?\d{1,1200}(/\d{1,1200})?")
OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")


def timezone_name(zone: datetime.tzinfo | None) -> str | None:
    """What :func:`timezone_from_name` finds a time zone by; ``ValueError`` where there is no such name."""
    if zone is None:
        return None
    name = getattr(zone, "key", None) or getattr(zone, "zone", None) or str(zone)
    if isinstance(zone, datetime.timezone) and zone is not datetime.UTC:
        name = datetime.datetime(2000, 1, 1, tzinfo=zone).isoformat()[19:]
    try:
        timezone_from_name(name)
    except (ValueError, LookupError, OSError):
        raise ValueError(f"the time zone {zone} has no name; convert to UTC or to a named one") from None
    return name


def timezone_from_name(name: Any) -> datetime.tzinfo | None:
    """A time zone by its name, "UTC", or an offset such as "+01:00"; None for None."""
    if name is None:
        return None
    if name == "UTC":
        return datetime.UTC
    if match := OFFSET.fullmatch(name):
        offset = datetime.timedelta(hours=int(match[2]), minutes=int(match[3]))
        return datetime.timezone(-offset if match[1] == "-" else offset)
    return ZoneInfo(name)


def _in_zone(text: Any, zone: Any) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    return moment if zone is None else moment.astimezone(timezone_from_name(zone))


def _stamp_in_zone(text: Any, zone: Any) -> pd.Timestamp:
    moment = pd.Timestamp(text)
    return moment if zone is None else moment.tz_convert(timezone_from_name(zone))


def _fraction(text: Any) -> Fraction:
    if FRACTION.fullmatch(text) is None:  # an exponent could make one as large as the memory
        raise ValueError(f"a fraction cannot be {short(text)}")
    return Fraction(text)


# Type, what JSON holds of it, and back.
KINDS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "datetime": (datetime.datetime, lambda v: [v.isoformat(), timezone_name(v.tzinfo)], lambda v: _in_zone(*v)),
    "time": (datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
    "timedelta": (datetime.timedelta, lambda v: v // MICROSECOND, lambda v: v * MICROSECOND),
    "Timestamp": (pd.Timestamp, lambda v: [v.isoformat(), timezone_name(v.tzinfo)], lambda v: _stamp_in_zone(*v)),
    "Timedelta": (pd.Timedelta, pd.Timedelta.isoformat, pd.Timedelta),
    "Period": (pd.Period, lambda v: [v.ordinal, v.freqstr], lambda v: pd.Period(ordinal=v[0], freq=v[1])),
    "datetime64": (np.datetime64, lambda v: [str(v), np.datetime_data(v)[0]], lambda v: np.datetime64(*v)),
    "timedelta64": (
        np.timedelta64,
        lambda v: [int(v.astype(np.int64)), np.datetime_data(v)[0]],
        lambda v: np.timedelta64(*v),
    ),
    "Decimal": (Decimal, str, Decimal),
    "Fraction": (Fraction, str, _fraction),
    "UUID": (UUID, str, UUID),
    "float": (float, repr, float),
}


def to_json(value: Any, depth: int = 0) -> Any:
    """A value as JSON can hold it, with its type where that is none of JSON's own.

    Raises
    ------
    ValueError
        For a value of a type that :func:`from_json` would not make again.

    Examples
    --------
    >>> import datetime
    >>> to_json(3), to_json(("a", datetime.date(2020, 1, 5)))
    (3, {'tuple': ['a', {'date': '2020-01-05'}]})
    """
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64 | np.timedelta64):
        value = value.item()
    if value is None or (isinstance(value, PLAIN) and _is_plain(value)):
        return value
    if isinstance(value, str):
        return {"utf-8": value.encode("utf-8", "surrogatepass").hex()}
    if isinstance(value, tuple) and type(value) is tuple and depth < MOST_DEPTH:
        return {"tuple": [to_json(part, depth + 1) for part in value]}
    if isinstance(value, pd.Interval):
        return {"Interval": [to_json(value.left, depth + 1), to_json(value.right, depth + 1), value.closed]}
    for name, (kind, describe, restore) in KINDS.items():
        if type(value) is kind:
            described = describe(value)
            if restore(described) == value:
                return {name: described}
    raise ValueError(
        f"{short(value)} is a {type(value).__name__}, and only strings, numbers, booleans, bytes, dates, times, "
        "durations and tuples of them can be saved"
    )


def _is_plain(value: str | float) -> bool:
    """Whether a value comes out of a JSON file as it went in."""
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return math.isfinite(value) if isinstance(value, float) else value.bit_length() <= MOST_BITS


def from_json(value: Any, depth: int = 0) -> Any:
    """Inverse of :func:`to_json`; ``ValueError``, ``TypeError`` or ``LookupError`` for what cannot be."""
    if value is None or (isinstance(value, PLAIN) and _is_plain(value)):
        return value
    if not isinstance(value, dict) or len(value) != 1 or depth > MOST_DEPTH:
        raise ValueError(f"a value cannot be {short(value)}")
    ((name, described),) = value.items()
    if name == "utf-8":
        return bytes.fromhex(described).decode("utf-8", "surrogatepass")
    if name == "tuple":
        return tuple(from_json(part, depth + 1) for part in described)
    if name == "Interval":
        left, right, closed = described
        return pd.Interval(from_json(left, depth + 1), from_json(right, depth + 1), closed)
    restored = KINDS[name][2](described)
    if type(restored) is not KINDS[name][0]:
        raise ValueError(f"a {name} cannot be {short(described)}")
    return restored


def unlike(values: Any, name: str) -> list[Any]:
    """Different values out of a JSON list, none of them missing; ``ValueError`` for anything else."""
    if not isinstance(values, list):
        raise ValueError(f"{name} must be a list, got {short(values)}")
    restored = [from_json(value) for value in values]
    if any(value is None or value is pd.NaT or value != value for value in restored):  # noqa: PLR0124
        raise ValueError(f"{name} must not be missing, got {short(values)}")
    if len(set(restored)) < len(restored):
        raise ValueError(f"{name} must be different from each other, got {short(values)}")
    return restored
