"""What commands write must harm nothing: neither their input nor files that are not their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganaug.cli.common import SYNTHETIC, check_writable

if TYPE_CHECKING:
    from ganaug.gans import TableGAN

__all__ = [
    "Overwrite",
    "check_apart",
    "check_model_output",
    "check_output",
    "is_audit",
    "is_export",
    "is_marked_npz",
    "is_marked_table",
    "is_table_of",
    "marked_npz",
    "marked_parquet",
    "target_of",
]

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what ganaug has written there before.")]
AUDIT_FILES = frozenset(("report.json", "report.txt", "pairs.png", "pairs.csv"))
AUDIT_KEYS = frozenset(("verdict", "findings", "caution"))
MARK = b"ganaug"  # of .npz files, as the comment of the archive
MADE_BY = b'"made_by": "ganaug"'  # of tables in parquet, among the attributes that pandas keeps
VERSION = b"ganaug_version"  # what exported generators carry along
LONGEST_HEADER = 2**20  # bytes
UNREADABLE = (OSError, ValueError, LookupError, TypeError)


def check_apart(output: Path, inputs: Iterable[str | Path | None]) -> None:
    """Refuse an output that is an input, or lies in the folder of one, by whatever name or link.

    Raises
    ------
    ValueError
    """
    from ganaug.data.sources import EMBEDDED

    place = output.resolve()
    for given in inputs:
        if given is None or str(given) in EMBEDDED or not os.path.exists(given):
            continue
        source = Path(given)
        links = [path for path in source.iterdir() if path.is_symlink() and path.is_dir()] if source.is_dir() else []
        for part in (source, *links):
            if any(there.exists() and os.path.samefile(there, part) for there in (place, *place.parents)):
                how = "is" if output.exists() and os.path.samefile(output, part) else "lies in"
                raise ValueError(f"cannot write {output}: it {how} the input {source}; choose a place outside of it")


def check_output(
    output: Path,
    inputs: Iterable[str | Path | None],
    *,
    folder: bool,
    own: Callable[[Path], bool],
    overwrite: bool = False,
) -> None:
    """Find out before the work whether its result can be written, and harms nothing.

    Parameters
    ----------
    output : Path
    inputs : iterable of path-like or None
        What is read, and names of embedded data.
    folder : bool
        Whether a folder is written; an empty one may be there.
    own : callable
        Tells whether the command can have written what is there.
    overwrite : bool
        Whether that may be replaced.

    Raises
    ------
    ValueError
    """
    check_apart(output, inputs)
    check_writable(output, folder=folder)
    if not os.path.lexists(output) or (folder and output.is_dir() and not any(output.iterdir())):
        return
    if not _is_own(output, own):
        raise ValueError(
            f"{output} exists, and cannot be told to be what ganaug has written there; choose another name or delete it"
        )
    if not overwrite:
        raise ValueError(f"{output} exists; pass --overwrite to replace it, or choose another name")


def _is_own(output: Path, own: Callable[[Path], bool]) -> bool:
    try:
        return own(output)
    except UNREADABLE:
        return False


def check_model_output(
    output: Path, inputs: Iterable[str | Path | None], log_dir: Any, safety: dict[str, Any], *, overwrite: bool
) -> None:
    """The same for a model's folder, its log and its checkpoints; a run that goes on may replace its own model.

    Parameters
    ----------
    output : Path
    inputs : iterable of path-like or None
    log_dir : path-like
    safety : dict
        Result of :func:`ganaug.cli.common.checkpointing`.
    overwrite : bool
    """
    from ganaug.gans.bundle import CONFIG, check_folder

    checkpoints = safety["checkpoint_dir"]
    inputs = list(inputs)
    for place in (output, Path(log_dir), checkpoints):
        if place is not None:
            check_apart(place, inputs)
    check_writable(output, folder=True)
    goes_on = safety["resume"] and checkpoints is not None and next(checkpoints.glob("checkpoint-*"), None) is not None
    check_folder(output, overwrite=True)
    if (output / CONFIG).exists() and not overwrite and not goes_on:
        raise ValueError(f"{output} holds a model; pass --overwrite to replace it, or choose another folder")


def is_marked_table(path: Path) -> bool:
    """Whether a table, or images in parquet, say which of their rows are synthetic."""
    from ganaug.data.files import check_regular, open_regular

    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet

        check_regular(path)
        schema = pyarrow.parquet.read_schema(path)
        about = schema.metadata or {}
        return SYNTHETIC in schema.names or MARK in about or MADE_BY in about.get(b"PANDAS_ATTRS", b"")
    with open_regular(path) as file:
        header = file.readline(LONGEST_HEADER).decode(errors="replace")
    return SYNTHETIC in [name.strip('"\r\n') for name in header.replace(";", ",").replace("\t", ",").split(",")]


def column_names(gan: TableGAN) -> list[str]:
    """Columns of the rows that a GAN draws, as they are written."""
    return list(map(str, gan.encoder_.names_))


def target_of(gan: TableGAN) -> str:
    """Column that the labels of samples are written to."""
    name = str(gan.training_data_.get("target", "label"))
    while name in column_names(gan):
        name = f"_{name}"
    return name


def is_table_of(gan: TableGAN) -> Callable[[Path], bool]:
    """What tells samples of a GAN that were written before from other tables, its training data among them."""
    from ganaug.data.table_files import read_table, split_target
    from ganaug.gans.table import was_trained_on

    def own(path: Path) -> bool:
        if path.suffix.lower() == ".parquet" or is_marked_table(path):
            return is_marked_table(path)
        # CSV has no place for a mark.
        table, target = read_table(path), target_of(gan)
        if list(table.columns) != [*column_names(gan), target]:
            return False
        return not was_trained_on(gan, *split_target(table, target, path, fewest=1))

    return own


def marked_npz(content: bytes) -> bytes:
    """Content of an .npz file, with a mark by which it is known as ganaug's own."""
    import io
    import zipfile

    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = MARK
    return file.getvalue()


def marked_parquet(content: bytes) -> bytes:
    """Content of a .parquet file, with such a mark."""
    import io

    import pyarrow.parquet

    table, file = pyarrow.parquet.read_table(io.BytesIO(content)), io.BytesIO()
    about = {**(table.schema.metadata or {}), MARK: b"made by"}
    pyarrow.parquet.write_table(table.replace_schema_metadata(about), file)
    return file.getvalue()


def is_marked_npz(path: Path) -> bool:
    """Whether an .npz file has that mark."""
    import zipfile

    from ganaug.data.files import open_regular

    with open_regular(path) as file:
        if not zipfile.is_zipfile(file):
            return False
        with zipfile.ZipFile(file) as archive:
            return archive.comment == MARK


def is_export(path: Path) -> bool:
    """Whether a file is an exported generator."""
    from ganaug.data.files import MOST_WEIGHTS, read_regular

    return VERSION in read_regular(path, MOST_WEIGHTS)


def is_audit(path: Path) -> bool:
    """Whether a .json file, or a folder, is the report of an audit."""
    from ganaug.data.json_values import read_json

    if path.is_dir() and not {file.name for file in path.iterdir()} <= AUDIT_FILES:
        return False
    report = read_json(path / "report.json" if path.is_dir() else path, finite=False)
    return isinstance(report, dict) and report.keys() >= AUDIT_KEYS
