"""``ganaug fit table``, ``ganaug augment table``, and what ``ganaug sample`` does with a table's model."""

from __future__ import annotations

import math
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganaug._text import visible
from ganaug.cli.common import (
    BatchSize,
    CheckpointEvery,
    Checkpoints,
    DryRun,
    Groups,
    HealthOption,
    License,
    LogDir,
    Resume,
    Seed,
    ValidationFraction,
    augment_app,
    fit_app,
    run_options,
)
from ganaug.cli.models import (
    GeneratorName,
    Params,
    check_learns_groups,
    check_savable,
    found_class,
    made,
    print_plan,
    report_training,
    save,
    saving,
    train,
    train_from,
)
from ganaug.cli.outputs import Overwrite, check_model_output, check_output, is_marked, remember
from ganaug.cli.samples_asked import SamplesAsked
from ganaug.cli.table_files import (
    Categorical,
    Decimal,
    Encoding,
    NaValues,
    Separator,
    csv_options,
    keep_format,
    known_format,
    opened,
    report_reading,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganaug.data.tables.files.csv_format import CsvOptions
    from ganaug.data.tables.files.table_files import TableFile

INSTEAD = {  # of a generator, by what fallback_ calls it
    "copies": "copies of its only row",
    "local": "from the local sampler alone",
    "other groups": "moved from other groups",
}
Source = Annotated[Path, typer.Argument(help="A .csv, .tsv, .txt (each also with .gz) or .parquet file.")]
Target = Annotated[str, typer.Option(help="Column of the class labels.")]
Stream = Annotated[
    bool | None,
    typer.Option(
        "--stream/--no-stream",
        help="Read a .parquet file in parts, so that it need not fit into memory; by default where it does not.",
    ),
]
Steps = Annotated[int | None, typer.Option(min=1, help="Updates of the networks; 1000 by default.")]


@fit_app.command("table")
def fit_table(
    source: Source,
    target: Target,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the model to.")],
    generator: GeneratorName = "gan",
    steps: Steps = None,
    batch_size: BatchSize = None,
    categorical: Categorical = None,
    groups: Groups = None,
    param: Params = None,
    validation_fraction: ValidationFraction = None,
    seed: Seed = None,
    log_dir: LogDir = None,
    checkpoints: Checkpoints = None,
    checkpoint_every: CheckpointEvery = None,
    resume: Resume = False,
    health: HealthOption = None,
    license: License = "unknown",
    sep: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    na_values: NaValues = None,
    stream: Stream = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
) -> None:
    """Train a class-conditional generator, by default a GAN, on a table with labels."""
    import pyarrow.parquet

    from ganaug.data.synthetic_rows import check_rows_real, real_rows
    from ganaug.data.tables.files.table_files import split_target
    from ganaug.data.tables.group_column import part_groups

    run = run_options(checkpoints, checkpoint_every, resume, health, validation_fraction)
    cls = found_class(generator, "rows")
    check_savable(cls, license)
    _check_groups(groups, target, cls)
    asked = {
        "steps": steps,
        "batch_size": batch_size,
        "categorical_features": categorical or None,
        "random_state": seed,
        **run,
        "log_dir": log_dir,
    }
    log_dir = log_dir or output / "log"
    gan = made(cls, asked, param, log_dir=log_dir)
    if not dry_run:
        check_model_output(output, [source], log_dir, run, overwrite=overwrite)
    options = csv_options(sep, decimal, encoding, na_values)
    if _is_streamed(gan, source, stream, options, dry_run):
        if source.is_file():
            check_rows_real(source)
        if train_from(gan, source, target, groups):
            _keep(gan, output, checkpoints, license, pyarrow.parquet.read_schema(source))
        return
    file = opened(source, options, [target, groups, *(categorical or ())])
    table, labels = split_target(file.table, target, source)
    table, given = part_groups(real_rows(source, table), groups)
    report_reading(source, file)
    data = (table, labels) if given is None else (table, labels, given)
    if dry_run:
        about = {"source": str(source), "target": target, "output": str(output), "seed": seed}
        print_plan(gan, {**about, "data": _found(*data)}, *data)
        return
    if train(gan, *data, target=target, groups=groups):
        _keep(gan, output, checkpoints, license, file.schema, file)


def _keep(gan: Any, output: Path, checkpoints: Path | None, license: str, schema: Any, file: Any = None) -> None:
    """Save what is trained on a table, or on a file that was read in parts, and say so."""
    n_rows = gan.training_data_["n_rows"] if file is None else len(file.table)
    with saving(output, checkpoints):
        save(gan, output, license)
        keep_format(output, None if file is None else file.format, schema)
    report_training(gan, f"{n_rows:,} rows", output)


def _is_streamed(gan: Any, source: Path, asked: bool | None, options: CsvOptions, dry_run: bool) -> bool:
    """Whether a table is read in parts: where that is asked for, or it does not fit into memory."""
    from ganaug.data.tables.files.csv_format import CsvOptions, file_kind
    from ganaug.data.tables.files.encoded_parquet import parquet_cells

    can = hasattr(gan, "fit_parquet")
    if not asked:
        return asked is None and can and not dry_run and parquet_cells(source) > _most_cells()
    if not can:
        raise ValueError(f"--stream is not for {type(gan).__name__}, which has no fit_parquet; leave it out")
    if file_kind(source) != "parquet" or options != CsvOptions():
        raise ValueError(f"--stream is for .parquet files and no options of CSV files, got {source}; leave it out")
    if dry_run:
        raise ValueError("--stream and --dry-run exclude each other, since the plan needs the table; leave one out")
    return True


def _most_cells() -> float:
    """Cells of a table that fit into memory: fitting takes about 64 bytes of each."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 64
    except (AttributeError, ValueError, OSError):  # not on every system
        return math.inf


def _found(table: Any, labels: Any, groups: Any = None) -> dict[str, Any]:
    import numpy as np

    named = {"classes": labels} if groups is None else {"classes": labels, "groups": groups}
    values = {called: np.unique(values, return_counts=True) for called, values in named.items()}
    counted = {called: dict(zip(map(str, v), n.tolist(), strict=True)) for called, (v, n) in values.items()}
    return {"n_rows": len(table), **counted}


@augment_app.command("table")
def augment_table(
    source: Source,
    target: Target,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A .csv, .tsv, .txt (each also with .gz) or .parquet file to write.")
    ],
    strategy: Annotated[
        str,
        typer.Option(help="auto, minority, 'not minority', all, or for two classes the ratio to reach, such as 0.5."),
    ] = "auto",
    groups: Annotated[
        str | None,
        typer.Option(
            help="Column of who or what each row comes from, such as a site; filled for new rows, no feature."
        ),
    ] = None,
    per_cell: Annotated[
        str | None,
        typer.Option(
            help="New rows for each combination of class and group: 'balance' for as many as the largest has more, or "
            "a number."
        ),
    ] = None,
    generator: GeneratorName = "gan",
    steps: Steps = None,
    batch_size: BatchSize = None,
    categorical: Categorical = None,
    param: Params = None,
    seed: Seed = None,
    sep: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    na_values: NaValues = None,
    overwrite: Overwrite = False,
) -> None:
    """Add synthetic rows to the rarer classes of a table, and a column that says which rows they are.

    A CSV file is written like the one that was read: its rows as they stand there, new ones in the same format.
    """
    from ganaug.data.synthetic_rows import SYNTHETIC
    from ganaug.data.tables.files.csv_format import TABLE_KINDS, file_kind
    from ganaug.data.tables.files.table_files import split_target, write_table
    from ganaug.resampling import GANOverSampler

    if file_kind(output) is None:
        raise ValueError(f"{output} must end in {TABLE_KINDS}")
    _check_cells(groups, target, per_cell, strategy)
    check_output(output, [source], folder=False, own=is_marked, overwrite=overwrite)
    gan = made(found_class(generator, "rows"), {"steps": steps, "batch_size": batch_size}, param)
    file = opened(source, csv_options(sep, decimal, encoding, na_values), [target, groups, *(categorical or ())])
    whole = file.table
    if SYNTHETIC in whole.columns:
        raise ValueError(f"{source} has a column {SYNTHETIC!r} already; rename or drop it")
    table, labels = split_target(whole, target, source)
    report_reading(source, file)
    sampler = GANOverSampler(
        generator=gan,
        sampling_strategy=_strategy(strategy) if per_cell is None else _cells(per_cell, table, labels, groups),
        balance="classes" if per_cell is None else "cells",
        categorical_features=categorical or "auto",
        random_state=seed,
    )
    rows, new_labels = sampler.fit_resample(table, labels, groups=groups)
    rows.insert(list(whole.columns).index(target), target, new_labels)
    rows[target] = rows[target].astype(whole[target].dtype)
    rows[SYNTHETIC] = sampler.synthetic_mask_
    write_table(rows, output, like=file.format, originals=file.lines, schema=file.schema)
    remember(output)
    print(f"Wrote {len(rows):,} rows, {int(sampler.synthetic_mask_.sum()):,} of them synthetic, to {output}.")
    _report_exceptions(sampler, gan, groups, file, output)


def _report_exceptions(sampler: Any, gan: Any, groups: str | None, file: TableFile, output: Path) -> None:
    """Print which cells are not in the file that is written, and which new rows are by no generator."""
    from ganaug.data.tables.files.csv_format import file_kind

    for name in file.format.unread if file.format is not None and file_kind(output) == "parquet" else ():
        print(f"Unreadable cells of the column {name!r} are missing in {output}; a .csv file keeps them.")
    for key, instead in sampler.fallback_.items():
        label, where = (key, "") if groups is None else (key[0], f" in group {visible(repr(key[1]))}")
        print(f"Class {label!r} is too small for a {type(gan).__name__}; its new rows{where} are {INSTEAD[instead]}.")


def write_rows(gan: Any, asked: SamplesAsked, output: Path, seed: int | None, model: Path) -> None:
    """Draw rows and write them with their labels and groups, as the table was written that was trained on.

    They are drawn and written part by part, so that memory does not grow with their number.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ganaug.data.files import tidied_when_ended
    from ganaug.data.tables.files.table_writer import TableWriter
    from ganaug.generators.contract import has_groups, training_data
    from ganaug.generators.parts import part_seed, rows_at_a_time

    form, schema = known_format(model)
    at_a_time = rows_at_a_time(gan)
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("drawing rows"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal or len(asked) <= at_a_time,
    )
    with tidied_when_ended(), ExitStack() as stack:
        task = bar.add_task("", total=len(asked))
        stack.enter_context(bar)
        writer = None
        for number, start in enumerate(range(0, len(asked), at_a_time)):
            labels, groups = asked.part(start, start + at_a_time)
            rows = _drawn(gan, labels, groups, part_seed(seed, number))
            if writer is None:
                like = None if form is None else form.of_columns(rows.columns)
                writer = stack.enter_context(TableWriter(output, like=like, schema=schema))
            writer.write(rows)
            bar.advance(task, len(labels))
    remember(output)
    left = training_data(gan).get("groups") if has_groups(gan) and asked.groups is None else None
    if left is not None:
        print(f"The column {left!r} is left out, since no groups were asked for; --groups or --per-cell write it.")


def _drawn(gan: Any, labels: Any, groups: Any, seed: int | None) -> Any:
    """Rows with columns of their labels and groups."""
    import narwhals as nw

    from ganaug.data.tables.arrow_tables import of_file
    from ganaug.data.tables.containers import as_table, is_frame
    from ganaug.generators.contract import training_data

    drawn = gan.sample(labels, *([] if groups is None else [groups]), random_state=seed)
    # A frame that is none of pandas keeps its dates and decimals, and whole numbers whole.
    rows = (of_file(nw.from_native(drawn).to_arrow()) if is_frame(drawn) else as_table(drawn)[0]).rename(columns=str)
    for role, called, values in (("target", "label", labels), ("groups", "group", groups)):
        if values is None:
            continue
        name = training_data(gan).get(role, called)
        while name in rows.columns:
            name = f"_{name}"
        rows[name] = values if role == "target" else _named(values)
    return rows


def _named(groups: NDArray[Any]) -> Any:
    """Groups for a file, in which an unknown one is missing."""
    import pandas as pd

    from ganaug.data.groups import has_group

    known = has_group(groups)
    return groups if known.all() else pd.Series(groups).convert_dtypes().where(known)


def _check_groups(groups: str | None, target: str, cls: type | None = None) -> None:
    """Refuse the column of the labels as that of the groups, and groups for a class that learns none."""
    if cls is not None:
        check_learns_groups(cls, groups)
    if groups == target:
        raise ValueError(
            f"--groups must be another column than --target, got {target!r} for both; name that of the groups"
        )


def _check_cells(groups: str | None, target: str, per_cell: str | None, strategy: str) -> None:
    _check_groups(groups, target)
    if per_cell is None:
        return
    if groups is None:
        raise ValueError("--per-cell needs the column of the groups; pass --groups too, or leave it out")
    if strategy != "auto":
        raise ValueError(f"--per-cell takes the place of --strategy, got {strategy!r} beside it; leave one of them out")
    if per_cell != "balance" and not (per_cell.isascii() and per_cell.isdecimal()):
        raise ValueError(f"--per-cell must be 'balance' or a whole number, got {per_cell!r}; pass one of them")


def _cells(per_cell: str, table: Any, labels: Any, column: str | None) -> str | dict[tuple[Any, Any], int]:
    """The strategy that ``--per-cell`` asks for; a number is not for the group of rows whose group is unknown."""
    from ganaug.data.groups import cell_counts, has_group
    from ganaug.data.tables.group_column import part_groups

    if per_cell == "balance":
        return "auto"
    counts = cell_counts(labels, part_groups(table, column)[1])
    known = counts.loc[:, has_group(counts.columns.to_numpy())]
    return {
        (label, group): int(known.at[label, group]) + int(per_cell)
        for label in known.index.tolist()
        for group in known.columns.tolist()
    }


def _strategy(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
