"""What commands write must harm nothing: neither their input nor files that are not their own."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from ganaug.cli.common import check_writable

__all__ = [
    "Overwrite",
    "check_apart",
    "check_model_output",
    "check_output",
    "is_audit",
    "is_export",
    "is_marked",
    "remember",
]

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what ganaug has written there before.")]
AUDIT_FILES = frozenset(("report.json", "report.txt", "pairs.png", "pairs.csv"))
AUDIT_KEYS = frozenset(("verdict", "findings", "caution"))
LOG_KEYS = {"discriminator_loss", "event"}
LONGEST_LINE = 2**16  # bytes
MOST_REMEMBERED = 10_000  # of the files that were written; the latest
VERSION = b"ganaug_version"  # what exported generators carry along
UNREADABLE = (OSError, ValueError, LookupError, TypeError)


def check_apart(output: Path, inputs: Iterable[str | Path | None]) -> None:
    """Refuse an output that is an input, or lies in the folder of one, by whatever name or link.

    Raises
    ------
    ValueError
    """
    from ganaug.data.images.sources import EMBEDDED

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
        Says whether the command can have written what is there.
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
        raise ValueError(f"{output} exists, and is not known to be written by ganaug; choose another name or delete it")
    if not overwrite:
        raise ValueError(f"{output} exists; pass --overwrite to replace it, or choose another name")


def _is_own(output: Path, own: Callable[[Path], bool]) -> bool:
    if _is_remembered(output):
        return True
    try:
        return own(output)
    except UNREADABLE:
        return False


def check_model_output(
    output: Path, inputs: Iterable[str | Path | None], log_dir: Path, run: dict[str, Any], *, overwrite: bool
) -> None:
    """The same for a model's folder, its log and its checkpoints; a run that is resumed may replace its own model.

    Parameters
    ----------
    output : Path
    inputs : iterable of path-like or None
    log_dir : Path
    run : dict
        Result of :func:`ganaug.cli.common.run_options`.
    overwrite : bool
    """
    from ganaug.generators.model_folder import CONFIG, check_folder

    checkpoints = run["checkpoint_dir"]
    inputs = list(inputs)
    for place in (output, log_dir, checkpoints):
        if place is not None:
            check_apart(place, inputs)
    check_writable(output, folder=True)
    _check_log(log_dir / "metrics.jsonl")
    resumed = run["resume"] and checkpoints is not None and next(checkpoints.glob("checkpoint-*"), None) is not None
    check_folder(output, overwrite=True)
    if (output / CONFIG).exists() and not overwrite and not resumed:
        raise ValueError(f"{output} holds a model; pass --overwrite to replace it, or choose another folder")


def _check_log(path: Path) -> None:
    """Refuse to begin a log in the place of one that is another program's."""
    from ganaug.data.files import open_regular
    from ganaug.data.json_values import parsed

    if not os.path.lexists(path):
        return
    try:
        with open_regular(path) as file:
            line = file.readline(LONGEST_LINE)
        own = not line or bool(LOG_KEYS & parsed(line, finite=False).keys())
    except (OSError, ValueError, AttributeError):
        own = False
    if not own:
        raise ValueError(f"{path} exists, and is no log of ganaug; pass another folder by --log-dir or --output")


def remember(*outputs: Path) -> None:
    """Keep the hashes of files that were written: they are known as ganaug's own as long as they stay as they are.

    Most kinds of files have no place for a mark. Without a cache that can be written to, they are as those of others.
    """
    with contextlib.suppress(OSError):
        written = _written()
        written.mkdir(parents=True, exist_ok=True)
        for output in outputs:
            (written / _hash(output)).touch()
        known = list(written.iterdir())
        if len(known) > MOST_REMEMBERED:
            for path in sorted(known, key=lambda path: path.stat().st_mtime_ns)[:-MOST_REMEMBERED]:
                path.unlink(missing_ok=True)


def _written() -> Path:
    from ganaug.data.files import cache_folder

    return cache_folder() / "written"


def _hash(path: Path) -> str:
    from ganaug.data.files import open_regular

    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_remembered(path: Path) -> bool:
    try:
        return (_written() / _hash(path)).exists()
    except OSError:
        return False


def is_marked(path: Path) -> bool:
    """Whether a table or images in a file say which of them are synthetic."""
    from ganaug.data.files import check_regular
    from ganaug.data.images.array_files import read_npz
    from ganaug.data.synthetic_rows import SYNTHETIC
    from ganaug.data.tables.files.table_files import read_table

    check_regular(path)
    if path.suffix.lower() == ".npz":
        return SYNTHETIC in read_npz(path, [SYNTHETIC], all_of_them=False)
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet

        return SYNTHETIC in pyarrow.parquet.read_schema(path).names
    return SYNTHETIC in read_table(path).columns


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
