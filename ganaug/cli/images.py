"""``ganaug fit images`` and ``ganaug augment images``."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganaug.cli.common import (
    BatchSize,
    CheckpointEvery,
    Checkpoints,
    Device,
    HealthMode,
    HealthOption,
    License,
    Resume,
    ValidationFraction,
    augment_app,
    checkpointing,
    fit_app,
    how_trained,
    image_size,
    saving,
    tell_findings,
    under_torchrun,
)
from ganaug.cli.image_files import (
    ImageFormat,
    as_fitted,
    check_all_real,
    check_image_output,
    without_label,
    write_images,
)
from ganaug.cli.outputs import Overwrite, check_model_output

if TYPE_CHECKING:
    from ganaug.data import LabelledImages
    from ganaug.generators import ImageGAN


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
PresetOption = Annotated[Preset, typer.Option(help="Size of the networks and length of the training.")]
Steps = Annotated[int | None, typer.Option(help="Updates of both networks, instead of the preset's.")]
PrecisionOption = Annotated[
    Precision,
    typer.Option("--precision", help="What training computes in; auto: bf16 where the processor or GPU has it."),
]
Size = Annotated[str | None, typer.Option(help="Resize images to this side, or HEIGHTxWIDTH, in pixels.")]
Flip = Annotated[bool, typer.Option("--flip", help="Left and right may be swapped: mirror images in training.")]
Unlabelled = Annotated[
    str | None,
    typer.Option(help="Name of the class, such as a folder, whose images have no label; they are trained on too."),
]


@fit_app.command("images")
def fit_images(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the model to.")],
    preset: PresetOption = Preset.auto,
    steps: Steps = None,
    batch_size: BatchSize = None,
    precision: PrecisionOption = Precision.auto,
    size: Size = None,
    flip: Flip = False,
    unlabelled: Unlabelled = None,
    validation_fraction: ValidationFraction = 0.0,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(help="On a CPU the same seed gives the same model.")] = None,
    log_dir: Annotated[
        Path | None, typer.Option(help="Folder for metrics.jsonl and TensorBoard files; default OUTPUT/log.")
    ] = None,
    checkpoints: Checkpoints = None,
    checkpoint_every: CheckpointEvery = None,
    resume: Resume = False,
    health: HealthOption = HealthMode.report,
    license: License = "unknown",
    overwrite: Overwrite = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the full configuration as JSON and stop.")] = False,
) -> None:
    """Train a class-conditional GAN on labelled images."""
    from ganaug.data import labelled_images
    from ganaug.data.images.labelled import UNLABELLED
    from ganaug.engine.devices import resolve_device
    from ganaug.engine.distributed import current_context
    from ganaug.engine.run_options import RunOptions
    from ganaug.generators.card import check_facts

    safety = checkpointing(checkpoints, checkpoint_every, resume)
    check_facts(license)
    log_dir = log_dir or output / "log"
    if not dry_run:
        check_model_output(output, [source], log_dir, safety, overwrite=overwrite)
    data = labelled_images(source, size=image_size(size))
    if unlabelled is not None:
        data = without_label(data, unlabelled)
    gan = _gan(
        data,
        preset,
        steps,
        batch_size,
        precision,
        flip,
        device=device,
        random_state=seed,
        run=RunOptions(
            log_dir=log_dir,
            validation_fraction=validation_fraction,
            health=health.value,
            distributed=under_torchrun(),
            **safety,
        ),
    )
    if dry_run:
        found = {
            "n_images": len(data),
            "image_shape": data.image_shape,
            "classes": [data.name(label) for label in data.classes.tolist() if label != UNLABELLED],
            "skipped_files": len(data.skipped),
        }
        asked = {"source": source, "output": str(output), "data": found}
        run = {"device": str(resolve_device(device)), "seed": seed, "log_dir": str(log_dir)}
        print(json.dumps({**asked, **run, **gan.resolve(data).to_dict()}, indent=1))
        return
    gan.fit(data)
    if not current_context(under_torchrun()).first:
        return
    if unlabelled is not None:
        gan.training_data_["unlabelled"] = unlabelled
    with saving(output, checkpoints):
        gan.save(output, license=license)
        gan.show(output / "samples.png")
    tell_findings(gan.health_)
    print(
        f"{how_trained(gan, f'{len(data):,} images of {len(gan.classes_)} classes')} "
        f"Model in {output}, samples in {output / 'samples.png'}."
    )


@augment_app.command("images")
def augment_images(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder, or an .npz or .parquet file to write.")],
    per_class: Annotated[
        str,
        typer.Option(
            help="Images to add to each class: a number, a share of the real ones such as 0.5, balance, or auto: as "
            "many as pay in inner validation, which may be none."
        ),
    ] = "balance",
    model: Annotated[
        Path | None, typer.Option(help="A model of 'ganaug fit images' on the same images, in place of training one.")
    ] = None,
    keep_all: Annotated[
        bool, typer.Option("--keep-all", help="Do not drop copies and images that are untypical of their class.")
    ] = False,
    output_format: Annotated[
        ImageFormat | None, typer.Option("--format", help="Instead of what the output's name says.")
    ] = None,
    preset: PresetOption = Preset.auto,
    steps: Steps = None,
    batch_size: BatchSize = None,
    precision: PrecisionOption = Precision.auto,
    size: Size = None,
    flip: Flip = False,
    unlabelled: Unlabelled = None,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(help="On a CPU the same seed gives the same images.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Add synthetic images to labelled ones, and mark them: a column is_synthetic, in a folder that of metadata.csv.

    In a folder images keep their names, as PNG, and synthetic ones are called synthetic_*.png; the package datasets
    reads the columns label and is_synthetic with load_dataset("imagefolder").

    Images without a label are kept, and none are added to them; those marked -1 get a folder of their own, and stay -1
    in .npz and .parquet files.
    """
    import numpy as np

    from ganaug.curation import choose_ratio, images_to_add
    from ganaug.curation.drawing import draw_filtered
    from ganaug.data import labelled_images
    from ganaug.generators import ImageGAN
    from ganaug.generators.pseudo_labels import labelled_part

    asked = steps is not None or batch_size is not None or flip
    if model is not None and (asked or preset is not Preset.auto or precision is not Precision.auto):
        raise ValueError(
            "--steps, --batch-size, --preset, --precision and --flip are for training; leave them out with --model"
        )
    gated = per_class == "auto"
    if gated and keep_all:
        raise ValueError("--per-class auto chooses filters too; leave --keep-all out, or pass a number")
    kind = check_image_output(output, output_format, [source, model], overwrite=overwrite)
    data = whole = labelled_images(source, size=image_size(size))
    check_all_real(Path(source), whole)
    gan = None if model is None else ImageGAN.load(model, device=device)
    if unlabelled is not None:
        data = without_label(whole, unlabelled)
    elif gan is not None:
        data = as_fitted(whole, gan)
    known = labelled_part(data)
    if gated and len(known) < len(data):
        raise ValueError(
            f"--per-class auto validates with labels, which {len(data) - len(known)} images in {source} lack; pass a "
            "number, or leave these out"
        )
    counts = dict(zip(*(part.tolist() for part in np.unique(known.labels, return_counts=True)), strict=True))
    added: dict[Any, int] = {} if gated else images_to_add(_number(per_class), counts)
    images, labels = data.images, whole.labels
    if gated or any(added.values()):
        if gan is None:
            gan = _gan(data, preset, steps, batch_size, precision, flip, device=device, random_state=seed)
        else:
            _check_alike(gan, model, known, source)
        keep: Any = "auto"
        if gated:
            choice = choose_ratio(gan, data, device=device, random_state=seed)
            print(f"{choice.reason[:1].upper()}{choice.reason[1:]}.")
            added, keep = choice.images_to_add(counts), choice.keep
        if any(added.values()):
            gan = gan.fit(data) if model is None else gan
            real = None if keep_all else data
            drawn, places = draw_filtered(gan, added, real=real, keep=keep, random_state=seed)
            images = np.concatenate([images, drawn])
            classes, first = np.unique(data.labels, return_index=True)
            as_read = whole.labels[first][np.searchsorted(classes, gan.classes_[places])]
            labels = np.concatenate([labels, as_read])
    names = {label: whole.name(label) for label in whole.classes.tolist()}
    synthetic = np.arange(len(images)) >= len(data)
    write_images(output, kind, images, labels, names, synthetic, whole.files)
    print(f"Wrote {len(images):,} images, {len(images) - len(data):,} of them synthetic, to {output}.")


def _check_alike(gan: ImageGAN, model: Path | None, data: LabelledImages, source: str) -> None:
    """Check that a saved GAN draws such images."""
    if gan.image_shape_ != data.image_shape:
        raise ValueError(f"{model} draws images of shape {gan.image_shape_}, those in {source} have {data.image_shape}")
    for label in data.classes.tolist():
        if gan.class_name(label) != data.name(label):
            raise ValueError(
                f"label {label!r} is {data.name(label)!r} in {source} and {gan.class_name(label)!r} for {model}"
            )


def _gan(
    data: LabelledImages,
    preset: Preset,
    steps: int | None,
    batch_size: int | None,
    precision: Precision,
    flip: bool,
    **options: Any,
) -> ImageGAN:
    from ganaug.generators import ImageGAN

    gan = ImageGAN(
        preset=preset.value,
        steps="auto" if steps is None else steps,
        batch_size="auto" if batch_size is None else batch_size,
        precision=precision.value,
        **options,
    )
    operations = gan.resolve(data).operations
    if flip:
        gan.set_params(augment=(*operations, "hflip"))
    return gan


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
