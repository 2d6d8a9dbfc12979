"""Numbers and dates that stand in a column as text: how they are written, reading them, and writing others alike.

A column of text is read where at least nine tenths of its cells, those that mark a missing value apart, are numbers or
dates of one format. Text of digits that is a code stays text: zip codes with a leading zero, phone numbers, versions,
and dates in which day and month cannot be distinguished.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ganaug.data.json_values import short, whole

__all__ = ["MARKS", "TextFormat", "may_be_text", "read_text_column"]

# Case and blanks around them do not count.
MARKS = {"", "?", "??", "-", "--", "---", "–", "—", ".", "..", "*", "na", "n/a", "n.a.", "n.a", "#n/a", "#na", "<na>"}
MARKS |= {"nan", "-nan", "nat", "null", "(null)", "none", "nil", "missing", "unknown", "not available", "no data"}
LEAST_SHARE = 0.9  # of the cells that must be read
SAMPLE = 200  # distinct cells of which a half must be read before all are tried
CODE_DIGITS, CODE_SHARE = 7, 0.9  # whole numbers of so many digits, all of one length and this share unlike, are codes
MOST_DECIMALS, MOST_LETTERS = 20, 60

CURRENCIES = "$€£¥₹"
BLANKS = " \u00a0\u202f"
# Of equally good ones the first: decimal mark, and mark between thousands.
SEPARATORS = ((".", ""), (".", ","), (",", ""), (",", "."), *((d, t) for t in [*BLANKS, "'", "’"] for d in ".,"))

ISO, DAY_FIRST, MONTH_FIRST = "%Y{s}%m{s}%d", "%d{s}%m{s}%Y", "%m{s}%d{s}%Y"
DATES = {
    r"\d{4}(?P<s>[-/.])\d{1,2}(?P=s)\d{1,2}": (ISO,),
    r"\d{1,2}(?P<s>[-/. ])\d{1,2}(?P=s)\d{4}": (DAY_FIRST, MONTH_FIRST),
    r"\d{1,2}(?P<s>[-/.])\d{1,2}(?P=s)\d{2}": (DAY_FIRST.replace("Y", "y"), MONTH_FIRST.replace("Y", "y")),
    r"\d{1,2}(?P<s>[-/ ])[^\W\d_]{3,}(?P=s)\d{4}": ("%d{s}%b{s}%Y", "%d{s}%B{s}%Y"),
    r"(?P<s>)[^\W\d_]{3,} \d{1,2}, \d{4}": ("%b %d, %Y", "%B %d, %Y"),
    r"(?P<s>)": ("",),
}
TIME = r"(?P<t>[T ]?)(?P<h>\d{1,2}:\d\d)(?P<sec>:\d\d)?(?P<frac>\.(?:\d{6}|\d{3}))?(?P<half> ?[AaPp][Mm])?"
ZONE = r"(?P<zone>Z|[+-]\d\d:?\d\d)?"
ZONED = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")  # at the end of a date format
PADDING = ((), ("m", "d"), ("H", "I"), ("m", "d", "H", "I"))  # directives without a leading zero
DIRECTIVE = re.compile(r"%(?:-?[mdHI]|[YyBbMSp]|[36]f)")
LITERAL = re.compile(r"[-/., :TZ+0-9]*")
MINUS_ZERO = re.compile(r"^-(?=[0.,]+$)")  # of a small number that was rounded


@dataclass(frozen=True)
class TextFormat:
    """How the numbers or dates of a column are written.

    Attributes
    ----------
    kind : {"number", "date", "object"}
        "object" stands for values that are no text themselves, among marks for missing ones that are.
    marks : tuple of str
        Cells that mean a missing value.
    missing : str or None
        The one that is written; None leaves what pandas has for it.
    decimal, thousands : str
        Marks before the decimals and between groups of three digits.
    decimals : int
        How many are written; -1 for as many as a number needs.
    whole_point : bool
        Whether whole numbers among others are written "2.0" rather than "2".
    exponent : str
        "e" or "E" where numbers have one.
    prefix, suffix : str
        Around all numbers, such as "$" and "%".
    date_format : str
        As of ``strftime``, with "%-d" for a day without a leading zero and "%3f" for milliseconds.
    unread : int
        Cells that are neither, and were read as missing.

    Examples
    --------
    >>> values, form = read_text_column(pd.Series(["12,345", "?", "7", "1,000"]))
    >>> values.tolist()
    [12345, <NA>, 7, 1000]
    >>> form.write(values + 1).tolist()
    ['12,346', '?', '8', '1,001']
    >>> str(form)
    "numbers with ',' between thousands, missing ones '?'"
    """

    kind: str
    marks: tuple[str, ...] = ()
    missing: str | None = None
    decimal: str = "."
    thousands: str = ""
    decimals: int = 0
    whole_point: bool = False
    exponent: str = ""
    prefix: str = ""
    suffix: str = ""
    date_format: str = ""
    unread: int = 0

    def __str__(self) -> str:
        parts = {"number": "numbers", "date": f"dates {self.date_format}", "object": "numbers and dates"}[self.kind]
        marks = [f"{self.thousands!r} between thousands"] * bool(self.thousands)
        marks += [f"decimal {self.decimal!r}"] * (self.decimal != "." and self.decimals != 0)
        marks += [f"{around!r}" for around in (self.prefix, self.suffix) if around.strip()]
        parts += f" with {' and '.join(marks)}" if marks else ""
        parts += f", missing ones {', '.join(map(repr, self.marks[:4]))}" if self.marks else ""
        return parts + (f", {self.unread} unreadable ones as missing" if self.unread else "")

    @property
    def beside_dates(self) -> bool:
        """Whether what is written is more or less than a date: a time alone, or a date with a time zone."""
        zoned = ZONED.search(self.date_format) is not None
        return self.kind == "date" and (zoned or "%y" not in self.date_format.casefold())

    def is_missing(self, text: pd.Series) -> pd.Series:
        """Which cells hold nothing, or a mark for it."""
        return text.isna() | text.isin(self.marks)

    def read(self, text: pd.Series) -> pd.Series:
        """Numbers or dates of cells written in this format; missing where a cell is neither.

        Returns
        -------
        Series
            Int64, Float64 or datetime64; the objects themselves for "object".
        """
        absent = self.is_missing(text)
        if self.kind == "object":
            return text.mask(absent, None)
        codes, cells = pd.factorize(text.mask(absent).astype(object))
        distinct = pd.Series(cells, dtype=object).str.strip()
        read = self._dates(distinct) if self.kind == "date" else self._numbers(distinct)
        return pd.Series(read.array.take(codes, allow_fill=True), index=text.index, name=text.name)

    def write(self, values: pd.Series) -> pd.Series:
        """Text of numbers or dates in this format, of dtype object."""
        absent = values.isna().to_numpy()
        written = values.astype(object).to_numpy(copy=True)
        if self.missing is not None:
            written[absent] = self.missing
        if self.kind != "object" and not absent.all():
            codes, known = pd.factorize(values[~absent])
            written[~absent] = np.array(self._written(pd.Series(known)), dtype=object)[codes]
        return pd.Series(written, index=values.index, name=values.name, dtype=object)

    def _numbers(self, cells: pd.Series) -> pd.Series:
        found = cells.str.extract(_pattern(self.decimal, self.thousands))
        fits = (found["prefix"].fillna("") == self.prefix) & (found["suffix"].fillna("") == self.suffix)
        fits &= found["whole"].notna() | found["decimals"].notna()
        integers = self.decimals == 0 and not self.exponent
        if integers:
            fits &= found["decimals"].isna()
        found = found.fillna("")
        digits = found["whole"].str.replace(self.thousands, "", regex=False) if self.thousands else found["whole"]
        text = found["minus"] + digits.where(digits != "", "0")
        if integers:
            fits &= digits.str.len() <= 18  # of 64 bits
            return pd.Series([int(t) if yes else None for t, yes in zip(text, fits, strict=True)], dtype="Int64")
        text += "." + found["decimals"].where(found["decimals"] != "", "0") + found["exponent"]
        numbers = pd.Series([float(t) if yes else np.nan for t, yes in zip(text, fits, strict=True)], dtype=float)
        return numbers.where(np.isfinite(numbers)).astype("Float64")

    def _dates(self, cells: pd.Series) -> pd.Series:
        plain = re.sub(r"%[36]f", "%f", self.date_format.replace("%-", "%"))
        return pd.to_datetime(cells, format=plain, errors="coerce")

    def _written(self, values: pd.Series) -> list[str]:
        if self.kind == "date":
            return self._written_dates(values)
        swap = str.maketrans({".": self.decimal, ",": self.thousands})
        minus = ["-" if value < 0 else "" for value in values]
        return [
            f"{sign}{self.prefix}{self._digits(abs(value)).translate(swap)}{self.suffix}"
            for sign, value in zip(minus, values.tolist(), strict=True)
        ]

    def _digits(self, value: float) -> str:
        """A number without its sign, as English has it."""
        if self.exponent:
            shortest = repr(float(value)).replace("e", self.exponent)
            return shortest if self.decimals < 0 else f"{value:.{self.decimals}{self.exponent}}"
        group = "," if self.thousands else ""
        if self.decimals == 0:
            return f"{round(value):{group}}"
        if self.decimals > 0:
            return f"{value:{group}.{self.decimals}f}"
        digits, _, decimals = np.format_float_positional(value, trim="0").partition(".")
        return f"{int(digits):{group}}" + (f".{decimals}" if decimals != "0" or self.whole_point else "")

    def _written_dates(self, values: pd.Series) -> list[str]:
        texts = pd.Series("", index=values.index, dtype=object)
        for part in re.split(f"({DIRECTIVE.pattern})", self.date_format):
            if not part.startswith("%"):
                texts += part
            elif part.endswith("f"):
                texts += values.dt.strftime("%f").str[: int(part[1])].astype(object)
            else:
                piece = values.dt.strftime(part.replace("-", "")).astype(object)
                texts += piece.str.lstrip("0").replace("", "0") if "-" in part else piece
        return texts.tolist()

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"marks": list(self.marks)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TextFormat:
        """Inverse of :meth:`to_state`; ``ValueError`` or ``TypeError`` for what cannot be."""
        form = cls(**state | {"marks": tuple(state["marks"])})
        texts = [*form.marks, *([] if form.missing is None else [form.missing]), form.date_format]
        if not all(isinstance(text, str) and len(text) <= MOST_LETTERS for text in texts):
            raise ValueError(f"marks and date formats must be short texts, got {short(texts)}")
        around = [(form.prefix, CURRENCIES), (form.suffix, CURRENCIES + "%")]
        fits = all(isinstance(a, str) and len(a) <= 2 and not set(a) - set(signs + BLANKS) for a, signs in around)
        if not fits or (form.decimal, form.thousands) not in SEPARATORS or form.exponent not in ("", "e", "E"):
            raise ValueError(f"numbers cannot be written as {short(state)}")
        if form.kind not in ("number", "date", "object") or not isinstance(form.whole_point, bool):
            raise ValueError(f"no text is written as {short(form.kind)}")
        if LITERAL.fullmatch(DIRECTIVE.sub("", form.date_format)) is None:
            raise ValueError(f"no date is written as {short(form.date_format)}")
        whole(form.decimals, "decimals", -1, MOST_DECIMALS)
        whole(form.unread, "unread", 0, 2**53)
        return form


def read_text_column(
    series: pd.Series,
    *,
    marks: Iterable[str] = (),
    decimal: str | None = None,
    day_first: bool | None = None,
    plain: bool = False,
) -> tuple[pd.Series, TextFormat] | None:
    """Numbers or dates out of a column of text, and how they are written there.

    Parameters
    ----------
    series : Series
        Strings; values that are missing may stand among them. Also objects that are no strings, among marks that are.
    marks : iterable of str
        Cells that mean a missing value, beside those of ``MARKS``.
    decimal : {".", ","}, optional
        Decimal mark; decides about "1,234" and "1.234", which otherwise are a thousand and one with three decimals.
    day_first : bool, optional
        Whether the day is before the month in dates such as 01/02/2020; otherwise a value above 12 must show it.
    plain : bool
        Also read whole numbers that look like codes: no mark for missing values, no decimals, no thousands.

    Returns
    -------
    tuple of Series and TextFormat, or None
        Values of dtype Int64, Float64 or datetime64, and their format; None for a column that stays text.

    Examples
    --------
    >>> values, form = read_text_column(pd.Series(["04/15/2020", "01/02/2021", "n/a"]))
    >>> values.tolist(), form.date_format
    ([Timestamp('2020-04-15 00:00:00'), Timestamp('2021-01-02 00:00:00'), NaT], '%m/%d/%Y')
    >>> read_text_column(pd.Series(["02134", "10001", "?"])) is None
    True
    """
    if not may_be_text(series):
        return None
    known = series[series.notna()]
    if types.infer_dtype(known) != "string":
        return _among_marks(series, known, marks)
    counts = known.astype(object).value_counts()
    cells = pd.Series(counts.index, dtype=object)
    marked = _is_mark(cells, marks)
    form = _marks_of(series, counts[marked])
    codes, distinct = pd.factorize(cells[~marked].str.strip().to_numpy(dtype=object))
    counts = pd.Series(np.bincount(codes, counts[~marked]), index=pd.Index(distinct, dtype=object))
    if counts.empty:
        return None
    chosen = _number_format(counts, form, decimal, plain) or _date_format(counts, form, day_first)
    if chosen is None:
        return None
    values = chosen.read(series)
    return values, replace(chosen, unread=int((values.isna() & ~chosen.is_missing(series)).sum()))


def _among_marks(series: pd.Series, known: pd.Series, marks: Iterable[str]) -> tuple[pd.Series, TextFormat] | None:
    """Objects that are no text, in a column where some text marks a missing value."""
    is_text = known.map(lambda value: isinstance(value, str)).to_numpy(dtype=bool)
    cells = known[is_text].astype(object)
    if not len(cells) or not _is_mark(cells, marks).all():
        return None
    form = _marks_of(series, cells.value_counts())
    return form.read(series.astype(object)), form


def _is_mark(cells: pd.Series, marks: Iterable[str]) -> NDArray[np.bool_]:
    return (cells.str.strip().str.casefold().isin(MARKS) | cells.isin(list(marks))).to_numpy(dtype=bool)


def _marks_of(series: pd.Series, counts: pd.Series) -> TextFormat:
    """What is known once the marks are: the most frequent is written, unless pandas' own is more frequent."""
    written = len(counts) > 0 and counts.iloc[0] >= series.isna().sum()
    return TextFormat("object", tuple(counts.index), counts.index[0] if written else None)


