"""``ganaug fit images`` and ``ganaug augment images``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganaug.cli.common import (
    BatchSize,
    CheckpointEvery,
    Checkpoints,
    Device,
    DryRun,
    Groups,
    HealthOption,
    License,
    LogDir,
    Resume,
    Seed,
    Size,
    ValidationFraction,
    augment_app,
    fit_app,
    image_size,
    run_options,
)
from ganaug.cli.image_files import (
    ImageFormat,
    as_fitted,
    check_holds,
    check_image_output,
    tell_other_columns,
    without_label,
    write_images,
)
from ganaug.cli.models import (
    GeneratorName,
    Params,
    check_learns_groups,
    check_savable,
    found_class,
    made,
    open_model,
    print_plan,
    report_training,
    save,
    saving,
    train,
)
from ganaug.cli.outputs import Overwrite, check_model_output

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganaug.curation import AugmentedImages
    from ganaug.data import LabelledImages


class Preset(StrEnum):
    """Presets of ImageGAN."""

    auto = "auto"
    tiny = "tiny"
    small = "small"
    base = "base"


class Precision(StrEnum):
    """What the networks of ImageGAN compute in while they are trained."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


Source = Annotated[
    str, typer.Argument(help="Folder with a folder per class, .parquet, .npz, or an embedded set: digits, mnist5k.")
]
PresetOption = Annotated[
    Preset | None, typer.Option(help="Size of the networks and length of the training; auto by default.")
]
Steps = Annotated[int | None, typer.Option(help="Updates of the networks, instead of the preset's.")]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option("--precision", help="What training computes in; auto: bf16 where the processor or GPU has it."),
]
Flip = Annotated[bool, typer.Option("--flip", help="Left and right may be swapped: mirror images in training.")]
Unlabelled = Annotated[
    str | None,
    typer.Option(help="Name of the class, such as a folder, whose images have no label; they are trained on too."),
]
PerClassOfReal = Annotated[
    str | None,
    typer.Option(
        help="Samples to add to each class: a number, a share of the real ones such as 0.5, balance, or auto: as many "
        "as pay in inner validation, which may be none. By default balance."
    ),
]
PerCellOfReal = Annotated[
    str | None,
    typer.Option(
        help="In place of --per-class, with --groups: samples to add to each class in each group, also where there are "
        "none: a number, or balance."
    ),
]
ModelOfSource = Annotated[
    Path | None, typer.Option(help="A model of 'ganaug fit' on the same samples, in place of training one.")
]
KeepAll = Annotated[
    bool, typer.Option("--keep-all", help="Do not drop copies and samples that are untypical of their class.")
]
TrainedClass = Annotated[
    str | None, typer.Option("--generator", help="What is trained, as for 'fit'; with --model, the class of that.")
]


@fit_app.command("images")
def fit_images(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the model to.")],
    generator: GeneratorName = "gan",
    preset: PresetOption = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    precision: PrecisionOption = None,
    size: Size = None,
    flip: Flip = False,
    unlabelled: Unlabelled = None,
    groups: Groups = None,
    param: Params = None,
    validation_fraction: ValidationFraction = None,
    device: Device = "auto",
    seed: Seed = None,
    log_dir: LogDir = None,
    checkpoints: Checkpoints = None,
    checkpoint_every: CheckpointEvery = None,
    resume: Resume = False,
    health: HealthOption = None,
    license: License = "unknown",
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
) -> None:
    """Train a class-conditional generator, by default a GAN, on labelled images."""
    from ganaug.data import labelled_images

    run = run_options(checkpoints, checkpoint_every, resume, health, validation_fraction)
    asked = {**training_options(preset, steps, batch_size, precision, device, seed), **run, "log_dir": log_dir}
    fit_and_save(
        lambda: labelled_images(source, size=image_size(size), groups=groups, dtype="auto"),
        source,
        output,
        generator,
        asked,
        param,
        groups=groups,
        unlabelled=unlabelled,
        flip=flip,
        license=license,
        overwrite=overwrite,
        dry_run=dry_run,
    )


