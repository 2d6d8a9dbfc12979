"""``ganaug fit images`` and ``ganaug sample``."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganaug.cli.common import TABLE_SUFFIXES, Device, app, check_writable, fit_app
from ganaug.cli.tables import write_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganaug.gans import ImageGAN
    from ganaug.gans.base import ConditionalGAN

# Also no leading dot and no empty name: a class called ".." must not leave the folder, nor ".x" be hidden in it.
UNSAFE_IN_NAME = re.compile(r"[^\w.@ +-]|^\.|^$")


class Preset(StrEnum):
    """Presets of ImageGAN."""

    auto = "auto"
    tiny = "tiny"
    small = "small"
    base = "base"


class SampleFormat(StrEnum):
    """What samples are written as."""

    folder = "folder"
    npz = "npz"
    parquet = "parquet"


@fit_app.command("images")
def fit_images(
    source: Annotated[
        str,
        typer.Argument(help="Folder with a folder per class, .parquet, .npz, or an embedded set: digits, mnist5k."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the model to.")],
    preset: Annotated[Preset, typer.Option(help="Size of the networks and length of the training.")] = Preset.auto,
    steps: Annotated[int | None, typer.Option(help="Updates of both networks, instead of the preset's.")] = None,
    size: Annotated[str | None, typer.Option(help="Resize images to this side, or HEIGHTxWIDTH, in pixels.")] = None,
    flip: Annotated[
        bool, typer.Option("--flip", help="Left and right may be swapped: mirror images in training.")
    ] = False,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(help="On a CPU the same seed gives the same model.")] = None,
    log_dir: Annotated[
        Path | None, typer.Option(help="Folder for metrics.jsonl and TensorBoard files; default OUTPUT/log.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the full configuration as JSON and stop.")] = False,
) -> None:
    """Train a class-conditional GAN on labelled images."""
    from ganaug.data import labelled_images
    from ganaug.gans import ImageGAN
    from ganaug.training.devices import resolve_device

    data = labelled_images(source, size=_size(size), train=True)
    gan = ImageGAN(
        preset=preset.value,
        steps="auto" if steps is None else steps,
        device=device,
        random_state=seed,
        log_dir=log_dir or output / "log",
    )
    config = gan.resolve(data)
    if flip:
        gan.set_params(augment=(*config.operations, "hflip"))
        config = gan.resolve(data)
    if dry_run:
        found = {
            "n_images": len(data),
            "image_shape": data.image_shape,
            "classes": [data.name(label) for label in data.classes.tolist()],
            "skipped_files": len(data.skipped),
        }
        asked = {"source": source, "output": str(output), "data": found}
        run = {"device": str(resolve_device(device)), "seed": seed, "log_dir": str(gan.log_dir)}
        print(json.dumps({**asked, **run, **config.to_dict()}, indent=1))
        return
    check_writable(output, folder=True)
    gan.fit(data)
    gan.save(output)
    gan.show(output / "samples.png")
    print(
        f"Trained on {len(data):,} images of {len(data.classes)} classes in {gan.history_[-1]['seconds']:.0f} s. "
        f"Model in {output}, samples in {output / 'samples.png'}."
    )


@app.command()
def sample(
    model: Annotated[Path, typer.Argument(help="Folder written by 'ganaug fit'.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="For images a folder, .npz or .parquet; for rows .csv or .parquet.")
    ],
    per_class: Annotated[int, typer.Option(min=1, help="Samples of each class.")] = 100,
    label: Annotated[list[str] | None, typer.Option("--class", help="Only this class; may be repeated.")] = None,
    output_format: Annotated[
        SampleFormat | None, typer.Option("--format", help="Instead of what the output's name says.")
    ] = None,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(help="On a CPU the same seed gives the same images.")] = None,
) -> None:
    """Draw synthetic images (a folder per class of PNGs, an .npz, or a .parquet file) or rows of a table."""
    from ganaug.gans import ImageGAN, TableGAN
    from ganaug.gans.bundle import kind_of

    if kind_of(model) == TableGAN.__name__:
        if output.suffix.lower() not in TABLE_SUFFIXES:
            raise ValueError(f"the model draws rows of a table; {output} must end in .csv or .parquet")
        check_writable(output, folder=False)
        table_gan = TableGAN.load(model, device=device)
        labels = _labels(table_gan, label, per_class)
        write_rows(table_gan, labels, output, seed)
        print(f"Wrote {len(labels):,} rows of {len(labels) // per_class} classes to {output}.")
        return
    kinds = {".npz": SampleFormat.npz, ".parquet": SampleFormat.parquet}
    kind = output_format or kinds.get(output.suffix, SampleFormat.folder)
    if kind is SampleFormat.folder and output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise ValueError(f"{output} exists and is not an empty folder; choose another name or delete it")
    check_writable(output, folder=kind is SampleFormat.folder)
    gan = ImageGAN.load(model, device=device)
    labels = _labels(gan, label, per_class)
    images = gan.sample(labels, random_state=seed).numpy()
    write = {SampleFormat.folder: _write_folder, SampleFormat.npz: _write_npz, SampleFormat.parquet: _write_parquet}
    write[kind](output, images, labels, gan)
    print(f"Wrote {len(images):,} images of {len(images) // per_class} classes to {output}.")


def _labels(gan: ConditionalGAN, asked: list[str] | None, per_class: int) -> NDArray[Any]:
    """Labels of the classes asked for by their names, or of all."""
    import numpy as np

    names = {name: key for key, name in _names(gan).items()}
    unknown = [name for name in asked or () if name not in names]
    if unknown:
        raise ValueError(f"the model knows no class {unknown[0]!r}; its classes are {', '.join(names)}")
    chosen = [names[name] for name in dict.fromkeys(asked)] if asked else list(names.values())
    return np.repeat(np.array(chosen, dtype=gan.classes_.dtype), per_class)


def _names(gan: ConditionalGAN) -> dict[Any, str]:
    """Classes and their display names, made unique."""
    names = {label: gan.class_name(label) for label in gan.classes_.tolist()}
    return names if len(set(names.values())) == len(names) else {label: str(label) for label in names}


def _write_folder(output: Path, images: Any, labels: Any, gan: ImageGAN) -> None:
    from ganaug.data.pictures import picture

    if len(images[0]) not in (1, 3):
        raise ValueError(f"PNGs hold 1 or 3 channels, the images have {len(images[0])}; write an .npz file instead")
    names = _names(gan)
    folders = {label: UNSAFE_IN_NAME.sub("_", names[label]) for label in names}
    if len(set(folders.values())) < len(folders):
        folders = {label: f"{index}_{folder}" for index, (label, folder) in enumerate(folders.items())}
    counters = dict.fromkeys(names, 0)
    for image, label in zip(images, labels.tolist(), strict=True):
        folder = output / folders[label]
        folder.mkdir(parents=True, exist_ok=True)
        picture(image).save(folder / f"{counters[label]:06d}.png")
        counters[label] += 1


def _write_npz(output: Path, images: Any, labels: Any, gan: ImageGAN) -> None:
    import io

    import numpy as np

    from ganaug.data.files import write_atomically

    if labels.dtype == object:
        labels = labels.astype(str)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=images.transpose(0, 2, 3, 1), labels=labels)
    write_atomically(output, buffer.getvalue())


def _write_parquet(output: Path, images: Any, labels: Any, gan: ImageGAN) -> None:
    import io

    from datasets import ClassLabel, Dataset, Features, Image, disable_progress_bars

    from ganaug.data.files import write_atomically
    from ganaug.data.pictures import picture

    if len(images[0]) not in (1, 3):
        raise ValueError(
            f"parquet images hold 1 or 3 channels, the images have {len(images[0])}; write an .npz file instead"
        )
    names = _names(gan)
    index = {label: position for position, label in enumerate(names)}
    features = Features({"image": Image(), "label": ClassLabel(names=list(names.values()))})
    columns = {"image": [picture(image) for image in images], "label": [index[label] for label in labels.tolist()]}
    disable_progress_bars()
    buffer = io.BytesIO()
    Dataset.from_dict(columns, features=features).to_parquet(buffer)
    write_atomically(output, buffer.getvalue())


def _size(text: str | None) -> int | tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if match is None:
        raise ValueError(f"--size must be a number of pixels such as 32, or HEIGHTxWIDTH such as 32x48, got {text!r}")
    height = int(match[1])
    return (height, int(match[2])) if match[2] else height
