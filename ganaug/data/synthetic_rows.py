"""Which rows of a table are synthetic, as "ganaug augment" marks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["NO", "SYNTHETIC", "YES", "check_rows_real", "marked_rows", "real_rows"]

SYNTHETIC = "is_synthetic"  # the column of a table, or array of images, that says which samples are
YES, NO = frozenset({"true", "yes", "1", "1.0"}), frozenset({"false", "no", "0", "0.0"})


def marked_rows(path: str | Path, column: Any) -> Any:
    """Which rows are synthetic, as a column of a table says.

    Parameters
    ----------
    path : path-like
        Where the table is from, for messages.
    column : Series
        True or false, 1 or 0, yes or no, of each row.

    Returns
    -------
    ndarray of shape (n_rows,), bool

    Raises
    ------
    ValueError
        For other values, and missing ones.

    Examples
    --------
    >>> import pandas as pd
    >>> marked_rows("more.csv", pd.Series(["yes", "No"])).tolist()
    [True, False]
    """
    said = column.astype(str).str.casefold()
    unclear = ~said.isin(YES | NO)
    if unclear.any():
        row = int(unclear.to_numpy().argmax())
        raise ValueError(
            f"{path}: column {SYNTHETIC} must say true or false, 1 or 0, or yes or no of each row, got "
            f"{column.iloc[row]!r} in row {row + 1}; correct it, or rename the column if it means something else"
        )
    return said.isin(YES).to_numpy()


def real_rows(path: str | Path, table: Any) -> Any:
    """A table without the column that says which rows are synthetic; ``ValueError`` if some are."""
    if SYNTHETIC not in table.columns or table[SYNTHETIC].ndim > 1:
        return table
    _refuse(path, marked_rows(path, table[SYNTHETIC]))
    return table.drop(columns=SYNTHETIC)


def check_rows_real(path: Path) -> None:
    """Raise ``ValueError`` for a parquet file that says which of its rows are synthetic."""
    import pyarrow.parquet

    try:
        if SYNTHETIC not in pyarrow.parquet.read_schema(path).names:
            return
        table = pyarrow.parquet.read_table(path, columns=[SYNTHETIC]).to_pandas()
    except (pyarrow.ArrowException, OSError):  # which the reading of all columns reports
        return
    _refuse(path, marked_rows(path, table[SYNTHETIC]))
    raise ValueError(f"{path} has a column {SYNTHETIC}, which is no feature; write it without, or pass --no-stream")


def _refuse(path: str | Path, marked: Any) -> None:
    if marked.any():
        raise ValueError(f"{path} holds {marked.sum():,} synthetic rows already ({SYNTHETIC}); pass real ones only")
