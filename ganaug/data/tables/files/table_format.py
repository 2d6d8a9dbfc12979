"""How the cells of a CSV file are written, column by column, so that new rows look like the ones that were read."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ganaug.data.json_values import short, whole
from ganaug.data.tables.columns.text_values import MARKS, TextFormat, read_text_column
from ganaug.data.tables.files.csv_format import CsvFormat

__all__ = ["CellFormat", "TableFormat"]

SAMPLE = 500  # distinct cells that a column's format is learnt from
ROUNDED = 6  # decimals up to which encoders round themselves
MOST_DECIMALS = 20
MOST_DIGITS = 15  # that a float keeps of any number
MOST_SPELLINGS, MOST_LETTERS, MOST_COLUMNS = 64, 1000, 100_000
PLAIN = (bool, int, float)


@dataclass(frozen=True)
class CellFormat:
    """How the cells of one column are written.

    Attributes
    ----------
    text : TextFormat or None
        Of numbers and dates; None for what is written as Python has it.
    missing : str
        What stands for a missing value.
    digits : int
        Significant ones at most; 0 for as many as a number needs.
    plus : bool
        Whether positive numbers have their sign.
    quoted, missing_quoted : bool
        Whether also cells are in quotation marks that need none, and so what stands for a missing value.
    bare : bool
        Whether quotation marks stand inside of cells that are in none.
    spellings : dict
        Cells of values that are written in another way, such as ``{True: "TRUE"}``.
    """

    text: TextFormat | None = None
    missing: str = ""
    digits: int = 0
    plus: bool = False
    quoted: bool = False
    missing_quoted: bool = False
    bare: bool = False
    spellings: dict[Any, str] = field(default_factory=dict)

    @classmethod
    def learn(
        cls,
        cells: pd.Series,
        values: pd.Series,
        text: TextFormat | None,
        quotes: NDArray[np.bool_] | None,
        decimal: str,
    ) -> CellFormat:
        """Find out how values are written.

        Parameters
        ----------
        cells : Series of str
        values : Series
            What was read from them.
        text : TextFormat or None
            How they were read, if not by pandas.
        quotes : ndarray of bool or None
            Which of the first cells are in quotation marks; None if none is.
        decimal : str
            Of numbers that were read by pandas.
        """
        written, absent = cells.tolist(), values.isna().to_numpy()
        marks = Counter(itertools.compress(written, absent))
        if text is not None and text.unread:  # cells that could not be read are no marks
            marks = (
                Counter({m: n for m, n in marks.items() if m in text.marks or m.strip().casefold() in MARKS}) or marks
            )
        form = cls(text, marks.most_common(1)[0][0] if marks else "")
        if quotes is not None:
            form = form._with_quotes(np.array(written[: len(quotes)], dtype=object), absent[: len(quotes)], quotes)
        if types.is_string_dtype(values.dtype):
            return form
        # Of several ways to write a value the most frequent comes first.
        common = [cell for cell, _ in Counter(itertools.compress(written, ~absent)).most_common(SAMPLE)]
        meaning = dict(zip(written, values.tolist(), strict=True))
        if types.is_numeric_dtype(values.dtype) and not types.is_bool_dtype(values.dtype) and common:
            return form._of_numbers(common, [meaning[cell] for cell in common], values.dtype, decimal)
        return form._with_exceptions(common, pd.Series([meaning[cell] for cell in common], dtype=values.dtype))

    def _with_quotes(self, cells: NDArray[Any], absent: NDArray[np.bool_], quotes: NDArray[np.bool_]) -> CellFormat:
        known = quotes[~absent]
        quoted = bool(known.all() and known.any())
        missing = bool(quotes[absent].all()) if absent.any() else quoted and bool((cells != "").all())
        bare = any('"' in cell for cell in cells[~quotes])
        return replace(self, quoted=quoted, missing_quoted=missing, bare=bare)

    def _of_numbers(self, cells: list[str], values: list[Any], dtype: Any, decimal: str) -> CellFormat:
        form = self
        if self.text is None and all(cell.startswith("+") for cell, v in zip(cells, values, strict=True) if v > 0):
            form = replace(self, plus=max(values) > 0)
        if self.text is None:
            bare = [cell.strip().removeprefix("+") for cell in cells]
            text = _plain_format(bare, values, decimal)
            if text is not None:
                return replace(form, text=text, digits=_digits(bare, text))
            found = read_text_column(pd.Series(bare, dtype=object), plain=True, decimal=decimal)
            form = replace(form, text=found[1] if found is not None and found[1].kind == "number" else None)
        form = replace(form, digits=_digits(cells, form.text))
        return form._with_exceptions(cells, pd.Series(values, dtype=dtype))

    def _with_exceptions(self, cells: list[str], values: pd.Series) -> CellFormat:
        """Keep what is written otherwise than the rest, unless that is a lot."""
        if not types.is_numeric_dtype(values.dtype):
            return self
        first = ~values.duplicated().to_numpy()
        cells, values = list(itertools.compress(cells, first)), values[first]
        found = zip(values.tolist(), cells, self.write(values), strict=True)
        others = {value: cell for value, cell, written in found if cell != written}
        return replace(self, spellings=others) if len(others) <= MOST_SPELLINGS else self

    def write(self, values: pd.Series) -> list[str]:
        """Text of values."""
        absent = values.isna().to_numpy()
        if self.digits:
            rounded = [value if pd.isna(value) else float(f"{value:.{self.digits}g}") for value in values]
            values = pd.Series(rounded, index=values.index, dtype="Float64")
        if self.text is not None and _writable(self.text, values):
            written = self.text.write(values).tolist()
        else:
            written = values.astype(object).tolist()
        if self.plus:
            written = [f"+{w}" if not a and v > 0 else w for w, v, a in zip(written, values, absent, strict=True)]
        if self.spellings:
            known = values.astype(object).where(~absent, None).tolist()
            written = [self.spellings.get(value, cell) for value, cell in zip(known, written, strict=True)]
        return [self.missing if gone else str(cell) for gone, cell in zip(absent, written, strict=True)]

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        text = None if self.text is None else self.text.to_state()
        return {
            "text": text,
            "missing": self.missing,
            "digits": self.digits,
            "plus": self.plus,
            "quoted": self.quoted,
            "missing_quoted": self.missing_quoted,
            "bare": self.bare,
            "spellings": [[value, cell] for value, cell in self.spellings.items()],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> CellFormat:
        """Inverse of :meth:`to_state`; ``ValueError`` or ``TypeError`` for what cannot be."""
        spellings = state["spellings"]
        pairs = [(v, cell) for v, cell in spellings if isinstance(v, PLAIN) and _is_short(cell)]
        if len(pairs) < len(spellings) or len(pairs) > MOST_SPELLINGS:
            raise ValueError(f"cells cannot be written as {short(spellings)}")
        flags = [state[name] for name in ("plus", "quoted", "missing_quoted", "bare")]
        if not _is_short(state["missing"]) or not all(isinstance(flag, bool) for flag in flags):
            raise ValueError(f"cells cannot be written as {short(state)}")
        whole(state["digits"], "digits", 0, MOST_DIGITS)
        text = None if state["text"] is None else TextFormat.from_state(state["text"])
        return cls(**state | {"text": text, "spellings": dict(pairs)})


def _plain_format(cells: list[str], values: list[Any], decimal: str) -> TextFormat | None:
    """The format of numbers without anything around and between their digits, if it gives each cell exactly."""
    if not all(math.isfinite(value) for value in values):
        return None
    lengths = {len(cell.partition(decimal)[2]) for cell in cells}
    fixed = min(*lengths, MOST_DECIMALS) if len(lengths) == 1 else 0
    if [f"{value:.{fixed}f}".replace(".", decimal) for value in values] == cells:
        return TextFormat("number", decimal=decimal, decimals=fixed)
    trims: tuple[Literal["-", "0"], ...] = ("-", "0")
    for trim in trims:
        if [np.format_float_positional(v, trim=trim).replace(".", decimal) for v in map(float, values)] == cells:
            return TextFormat("number", decimal=decimal, decimals=-1, whole_point=trim == "0")
    return None


def _digits(cells: list[str], text: TextFormat | None) -> int:
    """Most significant digits of cells with more decimals than are rounded elsewhere, if these are not fixed."""
    if text is None or text.decimals != -1:
        return 0
    numbers = [re.split("[eE]", cell)[0].partition(text.decimal) for cell in cells]
    if not text.exponent and max(len(decimals) for _, _, decimals in numbers) <= ROUNDED:
        return 0
    most = max(len(re.sub(r"\D", "", whole + decimals).lstrip("0")) for whole, _, decimals in numbers)
    return most if most <= MOST_DIGITS else 0


def _writable(text: TextFormat, values: pd.Series) -> bool:
    if text.kind == "date":
        return types.is_datetime64_any_dtype(values.dtype)
    return types.is_numeric_dtype(values.dtype) and bool(np.isfinite(values.dropna().to_numpy(float)).all())


def _is_short(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= MOST_LETTERS


@dataclass(frozen=True)
class TableFormat:
    """How a CSV file is written.

    Attributes
    ----------
    file : CsvFormat
    kind : str
        "csv", "tsv" or "txt", by its name.
    header : tuple of str
        Names of its columns as they are written.
    names : tuple of str or None
        What these columns are called in a data frame; None for one without name and values, which is left out there.
    cells : tuple of CellFormat
        Of each of these columns.
    header_quoted : bool
        Whether the header is in quotation marks that it does not need.
    """

    file: CsvFormat
    kind: str
    header: tuple[str, ...]
    names: tuple[str | None, ...]
    cells: tuple[CellFormat, ...]
    header_quoted: bool = False

    def of_columns(self, names: Container[Any]) -> TableFormat:
        """The same of a file that has only these of its columns, and those without name and values."""
        kept = [place for place, name in enumerate(self.names) if name is None or name in names]
        return replace(
            self,
            header=tuple(self.header[place] for place in kept),
            names=tuple(self.names[place] for place in kept),
            cells=tuple(self.cells[place] for place in kept),
        )

    def for_parquet(self, table: pd.DataFrame) -> pd.DataFrame:
        """A data frame in which times without a date, and dates with a time zone, are text as in the CSV file.

        A column of timestamps has neither.
        """
        held = [
            (name, cell.text)
            for name, cell in self._each()
            if name in table.columns and cell.text is not None and cell.text.beside_dates
        ]
        return table.assign(**{str(name): text.write(table[name]).where(table[name].notna()) for name, text in held})

    @property
    def unread(self) -> list[str]:
        """Columns with cells that could not be read, and are missing in a data frame."""
        return [name for name, cell in self._each() if name is not None and cell.text is not None and cell.text.unread]

    def of_kind(self, kind: str) -> TableFormat:
        """The same in a file of another suffix."""
        return self if kind == self.kind else replace(self, file=self.file.of_kind(kind), kind=kind)

    def head(self, more: Sequence[str] = ()) -> str:
        """The line of the names."""
        return self.file.line([self.file.quoted(name, self.header_quoted) for name in (*self.header, *more)])

    def lines(self, table: pd.DataFrame) -> list[str]:
        """Rows of a data frame as lines; columns that are none of the file's come last."""
        others = CellFormat(quoted=self._all_quoted)
        written = [self._column(cell, None if name is None else table[name], len(table)) for name, cell in self._each()]
        written += [self._column(others, table[name], len(table)) for name in self.others(table)]
        return [self.file.line(list(row)) for row in zip(*written, strict=True)]

    def _each(self) -> Iterator[tuple[str | None, CellFormat]]:
        return zip(self.names, self.cells, strict=True)

    @property
    def _all_quoted(self) -> bool:
        return all(cell.quoted for name, cell in self._each() if name is not None)

    def _column(self, cell: CellFormat, values: pd.Series | None, n: int) -> list[str]:
        if values is None:
            return [""] * n
        missing = self.file.quoted(cell.missing, cell.missing_quoted)
        written = cell.write(values)
        distinct = {text: self.file.quoted(text, cell.quoted, cell.bare) for text in set(written)}
        absent = values.isna()
        return [missing if gone else distinct[text] for gone, text in zip(absent, written, strict=True)]

    def others(self, table: pd.DataFrame) -> list[Any]:
        """Columns of a data frame that are none of the file's."""
        return [name for name in table.columns if name not in self.names]

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        names = {"header": list(self.header), "header_quoted": self.header_quoted, "names": list(self.names)}
        return {
            "kind": self.kind,
            "file": asdict(self.file),
            **names,
            "cells": [cell.to_state() for cell in self.cells],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TableFormat:
        """Inverse of :meth:`to_state`; ``ValueError``, ``TypeError`` or ``LookupError`` for what cannot be."""
        header, names, cells = state["header"], state["names"], state["cells"]
        if not len(header) == len(names) == len(cells) <= MOST_COLUMNS or state["kind"] not in ("csv", "tsv", "txt"):
            raise ValueError(f"there are no such columns: {short(header)}")
        if not all(isinstance(name, str) for name in header) or not all(isinstance(n, str | None) for n in names):
            raise ValueError(f"names of columns must be strings, got {short(header)}")
        formats = tuple(CellFormat.from_state(cell) for cell in cells)
        file, quoted = CsvFormat.from_state(state["file"]), state["header_quoted"]
        if not isinstance(quoted, bool):
            raise ValueError(f"header_quoted must be true or false, got {short(quoted)}")
        return cls(file, state["kind"], tuple(header), tuple(names), formats, quoted)