def may_be_text(series: pd.Series) -> bool:
    """Whether the dtype of a column is one of text or of any objects."""
    return types.is_object_dtype(series.dtype) or types.is_string_dtype(series.dtype)


def _number_format(counts: pd.Series, form: TextFormat, decimal: str | None, plain: bool) -> TextFormat | None:
    cells = pd.Series(counts.index, dtype=object)
    candidates = [pair for pair in SEPARATORS if decimal is None or pair[0] == decimal]
    sample = cells[:SAMPLE]
    parsed = [sample.str.fullmatch(_pattern(*pair)).sum() for pair in candidates]
    if max(parsed) < len(sample) / 2:
        return None
    best = [pair for pair, n in zip(candidates, parsed, strict=True) if n == max(parsed)]
    shares: list[float] = []
    while 1.0 not in shares and len(shares) < len(best):  # further cells may hold what the first do not
        shares.append(_share(cells.str.fullmatch(_pattern(*best[len(shares)])), counts))
    pair = best[int(np.argmax(shares))]
    found = cells.str.extract(_pattern(*pair))
    fits = found["whole"].notna() | found["decimals"].notna()
    if _share(fits, counts) < LEAST_SHARE:
        return None
    found, counts, cells = found[fits].fillna(""), counts[fits.to_numpy()], cells[fits]
    grouped = bool(pair[1]) and bool(found["whole"].str.contains(pair[1], regex=False).any())
    around = (found["prefix"] + "|" + found["suffix"]).value_counts().index[0].split("|")
    form = replace(
        form,
        kind="number",
        decimal=pair[0],
        thousands=pair[1] if grouped else "",
        prefix=around[0],
        suffix=around[1],
    )
    if _is_code(found, counts, pair[1]):
        return None
    variants = [replace(form, **values) for values in _decimals(found)]
    written = [_same(variant, cells, counts) for variant in variants]
    form = variants[int(np.argmax(written))]
    integers = form.decimals == 0 and not form.exponent
    # Whole numbers without a mark may be codes, and decimals that no number is written with are versions: 1.9, 1.10.
    evident = bool(form.marks or form.thousands or any(around)) or plain or (not integers and max(written) == 1)
    return form if evident else None


