"""How a CSV file is written: its encoding, separator, decimal mark, line ends and compression."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ganaug.data.json_values import short

__all__ = ["BOMS", "TABLE_KINDS", "CsvFormat", "CsvOptions", "file_kind"]

NAMED_SEPARATORS = {"tab": "\t", r"\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
SHOWN_SEPARATORS = {"\t": "tabs", " ": "spaces"}
KINDS = ("csv", "tsv", "txt", "parquet")
TABLE_KINDS = ".csv, .tsv, .txt (each may end in .gz) or .parquet"  # for messages
BOMS = (  # that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class CsvOptions:
    r"""How a CSV file is written, as far as the user says so; the rest is detected.

    Parameters
    ----------
    sep : str, optional
        One character, or "tab".
    decimal : {".", ","}, optional
    encoding : str, optional
        Such as "utf-8", "cp1252" or "utf-16".
    na_values : sequence of str
        What stands for a missing value, beside an empty field, "NA" and their like.

    Examples
    --------
    >>> CsvOptions(sep="tab").sep
    '\t'
    """

    sep: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    na_values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.sep is not None:
            sep = NAMED_SEPARATORS.get(self.sep.lower(), self.sep) if isinstance(self.sep, str) else ""
            if len(sep) != 1 or sep.isalnum() or sep in '"\r\n':
                raise ValueError(f"sep must be one character such as ';', or tab, got {short(self.sep)}")
            object.__setattr__(self, "sep", sep)
        if self.decimal not in (None, ".", ","):
            raise ValueError(f"decimal must be '.' or ',', got {short(self.decimal)}")
        if self.decimal == "," == self.sep:
            raise ValueError("sep and decimal cannot both be ','; pass the one that the file has")
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
            except (LookupError, TypeError, ValueError):
                raise ValueError(
                    f"encoding {short(self.encoding)} is not known; pass one such as utf-8, cp1252 or utf-16"
                ) from None
        marks = self.na_values
        if isinstance(marks, str) or not all(isinstance(mark, str) for mark in marks):
            raise ValueError(f"na_values must be a list of strings, got {short(marks)}")
        object.__setattr__(self, "na_values", tuple(marks))


@dataclass(frozen=True)
class CsvFormat:
    """How the lines of a CSV file are written.

    Attributes
    ----------
    sep : str
    decimal : str
    encoding : str
    bom : bool
        Whether the file begins with a byte order mark.
    line_end : str
    spaced : bool
        Whether a space follows each separator.
    """

    sep: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    bom: bool = False
    line_end: str = "\n"
    spaced: bool = False

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of ``dataclasses.asdict``, after a trip through JSON; ``ValueError`` for what cannot be."""
        found = cls(**state)
        CsvOptions(found.sep, found.decimal, found.encoding)
        flags = isinstance(found.bom, bool) and isinstance(found.spaced, bool)
        if found.line_end not in ("\n", "\r\n", "\r") or not flags:
            raise ValueError(f"there is no such format of CSV files: {short(state)}")
        return found

    def of_kind(self, kind: str) -> CsvFormat:
        """The same for a file of another suffix, which has a separator of its own."""
        if kind == "tsv":
            return replace(self, sep="\t", spaced=False)
        if kind == "csv":
            return replace(self, sep=";" if self.decimal == "," else ",", spaced=False)
        return self

    def line(self, cells: list[str]) -> str:
        """Cells, quoted where they must be or are already, as one line."""
        return f"{self.sep} ".join(cells) if self.spaced else self.sep.join(cells)

    def quoted(self, cell: str, always: bool = False, bare: bool = False) -> str:
        """A cell as it is, or in quotation marks where it could be misread without; where not if others are `bare`."""
        special = always or any(c in cell for c in (self.sep, "\n", "\r")) or cell.startswith('"')
        special = special or ('"' in cell and not bare) or (self.spaced and cell != cell.strip(" "))
        return '"' + cell.replace('"', '""') + '"' if special else cell

    def text(self, lines: list[str]) -> str:
        """Lines with their ends."""
        return "".join(f"{line}{self.line_end}" for line in lines)

    @property
    def mark(self) -> bytes:
        """The byte order mark that the file begins with; empty for none."""
        return next((mark for mark, name in BOMS if name == self.encoding), b"") if self.bom else b""

    def __str__(self) -> str:
        parts = [f"separated by {SHOWN_SEPARATORS.get(self.sep, repr(self.sep))}"]
        parts += ["decimal commas"] if self.decimal == "," else []
        parts += [f"encoding {self.encoding}"] if self.encoding != "utf-8" else []
        return ", ".join(parts)


def file_kind(path: str | Path) -> str | None:
    """What a file's name says that it is: "csv", "tsv", "txt" or "parquet", of the first three also if gzipped.

    Examples
    --------
    >>> file_kind("clients.TSV.gz"), file_kind("clients.parquet"), file_kind("clients.xlsx")
    ('tsv', 'parquet', None)
    """
    name = Path(path).name.lower()
    packed = name.endswith(".gz")
    kind = Path(name.removesuffix(".gz")).suffix.removeprefix(".")
    return kind if kind in KINDS and not (packed and kind == "parquet") else None
