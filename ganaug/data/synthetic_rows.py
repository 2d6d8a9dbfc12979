"""Which rows of a table are synthetic, as "ganaug augment" marks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["SYNTHETIC", "check_rows_real"]

SYNTHETIC = "is_synthetic"  # the column of a table, or array of images, that says which samples are


def check_rows_real(path: Path, table: Any) -> None:
    """Raise ``ValueError`` if a column of a table, or of a parquet file where it is None, says some are synthetic."""
    if table is None:
        import pyarrow.parquet

        try:
            if SYNTHETIC not in pyarrow.parquet.read_schema(path).names:
                return
            table = pyarrow.parquet.read_table(path, columns=[SYNTHETIC]).to_pandas()
        except (pyarrow.ArrowException, OSError):  # which the reading of all columns reports
            return
    marked = table.get(SYNTHETIC)
    if marked is not None and marked.ndim == 1 and marked.dtype.kind == "b" and marked.any():
        raise ValueError(f"{path} holds {marked.sum():,} synthetic rows already ({SYNTHETIC}); pass real ones only")
