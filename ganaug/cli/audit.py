"""``ganaug audit``: whether a model, or synthetic samples, give training samples away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganaug.cli.common import Device, Seed, app
from ganaug.cli.image_files import as_fitted, named_like
from ganaug.cli.models import ModelClass, open_model
from ganaug.cli.outputs import Overwrite, check_output, is_audit
from ganaug.cli.sound_files import images_or_sounds
from ganaug.cli.table_files import (
    Categorical,
    Decimal,
    Encoding,
    NaValues,
    Separator,
    csv_options,
    opened,
    report_reading,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ganaug.audit import AuditReport
    from ganaug.data import LabelledImages
    from ganaug.data.tables.files.csv_format import CsvOptions

FAILED = 1


@app.command()
def audit(
    source: Annotated[
        str,
        typer.Argument(
            help="A model of 'ganaug fit', a pool, or synthetic samples: a folder per class, .npz, .parquet or .csv."
        ),
    ],
    train: Annotated[str, typer.Option("--real", "--train", help="What the model was trained on.")],
    holdout: Annotated[
        str | None, typer.Option(help="Samples split off at random before training; needed for a full verdict.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Column of the class labels of tables; by default what the model was fitted to.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .json file, or a folder for the report and the nearest pairs."),
    ] = None,
    per_class: Annotated[int | None, typer.Option(help="Samples to draw of each class of a model.")] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            help="Where the groups of samples stand, as for 'fit'; by default what the model was fitted with. The "
            "report says which groups samples do not follow."
        ),
    ] = None,
    size: Annotated[str | None, typer.Option(help="Resize images in folders and .parquet files, as for 'fit'.")] = None,
    categorical: Categorical = None,
    sep: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    na_values: NaValues = None,
    generator: ModelClass = None,
    device: Device = "auto",
    seed: Seed = None,
    overwrite: Overwrite = False,
) -> None:
    """Test whether synthetic samples are copies of training samples.

    Ends with status 1 if they fail a test, 0 if none failed, also where not all could be made, and 2 on bad input.
    """
    from ganaug.generators.contract import training_data
    from ganaug.generators.model_folder import kind_of

    _check_output(output, [source, train, holdout], overwrite)
    gan = open_model(source, device, generator) if generator is not None or kind_of(source) else None
    groups = groups or (None if gan is None else training_data(gan).get("groups"))
    draws = None if gan is None else gan.sample_spec_.kind
    options = csv_options(sep, decimal, encoding, na_values)
    asked: dict[str, Any] = {"per_class": per_class, "device": device, "random_state": seed}
    if draws == "rows" or (draws is None and _is_table(source, target)):
        if size is not None:
            raise ValueError("--size is for images; leave it out")
        report = _audit_rows(gan, source, train, holdout, target, groups, categorical or [], options, asked)
    else:
        if categorical or target is not None or any((sep, decimal, encoding, na_values)):
            raise ValueError("--target, --categorical and the options of CSV files are for tables; leave them out")
        report = _audit_images(gan, source, train, holdout, groups, size, asked)
    print(report)
    if output is not None:
        _write(report, output, {"source": source, "train": train, "holdout": holdout, "seed": seed})
        print(f"Report in {output}.")
    if report.verdict == "fail":
        raise typer.Exit(FAILED)


def _audit_rows(
    gan: Any,
    source: str,
    train: str,
    holdout: str | None,
    target: str | None,
    groups: str | None,
    categorical: list[str],
    options: CsvOptions,
    asked: dict[str, Any],
) -> AuditReport:
    from ganaug.audit import audit as run_audit
    from ganaug.data.tables.group_column import part_groups
    from ganaug.generators.contract import training_data

    column = target or (training_data(gan).get("target") if gan is not None else None)
    if column is None:
        raise ValueError(f"{source} holds rows of a table; name the column of their classes with --target")
    names = [column, *categorical, *([] if groups is None else [groups])]
    real, real_labels = _rows(train, names, options)
    other, other_labels = (None, None) if holdout is None else _rows(holdout, names, options)
    synthetic, labels = (gan, None) if gan is not None else _rows(source, names, options, synthetic=True)
    real, real_groups = part_groups(real, groups)
    other = other if other is None else part_groups(other, groups)[0]
    synthetic, made_groups = (gan, None) if gan is not None else part_groups(synthetic, groups)
    return run_audit(
        synthetic,
        real,
        other,
        labels=labels,
        train_labels=real_labels,
        holdout_labels=other_labels,
        groups=made_groups,
        train_groups=real_groups,
        categorical_features=categorical or "auto",
        **asked,
    )


def _audit_images(
    gan: Any,
    source: str,
    train: str,
    holdout: str | None,
    groups: str | None,
    size: str | None,
    asked: dict[str, Any],
) -> AuditReport:
    from ganaug.audit import audit as run_audit
    from ganaug.data.images.synthetic_marks import check_images_real
    from ganaug.generators.contract import training_data

    made = None if gan is not None else _synthetic_images(source, size, groups)
    facts = training_data(gan) if made is None else made.facts
    paths = [path for path in (train, holdout) if path is not None]
    sides = [_images(path, size, groups, facts, source) for path in paths]
    for path, side in zip(paths, sides, strict=True):
        check_images_real(Path(path), side)
    if made is None:
        return run_audit(gan, *(as_fitted(side, gan) for side in sides), **asked)
    return run_audit(named_like(made, sides[0]), *sides, **asked)


def _is_table(source: str, target: str | None) -> bool:
    from ganaug.data.tables.files.csv_format import file_kind

    kind = file_kind(source)
    return kind is not None and (kind != "parquet" or target is not None)


def _check_output(output: Path | None, inputs: list[str | None], overwrite: bool) -> None:
    if output is None:
        return
    if output.suffix and output.suffix.lower() != ".json" and not output.is_dir():
        raise ValueError(f"{output} must end in .json, or be a folder")
    as_folder = output.suffix.lower() != ".json"
    check_output(output, inputs, folder=as_folder, own=is_audit, overwrite=overwrite)


def _rows(
    path: str, names: list[str], options: CsvOptions, *, synthetic: bool = False
) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Features and labels; of a table that marks its synthetic rows only these, if they are asked for.

    The first of the names is that of the column of labels; the others are those of categorical columns.
    """
    from ganaug.data.synthetic_rows import SYNTHETIC, marked_rows, real_rows
    from ganaug.data.tables.files.csv_format import CsvOptions, file_kind
    from ganaug.data.tables.files.table_files import split_target

    # The options are those of the CSV files among several.
    file = opened(path, CsvOptions() if file_kind(path) == "parquet" else options, names, formats=False)
    table = file.table
    if not synthetic:
        table = real_rows(path, table)
    elif SYNTHETIC in table.columns:
        marked = marked_rows(path, table[SYNTHETIC])
        if not marked.any():
            raise ValueError(f"{path} holds no synthetic rows ({SYNTHETIC} is false in all), so there is none to audit")
        table = table[marked].drop(columns=SYNTHETIC).reset_index(drop=True)
    parted = split_target(table, names[0], path, fewest=1)
    report_reading(path, file)
    return parted