def _is_code(found: pd.DataFrame, counts: pd.Series, thousands: str) -> bool:
    """Whether digits name something: a leading zero, or long ones of one length, nearly all unlike."""
    if found["whole"].str.match(r"0\d").any():
        return True
    if (found["exponent"] != "").any() and not (found["decimals"] != "").any():
        return True  # 12E4 is a part rather than a number
    if thousands == "," or (found[["decimals", "prefix", "suffix", "minus"]] != "").any(axis=None):
        return False
    lengths = found["whole"].str.count(r"\d")
    return lengths.nunique() == 1 and lengths.iloc[0] >= CODE_DIGITS and len(counts) >= CODE_SHARE * counts.sum()


def _decimals(found: pd.DataFrame) -> list[dict[str, Any]]:
    """Ways to write the decimals, the plainest first."""
    lengths = found["decimals"].str.len()
    exponents = found["exponent"]
    letter = exponents[exponents != ""].iloc[0][0] if (exponents != "").any() else ""
    if not lengths.any() and not letter:
        return [{"decimals": 0}]
    fixed = {"decimals": int(lengths.mode().iloc[0]), "exponent": letter}
    free = {"decimals": -1, "exponent": letter}
    return ([fixed] if fixed["decimals"] or letter else []) + [free, free | {"whole_point": True}]


