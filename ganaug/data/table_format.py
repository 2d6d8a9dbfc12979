"""How the cells of a CSV file are written, column by column, so that new rows look like the ones that were read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ganaug.data.csv_format import CsvFormat
from ganaug.data.json_values import short
from ganaug.data.text_values import TextFormat, read_text_column

__all__ = ["CellFormat", "TableFormat"]

SAMPLE = 2000  # cells that a column's format is learnt from
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
    plus: bool = False
    quoted: bool = False
    missing_quoted: bool = False
    bare: bool = False
    spellings: dict[Any, str] = field(default_factory=dict)

    @classmethod
    def learn(
        cls, cells: pd.Series, values: pd.Series, text: TextFormat | None, quotes: NDArray[np.bool_], decimal: str
    ) -> CellFormat:
        """Find out how values are written.

        Parameters
        ----------
        cells : Series of str
        values : Series
            What was read from them.
        text : TextFormat or None
            How they were read, if not by pandas.
        quotes : ndarray of bool
            Which of the first cells are in quotation marks.
        decimal : str
            Of numbers that were read by pandas.
        """
        absent = values.isna()
        missing = str(cells[absent].value_counts().index[0]) if absent.any() else ""
        among, first = absent.to_numpy()[: len(quotes)], cells[: len(quotes)].to_numpy() != ""
        quoted = quotes[~among].all() and quotes[~among].any()
        missing_quoted = quotes[among].all() and quotes[among].any() if among.any() else quoted and first.all()
        bare = bool((cells[: len(quotes)].str.contains('"', regex=False).to_numpy(dtype=bool) & ~quotes).any())
        unread = cls(None, missing, False, bool(quoted), bool(missing_quoted), bare)
        if types.is_string_dtype(values.dtype):
            return unread
        step = max(1, int((~absent).sum()) // SAMPLE)
        cells, values = cells[~absent][::step], values[~absent][::step]
        numbers = types.is_numeric_dtype(values.dtype) and not types.is_bool_dtype(values.dtype)
        plus = numbers and bool((values > 0).any()) and bool((cells.str.startswith("+") | ~(values > 0)).all())
        if text is None and numbers:
            bare = cells.str.strip().str.removeprefix("+")
            found = read_text_column(bare, plain=True, decimal=decimal)
            text = found[1] if found is not None and found[1].kind == "number" else None
        learnt = replace(unread, text=text, plus=plus)
        return replace(learnt, spellings=learnt._exceptions(cells, values))

    def _exceptions(self, cells: pd.Series, values: pd.Series) -> dict[Any, str]:
        """What is written otherwise than the rest, of each value the most frequent way; nothing if that is a lot."""
        if not types.is_numeric_dtype(values.dtype):
            return {}
        counts = cells.value_counts()
        pairs = pd.DataFrame({"cell": cells, "value": values}).drop_duplicates("cell")
        pairs = pairs.iloc[np.argsort(-counts[pairs["cell"]].to_numpy(), kind="stable")].drop_duplicates("value")
        written = self.write(pairs["value"])
        others = [
            (value, cell)
            for value, cell, own in zip(pairs["value"].tolist(), pairs["cell"].tolist(), written, strict=True)
            if cell != own
        ]
        return dict(others) if len(others) <= MOST_SPELLINGS else {}

    def write(self, values: pd.Series) -> list[str]:
        """Text of values."""
        absent = values.isna().to_numpy()
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
        text = None if state["text"] is None else TextFormat.from_state(state["text"])
        return cls(**state | {"text": text, "spellings": dict(pairs)})


def _writable(text: TextFormat, values: pd.Series) -> bool:
    is_date = types.is_datetime64_any_dtype(values.dtype)
    return is_date if text.kind == "date" else types.is_numeric_dtype(values.dtype)


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

    def fits(self, table: pd.DataFrame) -> bool:
        """Whether a table has all of the columns."""
        return {name for name in self.names if name is not None} <= set(table.columns)

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