def fit_and_save(
    read: Callable[[], LabelledImages],
    source: str,
    output: Path,
    generator: str,
    asked: dict[str, Any],
    param: list[str] | None,
    *,
    kind: str = "images",
    groups: str | None,
    unlabelled: str | None,
    flip: bool = False,
    license: str,
    overwrite: bool,
    dry_run: bool,
) -> None:
    """Train a generator on what is read, and save it; `asked` are parameters by name, None for what was not given."""
    from ganaug.data.images.synthetic_marks import check_images_real

    cls = found_class(generator, "images")
    check_savable(cls, license)
    check_learns_groups(cls, groups)
    log_dir = asked["log_dir"] or output / "log"
    gan = made(cls, asked, param, log_dir=log_dir)
    if not dry_run:
        check_model_output(output, [source], log_dir, asked, overwrite=overwrite)
    data = read()
    if data.groups is not None and len(names := {*data.groups.tolist()}) < 2:
        raise ValueError(f"--groups needs at least two groups, got {names.pop()!r} for all samples; leave it out")
    check_images_real(Path(source), data)
    if unlabelled is not None:
        _check_keeps(gan)
        data = without_label(data, unlabelled)
    if flip:
        _mirror(gan, data)
    if dry_run:
        about = {"source": source, "output": str(output), "data": _found(data)}
        print_plan(gan, {**about, **_place(asked), "log_dir": str(log_dir)}, data)
        return
    if train(gan, data, unlabelled=unlabelled, groups=groups, **data.facts):
        with saving(output, asked["checkpoint_dir"]):
            save(gan, output, license)
        report_training(gan, f"{len(data):,} {kind}", output)


@augment_app.command("images")
def augment_images(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder, or an .npz or .parquet file to write.")],
    per_class: PerClassOfReal = None,
    per_cell: PerCellOfReal = None,
    groups: Groups = None,
    model: ModelOfSource = None,
    keep_all: KeepAll = False,
    output_format: Annotated[
        ImageFormat | None, typer.Option("--format", help="Instead of what the output's name says.")
    ] = None,
    generator: TrainedClass = None,
    preset: PresetOption = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    precision: PrecisionOption = None,
    size: Size = None,
    flip: Flip = False,
    unlabelled: Unlabelled = None,
    param: Params = None,
    device: Device = "auto",
    seed: Seed = None,
    overwrite: Overwrite = False,
) -> None:
    """Add synthetic images to labelled ones, and mark them: a column is_synthetic, in a folder that of metadata.csv.

    In a folder images keep their names, as PNG, and synthetic ones are called synthetic_*.png; the package datasets
    reads the columns label and is_synthetic with load_dataset("imagefolder").

    With groups there is a column group as well, and synthetic images lie in class/group/.

    Images without a label are kept, and none are added to them; those marked -1 get a folder of their own, and stay -1
    in .npz and .parquet files. Of other columns of a .parquet file a warning says that they are not written.
    """
    from ganaug.data import labelled_images

    augment_and_write(
        lambda _, groups: labelled_images(source, size=image_size(size), groups=groups, dtype="auto"),
        source,
        output,
        training_options(preset, steps, batch_size, precision, device, seed),
        param,
        per_class=per_class,
        per_cell=per_cell,
        groups=groups,
        model=model,
        keep_all=keep_all,
        output_format=output_format,
        generator=generator,
        flip=flip,
        unlabelled=unlabelled,
        overwrite=overwrite,
    )
    tell_other_columns(source, groups, output)


