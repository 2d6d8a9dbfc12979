"""``ganaug fit table``, ``ganaug augment table``, and what ``ganaug sample`` does with a table's model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganaug.cli.common import (
    SYNTHETIC,
    BatchSize,
    CheckpointEvery,
    Checkpoints,
    HealthMode,
    HealthOption,
    License,
    Resume,
    ValidationFraction,
    augment_app,
    checkpointing,
    fit_app,
    how_trained,
    saving,
    tell_findings,
    under_torchrun,
)
from ganaug.cli.outputs import Overwrite, check_model_output, check_output, is_marked, remember
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
    tell_reading,
)

if TYPE_CHECKING:
    from ganaug.generators import TableGAN

Source = Annotated[Path, typer.Argument(help="A .csv, .tsv, .txt (each also with .gz) or .parquet file.")]
Target = Annotated[str, typer.Option(help="Column of the class labels.")]
Steps = Annotated[int, typer.Option(min=1, help="Updates of both networks.")]
Seed = Annotated[int | None, typer.Option(help="The same seed gives the same rows.")]


@fit_app.command("table")
def fit_table(
    source: Source,
    target: Target,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the model to.")],
    steps: Steps = 1000,
    batch_size: BatchSize = None,
    categorical: Categorical = None,
    validation_fraction: ValidationFraction = 0.0,
    seed: Seed = None,
    checkpoints: Checkpoints = None,
    checkpoint_every: CheckpointEvery = None,
    resume: Resume = False,
    health: HealthOption = HealthMode.report,
    license: License = "unknown",
    sep: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    na_values: NaValues = None,
    overwrite: Overwrite = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the full configuration as JSON and stop.")] = False,
) -> None:
    """Train a class-conditional GAN on a table with labels."""
    import numpy as np

    from ganaug.data.tables.files.table_files import split_target
    from ganaug.engine.distributed import current_context
    from ganaug.engine.run_options import RunOptions
    from ganaug.generators import TableGAN
    from ganaug.generators.card import check_facts

    safety = checkpointing(checkpoints, checkpoint_every, resume)
    check_facts(license)
    log_dir = output / "log"
    if not dry_run:
        check_model_output(output, [source], log_dir, safety, overwrite=overwrite)
    file = opened(source, csv_options(sep, decimal, encoding, na_values), [target, *(categorical or ())])
    table, labels = split_target(file.table, target, source)
    tell_reading(source, file)
    gan = TableGAN(steps=steps, categorical_features=categorical or "auto", random_state=seed)
    gan.set_params(batch_size=batch_size or gan.batch_size)
    gan.run = RunOptions(
        log_dir=log_dir,
        health=health.value,
        validation_fraction=validation_fraction,
        distributed=under_torchrun(),
        **safety,
    )
    if dry_run:
        names, counts = np.unique(labels, return_counts=True)
        found = {"n_rows": len(labels), "classes": dict(zip(map(str, names), counts.tolist(), strict=True))}
        asked = {"source": str(source), "target": target, "output": str(output), "seed": seed}
        print(json.dumps({**asked, "data": found, **gan.resolve(table, labels).to_dict()}, indent=1))
        return
    gan.fit(table, labels)
    if not current_context(under_torchrun()).first:
        return
    gan.training_data_["target"] = target
    with saving(output, checkpoints):
        gan.save(output, license=license)
        keep_format(output, file.format)
    tell_findings(gan.health_)
    print(f"{how_trained(gan, f'{len(labels):,} rows of {len(gan.classes_)} classes')} Model in {output}.")


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
    steps: Steps = 1000,
    batch_size: BatchSize = None,
    categorical: Categorical = None,
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
    from ganaug.data.tables.files.csv_format import TABLE_KINDS, file_kind
    from ganaug.data.tables.files.table_files import split_target, write_table
    from ganaug.generators import TableGAN
    from ganaug.resampling import GANOverSampler

    if file_kind(output) is None:
        raise ValueError(f"{output} must end in {TABLE_KINDS}")
    check_output(output, [source], folder=False, own=is_marked, overwrite=overwrite)
    file = opened(source, csv_options(sep, decimal, encoding, na_values), [target, *(categorical or ())])
    whole = file.table
    if SYNTHETIC in whole.columns:
        raise ValueError(f"{source} has a column {SYNTHETIC!r} already; rename or drop it")
    table, labels = split_target(whole, target, source)
    tell_reading(source, file)
    gan = TableGAN(steps=steps)
    sampler = GANOverSampler(
        generator=gan.set_params(batch_size=batch_size or gan.batch_size),
        sampling_strategy=_strategy(strategy),
        categorical_features=categorical or "auto",
        random_state=seed,
    )
    rows, new_labels = sampler.fit_resample(table, labels)
    rows.insert(list(whole.columns).index(target), target, new_labels)
    rows[target] = rows[target].astype(whole[target].dtype)
    rows[SYNTHETIC] = sampler.synthetic_mask_
    write_table(rows, output, like=file.format, originals=file.lines)
    remember(output)
    print(f"Wrote {len(rows):,} rows, {int(sampler.synthetic_mask_.sum()):,} of them synthetic, to {output}.")
    for label, instead in sampler.fallback_.items():
        how = "copies of its only row" if instead == "copies" else "from the local sampler alone"
        print(f"Class {label!r} is too small for a GAN; its new rows are {how}.")


def write_rows(gan: TableGAN, labels: Any, output: Path, seed: int | None, model: Path) -> None:
    """Draw rows and write them with their labels, as the table was written that the model was trained on."""
    import narwhals as nw

    from ganaug.data.tables.containers import as_table, is_frame
    from ganaug.data.tables.files.table_files import write_table

    drawn = gan.sample(labels, random_state=seed)
    # Frames of other libraries keep dates and decimals as such.
    rows = (nw.from_native(drawn).to_pandas() if is_frame(drawn) else as_table(drawn)[0]).rename(columns=str)
    name = gan.training_data_.get("target", "label")
    while name in rows.columns:
        name = f"_{name}"
    rows[name] = labels
    form = known_format(model)
    write_table(rows, output, like=form if form is not None and form.fits(rows) else None)
    remember(output)


def _strategy(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
