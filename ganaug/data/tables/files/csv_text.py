"""The text of a CSV file, in whatever encoding and with whatever separator it is written, parted into records."""

from __future__ import annotations

import codecs
import csv
import gzip
import itertools
import re
import zlib
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ganaug.data.json_values import short
from ganaug.data.tables.files.csv_format import BOMS, CsvFormat, CsvOptions

__all__ = ["CsvText", "csv_fields", "parse_csv_text", "quoted_fields"]

SEPARATORS = ",;\t|"
SAMPLE = 200  # records that the format is found in
FOREIGN = (
    (b"PK\x03\x04", "is a zip archive or an Excel workbook; unpack it, or save its sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook; save its sheet as CSV"),
    (b"PAR1", "is a parquet file; give it the suffix .parquet"),
    (b"BZh", "is compressed with bzip2; unpack it"),
    (b"\xfd7zXZ", "is compressed with xz; unpack it"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it"),
    (b"<!doctype html", "is a web page; download the file that it shows"),
    (b"<html", "is a web page; download the file that it shows"),
    (b"version https://git-lfs", "only points to a file of Git LFS; fetch that with 'git lfs pull'"),
)
BINARY = re.compile(r"[\x00-\x08\x0e-\x19\x1c-\x1f]")
LINE = re.compile(r"\r\n|\n|\r")
EXCEL_HINT = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
NUMBER = re.compile(r"[+-]?(\d[\d., ]*)?\d")
COMMA_DECIMALS = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?P<mark>[.,])\d{3}((?P=mark)\d{3})*")
POINT_DECIMALS = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d*)\.\d+([eE][+-]?\d+)?")


@dataclass(frozen=True)
class CsvText:
    """The text of a CSV file, parted into records.

    Attributes
    ----------
    format : CsvFormat
    header : list of str
        Names of the columns.
    header_line : str
        Their record as it stands there.
    lines : list of str
        The other records as they stand there, without their line ends, of as many fields as the header.
    notes : tuple of str
        What was found, and left out, a sentence each.
    """

    format: CsvFormat
    header: list[str]
    header_line: str
    lines: list[str]
    notes: tuple[str, ...]


def parse_csv_text(content: bytes, kind: str, options: CsvOptions) -> CsvText:
    """Find out how a CSV file is written, and part it into records.

    Parameters
    ----------
    content : bytes
        Of the file, also if it is gzipped.
    kind : {"csv", "tsv", "txt"}
        What its name says.
    options : CsvOptions

    Returns
    -------
    CsvText

    Raises
    ------
    ValueError
        For a file that is empty, no text, of another kind, or whose rows have more fields than its header.
    """
    text, encoding, bom = _decode(_unpack(content), options)
    ends = Counter(LINE.findall(text))
    records = _records(text, SEPARATORS + (options.sep or ""))
    notes: list[str] = []
    sep = options.sep
    hint = EXCEL_HINT.fullmatch(records[0]) if records else None
    if hint is not None:
        records, sep = records[1:], sep or hint[1]
    while records and not records[0].strip():
        records = records[1:]
    if not records:
        raise ValueError("it is empty; pass a file with a line of column names and a line for each row")
    sep = sep or _separator(records, kind)
    start = _start(records, sep)
    n_comments, records = start, [line for line in records[start:] if line.strip(" \t" if sep != "\t" else " ")]
    header = csv_fields(records[0], sep)
    width = len(header)
    lines = records[1:]
    counts = _counts(lines, sep)
    kept = [not (line.startswith("#") and n != width) for line, n in zip(lines, counts, strict=True)]
    n_comments += kept.count(False)
    if not all(kept):
        lines, counts = list(itertools.compress(lines, kept)), list(itertools.compress(counts, kept))
    if n_comments:
        notes.append(f"{n_comments:,} lines that begin with # are left out")
    if lines and width > 1 and set(counts) == {width + 1} and all(line.endswith(sep) for line in lines):
        lines, counts = [line.removesuffix(sep) for line in lines], [width] * len(lines)
    lines = _same_width(lines, counts, width, sep, notes)
    spaced = sep != " " and all(0 < line.count(sep) == line.count(f"{sep} ") for line in lines[:SAMPLE])
    found = CsvFormat(sep, ".", encoding, bom, ends.most_common(1)[0][0] if ends else "\n", spaced)
    found = replace(found, decimal=options.decimal or _decimal(lines, found))
    if found != replace(CsvFormat(bom=bom, line_end=found.line_end, spaced=found.spaced), sep=_usual(kind)):
        notes.insert(0, str(found))
    return CsvText(found, header, records[0], lines, tuple(notes))