def augment_and_write(
    read: Callable[[Any, str | None], LabelledImages],
    source: str,
    output: Path,
    asked: dict[str, Any],
    param: list[str] | None,
    *,
    kind: str = "images",
    per_class: str | None,
    per_cell: str | None,
    groups: str | None,
    model: Path | None,
    keep_all: bool,
    output_format: ImageFormat | None = None,
    generator: str | None,
    flip: bool = False,
    unlabelled: str | None,
    overwrite: bool,
) -> tuple[LabelledImages, AugmentedImages]:
    """Add synthetic samples to what is read, and write both; `read` takes the generator and where groups stand.

    Returns
    -------
    whole : LabelledImages
        What was read.
    more : AugmentedImages
        With labels as they were read.
    """
    from ganaug.data.images.synthetic_marks import check_images_real

    if model is not None:
        _check_nothing_trains(asked, flip, param)
    written_as = check_image_output(output, output_format, [source, model], overwrite=overwrite)
    gan, groups = _made_or_opened(model, generator, groups, asked, param)
    _check_what_is_added(per_class, per_cell, keep_all, groups)
    whole = read(gan, groups)
    check_images_real(Path(source), whole)
    check_holds(written_as, whole.images)
    data = _as_trained_on(whole, None if model is None else gan, model, unlabelled, source)
    if flip:
        _mirror(gan, data)
    more = _augmented(data, gan, asked, per_class, per_cell, keep_all, prefit=model is not None)
    if more.reason:
        print(f"{more.reason[:1].upper()}{more.reason[1:]}.")
    names = {**whole.class_names, **{label: whole.name(label) for label in whole.classes.tolist()}}
    more = replace(more, labels=_as_read(more.labels, data, whole))
    write_images(
        output, written_as, more.images, more.labels, names, more.is_synthetic, whole.files, more.groups, whole.facts
    )
    print(f"Wrote {len(more.labels):,} {kind}, {more.is_synthetic.sum():,} of them synthetic, to {output}.")
    if per_cell is not None and whole.groups is not None and more.groups is not None:
        _report_cells(whole, more, names, kind)
    return whole, more


def _as_trained_on(
    whole: LabelledImages, gan: Any, model: Path | None, unlabelled: str | None, source: str
) -> LabelledImages:
    """The samples with the labels of a model, if there is one, whose kind they are checked to be of."""
    if unlabelled is not None:
        data = without_label(whole, unlabelled)
    else:
        data = whole if model is None else as_fitted(whole, gan)
    if model is not None:
        _check_alike(gan, model, data.labelled(), source)
    return data


def _augmented(
    data: LabelledImages,
    gan: Any,
    asked: Mapping[str, Any],
    per_class: str | None,
    per_cell: str | None,
    keep_all: bool,
    *,
    prefit: bool,
) -> AugmentedImages:
    from ganaug import curation

    return curation.augment_images(
        data,
        generator=gan,
        per_class=None if per_class is None else _number(per_class),
        per_cell=None if per_cell is None else _number(per_cell),
        groups=data.groups,
        keep=[] if keep_all else "auto",
        prefit=prefit,
        device=asked["device"] or "auto",
        random_state=asked["random_state"],
    )


def _made_or_opened(
    model: Path | None, generator: str | None, groups: str | None, asked: Mapping[str, Any], param: list[str] | None
) -> tuple[Any, str | None]:
    """A generator to be trained, or the saved one, and where the groups of the images are read, as it learnt them."""
    from ganaug.generators.contract import has_groups, training_data

    if model is None:
        cls = found_class(generator or "gan", "images")
        check_learns_groups(cls, groups)
        return made(cls, asked, param), groups
    gan = open_model(model, asked["device"] or "auto", generator, "images")
    if groups is None and has_groups(gan):
        groups = training_data(gan).get("groups")
    return gan, groups


def _check_what_is_added(per_class: str | None, per_cell: str | None, keep_all: bool, groups: str | None) -> None:
    """Refuse options that exclude each other."""
    if per_class is not None and per_cell is not None:
        raise ValueError("--per-class and --per-cell exclude each other; leave one of them out")
    if per_class == "auto" and keep_all:
        raise ValueError("--per-class auto chooses filters too; leave --keep-all out, or pass a number")
    if per_cell is not None and groups is None:
        raise ValueError("--per-cell needs the groups of the images; pass --groups too")


