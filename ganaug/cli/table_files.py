"""Options that say how CSV files are written, and opening tables with them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pyarrow import Schema

    from ganaug.data.tables.files.csv_format import CsvOptions
    from ganaug.data.tables.files.table_files import TableFile
    from ganaug.data.tables.files.table_format import TableFormat

Separator = Annotated[
    str | None, typer.Option("--sep", help="Separator of a CSV file, such as ';' or tab; found out by default.")
]
Decimal = Annotated[str | None, typer.Option("--decimal", help="Decimal mark of a CSV file: '.' or ','.")]
Encoding = Annotated[str | None, typer.Option("--encoding", help="Encoding of a CSV file, such as cp1252 or utf-16.")]
Categorical = Annotated[
    list[str] | None,
    typer.Option("--categorical", help="Column of numbers or dates that are only names; may be repeated."),
]
NaValues = Annotated[
    list[str] | None,
    typer.Option("--na-values", help="What stands for a missing value in a CSV file, such as '?'; may be repeated."),
]

FORMAT, SCHEMA = "table_format.json", "parquet_schema"  # in the folder of a model, and there
MOST_BYTES = 2**24


def csv_options(
    sep: str | None, decimal: str | None, encoding: str | None, na_values: Sequence[str] | None
) -> CsvOptions:
    """The four options as one."""
    from ganaug.data.tables.files.csv_format import CsvOptions

    return CsvOptions(sep, decimal, encoding, tuple(na_values or ()))


def opened(path: str | Path, options: CsvOptions, names: Sequence[str | None] = (), formats: bool = True) -> TableFile:
    """Open a table.

    Parameters
    ----------
    path : path-like
    options : CsvOptions
    names : sequence of str or None
        Columns of which no numbers or dates are made: labels, and what the user calls categorical.
    formats : bool
        As for :func:`~ganaug.data.tables.files.table_files.open_table`.
    """
    from ganaug.data.tables.files.table_files import open_table

    return open_table(path, options, text=[name for name in names if name is not None], formats=formats)


def report_reading(path: str | Path, file: TableFile, *, categorical: bool = True) -> None:
    """Print in a line how a table is read, where that may surprise; `categorical` where there is such an option."""
    if file.notes:
        remedy = "--encoding, --na-values or --categorical" if categorical else "--encoding or --na-values"
        print(f"Note: {path}: {'; '.join(file.notes)}. Change it with --sep, --decimal, {remedy}.", file=sys.stderr)


def keep_format(model: Path, form: TableFormat | None, schema: Schema | None) -> None:
    """Write beside a model how its training table is written: as a CSV file, or of which types a parquet file is."""
    from ganaug.data.files import write_atomically
    from ganaug.data.tables.arrow_tables import schema_text

    state = None if form is None else form.to_state()
    if schema is not None:
        state = {SCHEMA: schema_text(schema.remove_metadata())}
    checksum = None if state is None else _checksum(model)
    if state is None or checksum is None:
        (model / FORMAT).unlink(missing_ok=True)
        return
    write_atomically(model / FORMAT, json.dumps({"weights_sha256": checksum, **state}, indent=1, ensure_ascii=False))


def known_format(model: Path) -> tuple[TableFormat | None, Schema | None]:
    """How the table was written that a model was trained on, a CSV or parquet file; None where that is not known.

    Raises
    ------
    ValueError
        For a damaged file.
    """
    from ganaug.data.json_values import clip, read_json
    from ganaug.data.tables.arrow_tables import schema_of_text
    from ganaug.data.tables.files.table_format import TableFormat

    path = model / FORMAT
    if not os.path.lexists(path):
        return None, None
    try:
        state = read_json(path, finite=False, most=MOST_BYTES)  # an infinite cell has a spelling as well
        if state.pop("weights_sha256") != _checksum(model):
            return None, None  # another model was saved over the one that it belongs to
        if SCHEMA in state:
            return None, schema_of_text(state[SCHEMA])
        return TableFormat.from_state(state), None
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError, ArithmeticError, OSError) as error:
        reason = clip(str(error) or type(error).__name__, 200)
        raise ValueError(f"{path} is damaged ({reason}); delete it to have rows in a plain format") from None


def _checksum(model: Path) -> str | None:
    """Hash of the weights of a model; None in a folder that a class has written in a format of its own."""
    from ganaug.generators.model_folder import kind_of, read_config

    kind = kind_of(model)
    return str(read_config(model, kind)["weights_sha256"]) if kind else None
