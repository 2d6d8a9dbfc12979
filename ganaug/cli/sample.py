"""``ganaug sample``: samples of a saved model as files, or a pool of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganaug._text import visible
from ganaug.cli.common import Device, app, check_writable, under_torchrun
from ganaug.cli.image_files import ImageFormat, as_fitted, check_image_output, unique_names, write_images
from ganaug.cli.outputs import Overwrite, check_apart, check_output, is_marked
from ganaug.cli.tables import write_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganaug.engine.distributed import DistributedContext
    from ganaug.generators import ImageGAN
    from ganaug.generators.base import NeuralGenerator


@app.command()
def sample(
    model: Annotated[Path, typer.Argument(help="Folder written by 'ganaug fit'.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="For images a folder, .npz or .parquet; for rows .csv, .tsv, .txt or .parquet."
        ),
    ],
    per_class: Annotated[int, typer.Option(min=1, help="Samples of each class.")] = 100,
    label: Annotated[list[str] | None, typer.Option("--class", help="Only this class; may be repeated.")] = None,
    output_format: Annotated[
        ImageFormat | None, typer.Option("--format", help="Instead of what the output's name says.")
    ] = None,
    pool: Annotated[bool, typer.Option("--pool", help="Write a pool for transforms and datasets.")] = False,
    real: Annotated[
        str | None,
        typer.Option(
            help="With --pool: the training images; drops copies of them, and what is untypical of its class."
        ),
    ] = None,
    rank: Annotated[
        float | None, typer.Option(help="With --pool: the share that the discriminator finds most real, such as 0.5.")
    ] = None,
    size: Annotated[str | None, typer.Option(help="With --real: as for 'ganaug fit images'.")] = None,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(help="On a CPU the same seed gives the same images.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw synthetic images (a folder per class of PNGs, an .npz or .parquet file, a pool) or rows of a table."""
    from ganaug.curation.pool_files import holds_only_a_pool
    from ganaug.data.tables.files.csv_format import TABLE_KINDS, file_kind
    from ganaug.engine.devices import resolve_device
    from ganaug.engine.distributed import current_context
    from ganaug.generators import ImageGAN, TableGAN
    from ganaug.generators.model_folder import kind_of

    if not pool and (real is not None or rank is not None or size is not None):
        raise ValueError("--real, --rank and --size are for pools; add --pool")
    if under_torchrun() and not pool:
        raise ValueError("several processes draw pools only; add --pool, or start this command without torchrun")
    if kind_of(model) == TableGAN.__name__:
        if pool:
            raise ValueError(f"{model} draws rows of a table; only images are kept in pools")
        if output_format is not None:
            raise ValueError("--format is for images; rows are written as the name of the output says")
        if file_kind(output) is None:
            raise ValueError(f"the model draws rows of a table; {output} must end in {TABLE_KINDS}")
        table_gan = TableGAN.load(model, device=device)
        check_output(output, [model], folder=False, own=is_marked, overwrite=overwrite)
        labels = _labels(table_gan, label, per_class)
        write_rows(table_gan, labels, output, seed, model)
        print(f"Wrote {len(labels):,} rows of {len(labels) // per_class} classes to {output}.")
        return
    if pool:
        if output_format is not None:
            raise ValueError("--format and --pool exclude each other")
        if file_kind(output) is not None or output.suffix.lower() == ".npz":
            raise ValueError(f"a pool is a folder; {output} looks like a file")
        if size is not None and real is None:
            raise ValueError("--size is for --real; the model draws images of the size it was trained on")
        processes = current_context(under_torchrun())
        check_apart(output, [model, real])
        if holds_only_a_pool(output) and not overwrite:
            raise ValueError(f"{output} holds a pool; pass --overwrite to replace it, or choose another folder")
        gan = ImageGAN.load(model, device=processes.place(resolve_device(device)))
        _write_pool(gan, output, per_class, label, real, rank, size, seed, processes, overwrite)
        return
    kind = check_image_output(output, output_format, [model], overwrite=overwrite)
    gan = ImageGAN.load(model, device=device)
    labels = _labels(gan, label, per_class)
    images = gan.sample(labels, random_state=seed).numpy()
    write_images(output, kind, images, labels, gan.names())
    print(f"Wrote {len(images):,} images of {len(images) // per_class} classes to {output}.")


def _write_pool(
    gan: ImageGAN,
    output: Path,
    per_class: int,
    asked: list[str] | None,
    real: str | None,
    rank: float | None,
    size: str | None,
    seed: int | None,
    processes: DistributedContext,
    overwrite: bool,
) -> None:
    from ganaug.cli.common import image_size
    from ganaug.curation import DiscriminatorRank, SyntheticPool
    from ganaug.curation.image_filters import ImageFilter, default_filters
    from ganaug.data import labelled_images

    filters: list[ImageFilter] = [] if rank is None else [DiscriminatorRank(rank)]
    if real is not None:
        filters = default_filters() if rank is None else default_filters(rank)
    data = None if real is None else as_fitted(labelled_images(real, size=image_size(size)), gan)
    wanted = dict.fromkeys(_labels(gan, asked, 1).tolist(), per_class)
    check_writable(output, folder=True)
    together = processes.count > 1
    built = SyntheticPool.build(
        gan,
        output,
        per_class=wanted,
        real=data,
        keep=filters,
        random_state=seed,
        distributed=together,
        overwrite=overwrite,
    )
    if not processes.first:
        return
    print(f"Wrote a pool of {len(built):,} images of {len(wanted)} classes to {output}.")
    for record in built.provenance["classes"]:
        if record["passed"] and record["asked"]:
            rates = {name: share for name, share in record["passed"].items() if share is not None}
            passed = ", ".join(f"{100 * share:.0f} % {name}" for name, share in rates.items())
            print(f"  {visible(record['class'])}: {record['kept']:,} of {record['drawn']:,} drawn; passed {passed}")


def _labels(gan: NeuralGenerator, asked: list[str] | None, per_class: int) -> NDArray[Any]:
    """Labels of the classes asked for by their names, or of all."""
    import numpy as np

    names = {name: key for key, name in unique_names(gan.names()).items()}
    unknown = [name for name in asked or () if name not in names]
    if unknown:
        raise ValueError(f"the model knows no class {unknown[0]!r}; its classes are {', '.join(map(visible, names))}")
    chosen = [names[name] for name in dict.fromkeys(asked)] if asked else list(names.values())
    return np.repeat(np.array(chosen, dtype=gan.classes_.dtype), per_class)