def _report_cells(whole: LabelledImages, more: AugmentedImages, names: Mapping[Any, str], kind: str) -> None:
    """Print which cells had no samples and have some now."""
    from ganaug.data.groups import cell_counts
    from ganaug.data.labels import listed

    before, after = (cell_counts(part.labels, part.groups) for part in (whole, more))
    empty = [
        f"{names.get(label, label)} in {group}"
        for label in before.index.tolist()
        for group in before.columns.tolist()
        if before.at[label, group] == 0 and after.at[label, group] > 0
    ]
    if empty:
        print(f"Filled {len(empty)} of {before.size} cells of class and group, which had no {kind}: {listed(empty)}.")


TRAINING = ("preset", "steps", "batch_size", "precision")


def training_options(
    preset: Preset | None,
    steps: int | None,
    batch_size: int | None,
    precision: Precision | None,
    device: str,
    seed: int | None,
) -> dict[str, Any]:
    """Parameters that the options of both commands stand for, None for what was not given."""
    return {
        "preset": preset,
        "steps": steps,
        "batch_size": batch_size,
        "precision": precision,
        "device": None if device == "auto" else device,
        "random_state": seed,
    }


def _check_nothing_trains(asked: dict[str, Any], flip: bool, param: list[str] | None) -> None:
    """Refuse options of the training beside a model that is trained."""
    if flip or param or any(asked[name] is not None for name in TRAINING):
        raise ValueError(
            "--steps, --batch-size, --preset, --precision, --param and --flip are for training; leave them out with "
            "--model"
        )


def _place(asked: Mapping[str, Any]) -> dict[str, Any]:
    from ganaug.engine.devices import resolve_device

    return {"device": str(resolve_device(asked["device"] or "auto")), "seed": asked["random_state"]}


def _found(data: LabelledImages) -> dict[str, Any]:
    import numpy as np

    groups = {} if data.groups is None else {"groups": np.unique(data.groups).tolist()}
    return {
        "n_images": len(data),
        "image_shape": data.image_shape,
        "classes": [data.name(label) for label in data.labelled().classes.tolist()],
        "skipped_files": len(data.skipped),
        **groups,
    }


def _check_keeps(gan: Any) -> None:
    """Refuse ``--unlabelled`` for a model that would not keep what the class was called."""
    from ganaug.generators.contract import takes

    if not takes(gan.fit, "metadata"):
        raise ValueError(f"--unlabelled is not for {type(gan).__name__}, whose fit takes no metadata; leave it out")


def _mirror(gan: Any, data: LabelledImages) -> None:
    """Add mirror images to what a generator does to its training images anyway."""
    if "augment" not in getattr(gan, "get_params", dict)():
        raise ValueError(f"--flip is not for {type(gan).__name__}, which has no parameter augment; leave it out")
    gan.set_params(augment=(*gan.resolve(data).operations, "hflip"))


def _check_alike(gan: Any, model: Path, data: LabelledImages, source: str) -> None:
    """Check that a saved generator draws such images."""
    from ganaug.generators.contract import class_name

    shape = gan.sample_spec_.shape
    if shape != data.image_shape:
        raise ValueError(f"{model} draws images of shape {shape}, those in {source} have {data.image_shape}")
    for label in data.classes.tolist():
        if class_name(gan, label) != data.name(label):
            raise ValueError(
                f"label {label!r} is {data.name(label)!r} in {source} and {class_name(gan, label)!r} for {model}"
            )


def _as_read(labels: NDArray[Any], data: LabelledImages, whole: LabelledImages) -> NDArray[Any]:
    """Labels as they were read, of what was trained on with labels of the model's."""
    import numpy as np

    classes, first = np.unique(data.labels, return_index=True)
    added = labels[len(data) :]
    return np.concatenate([whole.labels, whole.labels[first][np.searchsorted(classes, added)]])


def _number(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return text
    # A share has a point: 1e2 is a hundred, and 1.0 as many as there are real ones.
    return int(value) if value.is_integer() and "." not in text else value