def _usual(kind: str) -> str:
    return "\t" if kind == "tsv" else ","


def _unpack(content: bytes) -> bytes:
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"its gzip compression is damaged ({error}); copy or download it again") from None
    for magic, reason in FOREIGN:
        if content[: len(magic)].lower() == magic.lower():
            raise ValueError(f"it {reason}")
    return content


def _decode(content: bytes, options: CsvOptions) -> tuple[str, str, bool]:
    """Text, encoding, and whether a byte order mark came before it."""
    mark, marked = next(((mark, name) for mark, name in BOMS if content.startswith(mark)), (b"", None))
    encoding = options.encoding or marked or _without_mark(content)
    if marked is not None and options.encoding is not None:
        wanted = codecs.lookup(options.encoding).name
        # "utf-16" stands for either order; which one it is the mark says.
        if wanted in ("utf-16", "utf-32", "utf-8-sig") and marked.startswith(wanted.removesuffix("-sig")):
            encoding = marked
        elif wanted != marked:
            mark, marked = b"", None
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        bad = error.object[error.start : error.start + 1].hex()
        raise ValueError(
            f"byte {error.start + len(mark):,} (0x{bad}) is no {encoding}; pass another encoding (--encoding), such as "
            "cp1252"
        ) from None
    found = BINARY.search(text)
    if found is not None and (found[0] == "\0" or encoding in ("cp1252", "latin-1")):
        raise ValueError(
            f"it holds the control character {short(found[0])} at {found.start():,}, as text does not; pass its "
            "encoding (--encoding), or export it as CSV anew"
        )
    return text, encoding, marked is not None