def _images(path: str, size: str | None, groups: str | None, facts: Mapping[str, Any], source: str) -> LabelledImages:
    from ganaug.data.images.sources import EMBEDDED

    as_it_is = path in EMBEDDED or Path(path).suffix.lower() == ".npz"
    return images_or_sounds(path, None if as_it_is else size, groups, facts, source)


def _synthetic_images(path: str, size: str | None, groups: str | None) -> LabelledImages:
    """Images of a pool, or of files; of files that mark their synthetic images only these."""
    import numpy as np

    from ganaug.curation import SyntheticPool
    from ganaug.curation.pool import HEADER
    from ganaug.data import LabelledImages
    from ganaug.data.images.synthetic_marks import marked_images

    if (Path(path) / HEADER).is_file():
        pool = SyntheticPool(path)
        images, of = pool.read(range(len(pool))).numpy(), None if groups is None else pool.groups
        facts = pool.provenance.get("gan", {}).get("training_data", {})
        return LabelledImages(images, pool.labels, pool.class_names, groups=of, facts=facts)
    data = _images(path, size, groups, {}, path)
    marked = marked_images(Path(path), data)
    return data if marked is None else data.subset(np.flatnonzero(marked))


def _write(report: AuditReport, output: Path, asked: dict[str, Any]) -> None:
    from ganaug.data.files import write_atomically
    from ganaug.data.images.pictures import png_bytes
    from ganaug.data.tables.files.table_files import write_table

    text = json.dumps({**asked, **report.to_dict()}, indent=1, ensure_ascii=False)
    if output.suffix.lower() == ".json":
        write_atomically(output, text)
        return
    write_atomically(output / "report.json", text)
    write_atomically(output / "report.txt", f"{report}\n")
    if report.kind == "images":
        write_atomically(output / "pairs.png", png_bytes(report.sheet()))
    else:
        write_table(report.pair_table(), output / "pairs.csv")