def _pattern(decimal: str, thousands: str) -> str:
    """A number with these marks, in named groups; in the digits of ASCII, as it is written."""
    between = re.escape(thousands)
    groups = rf"[1-9][0-9]{{0,2}}(?:{between}[0-9]{{3}})+|" if thousands else ""
    signs = f"[{re.escape(CURRENCIES)}]"
    return (
        rf"^(?P<minus>-?)(?P<prefix>{signs}[{BLANKS}]?)?(?P<whole>(?:{groups}[0-9]+))?"
        rf"(?:{re.escape(decimal)}(?P<decimals>[0-9]+))?(?P<exponent>[eE][+-]?[0-9]{{1,3}})?"
        rf"(?P<suffix>[{BLANKS}]?(?:{signs}|%))?$"
    )


def _date_format(counts: pd.Series, form: TextFormat, day_first: bool | None) -> TextFormat | None:
    cells = pd.Series(counts.index, dtype=object)
    formats: dict[str, None] = {}
    for text in cells[:SAMPLE]:
        formats |= dict.fromkeys(_date_formats(text))
    tried = []
    for date_format in list(formats)[:12]:
        if day_first is not None and date_format.startswith("%m" if day_first else "%d") and "%m" in date_format:
            continue
        candidate = replace(form, kind="date", date_format=date_format)
        share = _share(candidate._dates(cells).notna(), counts)
        if share >= LEAST_SHARE:
            tried.append((share, candidate))
    if not tried:
        return None
    best = max(share for share, _ in tried)
    equal = [candidate for share, candidate in tried if share == best]
    orders = {re.sub(r"[^Ymdy]", "", c.date_format) for c in equal if "%m" in c.date_format}
    if len(orders) > 1:
        return None  # 01/02/2020 may be of January or of February
    variants = [replace(c, date_format=_unpadded(c.date_format, letters)) for c in equal for letters in PADDING]
    return max(variants, key=lambda variant: _same(variant, cells, counts))