def _without_mark(content: bytes) -> str:
    start = content[:4096]
    # Text in an alphabet of the West has a zero in every other byte of UTF-16.
    for encoding, zeros, letters in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        if len(start) >= 4 and zeros.count(0) > 0.7 * len(zeros) and not letters.count(0):
            return encoding
    for encoding in ("utf-8", "cp1252"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _records(text: str, separators: str) -> list[str]:
    """Lines, of which those are one that a quoted field spans."""
    lines = LINE.split(text)
    if lines and not lines[-1]:
        lines.pop()
    if '"' not in text:
        return lines
    # A quotation mark opens a field at its start only: 5" is five inches.
    before = rf"(^|[{re.escape(separators)}] *)"
    whole, opening = (
        re.compile(f'{before}"(?:[^"]|"")*{end}') for end in (rf'" *(?=[{re.escape(separators)}]|$)', "$")
    )
    ends = LINE.findall(text)
    records: list[str] = []
    open_since = -1
    for number, line in enumerate(lines):
        odd = line.count('"') % 2 == 1
        if open_since < 0 and not (odd and opening.search(whole.sub(r"\1", line))):
            records.append(line)
        elif open_since < 0:
            open_since = number
        elif odd:
            parts = (part for i in range(open_since, number) for part in (lines[i], ends[i]))
            records.append("".join(parts) + line)
            open_since = -1
    if open_since >= 0:
        raise ValueError(
            f"a field of line {open_since + 1} begins with a quotation mark that nothing closes; close or remove it"
        )
    return records


def quoted_fields(lines: list[str], sep: str, width: int) -> NDArray[np.bool_] | None:
    """Which fields of the first lines are in quotation marks; None if there are no such marks in the file.

    Examples
    --------
    >>> quoted_fields(['1,"a"', '2,""'], ",", 2).tolist()
    [[False, True], [False, True]]
    """
    if not any('"' in line for line in lines):
        return None
    lines = lines[: 5 * SAMPLE]
    found = np.zeros((len(lines), width), dtype=bool)
    one = _one_field(sep)
    for row, line in enumerate(lines):
        if '"' in line:
            quotes = [match[1].startswith('"') for match in one.finditer(line)]
            found[row] = (quotes + [False] * width)[:width]
    return found


def csv_fields(line: str, sep: str) -> list[str]:
    """Fields of a record."""
    if '"' not in line:
        return [field.lstrip(" ") for field in line.split(sep)] if sep != " " else line.split(sep)
    try:
        return next(csv.reader([line], delimiter=sep, skipinitialspace=sep != " "), [])
    except csv.Error:  # a field that is larger than the parser takes
        return [match[1] for match in _one_field(sep).finditer(line)][: None if line.endswith(sep) else -1]


def _one_field(sep: str) -> re.Pattern[str]:
    """A field with its quotation marks, what may stand behind them, and the separator."""
    other = f"[^{re.escape(sep)}]*"
    return re.compile(rf' *("(?:[^"]|"")*"|{other}){other}(?:{re.escape(sep)}|$)')


def _counts(lines: list[str], sep: str) -> list[int]:
    return [line.count(sep) + 1 if '"' not in line else len(csv_fields(line, sep)) for line in lines]


def _separator(records: list[str], kind: str) -> str:
    """The one that parts most of the first records into as many fields as the header."""
    sample = [line for line in records[: SAMPLE + 1] if line.strip() and not line.startswith("#")] or records[:1]
    best, chosen = (-1.0, 0.0), _usual(kind)
    for sep in dict.fromkeys(_usual(kind) + SEPARATORS):
        header, *counts = _counts(sample, sep)
        if header < 2:
            continue
        agree = sum(n in (header, header + 1) for n in counts) / max(1, len(counts))
        # "Doe, Jane; 3": what a space follows is more often a comma in a text.
        spaces = sum(line.count(f"{sep} ") for line in sample) / sum(line.count(sep) for line in sample)
        if (score := (agree, -spaces)) > best:
            best, chosen = score, sep
    return chosen


def _start(records: list[str], sep: str) -> int:
    """Position of the header: after comments, unless it begins with ``#`` itself."""
    start = next((i for i, line in enumerate(records) if line.strip() and not line.startswith("#")), None)
    if not start:
        return 0
    header, first = (csv_fields(line, sep) for line in records[start - 1 : start + 1])
    named = not header[0].startswith("# ") or any(NUMBER.fullmatch(field.strip()) for field in first)
    return start - 1 if len(header) == len(first) > 1 and named else start


def _same_width(lines: list[str], counts: list[int], width: int, sep: str, notes: list[str]) -> list[str]:
    """Lines of as many fields as the header; what is wanting is missing."""
    if max(counts, default=width) > width:
        row = next(i for i, n in enumerate(counts) if n > width)
        remedy = f"put fields that hold {sep!r} into quotation marks, or pass another separator (--sep)"
        if width == 1:
            remedy = "remove what is before the line of column names, or pass the separator (--sep)"
        elif set(counts) == {width + 1}:
            remedy = "as all rows have: name their first column too"
        raise ValueError(f"row {row + 1} has more fields than the header, {counts[row]} in place of {width}; {remedy}")
    wanting = [width - n for n in counts]
    if any(wanting):
        row = next(i for i, n in enumerate(wanting) if n) + 1
        few = f"{sum(map(bool, wanting)):,} of {len(lines):,} rows"
        notes.append(f"{few}, first row {row}, have too few fields for the header and end with missing values")
        return [line + sep * n for line, n in zip(lines, wanting, strict=True)]
    return lines


def _decimal(lines: list[str], found: CsvFormat) -> str:
    """The decimal mark that most numbers of the first rows have."""
    rows = [csv_fields(line, found.sep) for line in lines[:SAMPLE]]
    commas = thousands = points = 0
    for column in zip(*rows, strict=False):
        cells = [cell.strip() for cell in column if NUMBER.fullmatch(cell.strip())]
        if 2 * len(cells) < sum(bool(cell.strip()) for cell in column):
            continue
        for cell in cells:
            whole = THOUSANDS.fullmatch(cell)
            thousands += whole is not None and whole["mark"] == ","
            commas += whole is None and COMMA_DECIMALS.fullmatch(cell) is not None
            points += whole is None and POINT_DECIMALS.fullmatch(cell) is not None
    if commas or points:
        return "," if commas > points else "."
    # 12,345 in a file of semicolons comes from where 12.345 is twelve thousand.
    return "," if thousands and found.sep == ";" else "."