def _date_formats(text: str) -> list[str]:
    """Formats that a date may have."""
    for pattern, orders in DATES.items():
        time = TIME if pattern == r"(?P<s>)" else f"(?:{TIME})?"
        match = re.fullmatch(pattern + time + ZONE, text)
        if match is None or bool(match["t"]) != bool(match["h"] and orders != ("",)):
            continue
        ending = ""
        if match["h"]:
            ending = match["t"] + ("%I:%M" if match["half"] else "%H:%M") + (":%S" if match["sec"] else "")
            ending += f".%{len(match['frac']) - 1}f" if match["frac"] else ""
            ending += f"{match['half'][:-2]}%p" if match["half"] else ""
            ending += match["zone"] or ""
        elif match["zone"]:
            continue
        return [order.replace("{s}", match["s"]) + ending for order in orders]
    return []


def _unpadded(date_format: str, letters: tuple[str, ...]) -> str:
    for letter in letters:
        date_format = date_format.replace(f"%{letter}", f"%-{letter}")
    return date_format


def _same(form: TextFormat, cells: pd.Series, counts: pd.Series) -> float:
    """Share of the cells that come back as they were, by the first ones."""
    cells, counts = cells[:SAMPLE], counts[:SAMPLE]
    wanted = cells.str.replace(MINUS_ZERO, "", regex=True)
    # Of what cannot be held, such as thirty digits, pandas' missing value would be compared.
    return _share(form.write(form.read(cells)).astype(str).to_numpy() == wanted.to_numpy(), counts)


def _share(chosen: pd.Series | NDArray[np.bool_], counts: pd.Series) -> float:
    return float(counts.to_numpy()[np.asarray(chosen, dtype=bool)].sum() / counts.sum())
