"""``ganaug sample``: samples of a saved model as files, or a pool of images."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganaug._text import visible
from ganaug.cli.common import Device, PerCell, Seed, app, check_writable, under_torchrun
from ganaug.cli.image_files import ImageFormat, as_fitted, check_image_output, unique_names, write_images
from ganaug.cli.models import ModelClass, display_names, open_model
from ganaug.cli.outputs import Overwrite, check_apart, check_output, is_marked
from ganaug.cli.samples_asked import SamplesAsked
from ganaug.cli.sound_files import Wav, check_wav, images_or_sounds, write_sounds
from ganaug.cli.tables import write_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

PER_CLASS = 100


@app.command()
def sample(
    model: Annotated[Path, typer.Argument(help="Folder written by 'ganaug fit'.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="For images a folder, .npz or .parquet; for rows .csv, .tsv, .txt or .parquet."
        ),
    ],
    per_class: Annotated[int | None, typer.Option(min=1, help="Samples of each class; 100 by default.")] = None,
    per_cell: PerCell = None,
    label: Annotated[list[str] | None, typer.Option("--class", help="Only this class; may be repeated.")] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--groups", help="Only this group, of a model that has groups; may be repeated."),
    ] = None,
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
    wav: Wav = None,
    generator: ModelClass = None,
    device: Device = "auto",
    seed: Seed = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw synthetic images (a folder per class of PNGs, an .npz or .parquet file, a pool) or rows of a table."""
    from ganaug.engine.devices import resolve_device
    from ganaug.engine.distributed import current_context

    if not pool and (real is not None or rank is not None or size is not None):
        raise ValueError("--real, --rank and --size are for pools; add --pool")
    if under_torchrun():
        if not pool:
            raise ValueError("several processes draw pools only; add --pool, or start this command without torchrun")
        device = str(current_context(True).place(resolve_device(device)))
    check_wav(wav, [model, output])
    gan = open_model(model, device, generator)
    if wav is not None:
        _check_heard(gan, model, pool)
    if gan.sample_spec_.kind == "rows":
        if pool:
            raise ValueError(f"{model} draws rows of a table; only images are kept in pools")
        _check_rows_output(output, output_format, model, overwrite)
        asked = _asked(gan, label, groups, per_class, per_cell)
        write_rows(gan, asked, output, seed, model)
        _report(asked, "rows", output)
    elif pool:
        _check_pool_output(output, output_format, [model, real], overwrite)
        if size is not None and real is None:
            raise ValueError("--size is for --real; the model draws images of the size it was trained on")
        wanted = _wanted(*_asked(gan, label, groups, per_class, per_cell).part())
        data = None if real is None else _real_images(real, size, gan)
        _write_pool(gan, output, wanted, data, rank, seed, overwrite)
    else:
        kind = check_image_output(output, output_format, [model], overwrite=overwrite)
        asked = _asked(gan, label, groups, per_class, per_cell)
        _write_images(gan, asked, output, kind, seed, wav)


def _check_rows_output(output: Path, asked: ImageFormat | None, model: Path, overwrite: bool) -> None:
    from ganaug.data.tables.files.csv_format import TABLE_KINDS, file_kind

    if asked is not None:
        raise ValueError("--format is for images; rows are written as the name of the output says")
    if file_kind(output) is None:
        raise ValueError(f"the model draws rows of a table; {output} must end in {TABLE_KINDS}")
    check_output(output, [model], folder=False, own=is_marked, overwrite=overwrite)


def _check_pool_output(
    output: Path, asked: ImageFormat | None, inputs: list[Path | str | None], overwrite: bool
) -> None:
    from ganaug.curation.pool_files import holds_only_a_pool
    from ganaug.data.tables.files.csv_format import file_kind

    if asked is not None:
        raise ValueError("--format and --pool exclude each other")
    if file_kind(output) is not None or output.suffix.lower() == ".npz":
        raise ValueError(f"a pool is a folder; {output} looks like a file")
    check_apart(output, inputs)
    if holds_only_a_pool(output) and not overwrite:
        raise ValueError(f"{output} holds a pool; pass --overwrite to replace it, or choose another folder")


def _check_heard(gan: Any, model: Path, pool: bool) -> None:
    """Refuse ``--wav`` for what is no sound."""
    from ganaug.data import MelSpectrogram
    from ganaug.generators.contract import training_data

    if pool:
        raise ValueError("--wav and --pool exclude each other; leave one of them out")
    try:
        MelSpectrogram.of(training_data(gan))
    except ValueError:
        raise ValueError(f"--wav is for models of 'ganaug fit audio', which {model} is none of; leave it out") from None


def _write_images(
    gan: Any, asked: SamplesAsked, output: Path, kind: ImageFormat, seed: int | None, wav: Path | None
) -> None:
    from ganaug.generators.contract import training_data

    labels, groups = asked.part()
    images, names, facts = _images(gan, labels, groups, seed), display_names(gan), training_data(gan)
    written = _named(labels, names) if kind is ImageFormat.npz and "unlabelled" in facts else labels
    write_images(output, kind, images, written, names, groups=groups, facts=facts)
    _report(asked, "images", output)
    if wav is not None:
        write_sounds(wav, images, labels, names, facts, seed)


def _named(labels: NDArray[Any], names: dict[Any, str]) -> NDArray[Any]:
    """Names of classes, where --unlabelled numbered these in the order of their names."""
    import numpy as np

    if all(name == str(label) for label, name in names.items()):
        return labels
    return np.array([names[label] for label in labels.tolist()])


def _images(gan: Any, labels: NDArray[Any], groups: NDArray[Any] | None, seed: int | None) -> NDArray[Any]:
    from ganaug.generators.contract import class_indices, draw_images, group_indices

    chosen = None if groups is None else group_indices(gan, groups)
    return draw_images(gan, class_indices(gan, labels), chosen, random_state=seed).numpy()


def _report(asked: SamplesAsked, kind: str, output: Path) -> None:
    where = "" if asked.groups is None else f" in {len(set(asked.groups.tolist()))} groups"
    print(f"Wrote {len(asked):,} {kind} of {len(asked.labels)} classes{where} to {output}.")


def _real_images(real: str, size: str | None, gan: Any) -> Any:
    from ganaug.generators.contract import has_groups, training_data

    facts = training_data(gan)
    groups = facts.get("groups") if has_groups(gan) else None
    return as_fitted(images_or_sounds(real, size, groups, facts, "the model"), gan)


def _wanted(labels: NDArray[Any], groups: NDArray[Any] | None) -> dict[str, Any]:
    """What a pool is to hold."""
    if groups is None:
        return {"per_class": Counter(labels.tolist())}
    return {"per_cell": Counter(zip(labels.tolist(), groups.tolist(), strict=True))}


def _write_pool(
    gan: Any, output: Path, wanted: dict[str, Any], data: Any, rank: float | None, seed: int | None, overwrite: bool
) -> None:
    from ganaug.curation import DiscriminatorRank, SyntheticPool
    from ganaug.curation.image_filters import ImageFilter, default_filters
    from ganaug.engine.distributed import current_context

    filters: list[ImageFilter] = [] if rank is None else [DiscriminatorRank(rank)]
    if data is not None:
        filters = default_filters(gan) if rank is None else default_filters(share=rank)
    check_writable(output, folder=True)
    built = SyntheticPool.build(
        gan,
        output,
        **wanted,
        real=data,
        keep=filters,
        random_state=seed,
        distributed=under_torchrun(),
        overwrite=overwrite,
    )
    if not current_context(under_torchrun()).first:
        return
    cells = [key for asked in wanted.values() for key in asked]
    of = len(set(cells)) if "per_class" in wanted else len({label for label, _ in cells})
    where = "" if "per_class" in wanted else f" in {len({group for _, group in cells})} groups"
    print(f"Wrote a pool of {len(built):,} images of {of} classes{where} to {output}.")
    for record in built.provenance["cells" if "cells" in built.provenance else "classes"]:
        if record["passed"] and record["asked"]:
            rates = {name: share for name, share in record["passed"].items() if share is not None}
            passed = ", ".join(f"{100 * share:.0f} % {name}" for name, share in rates.items())
            where = f" in group {visible(record['group'])}" if "group" in record else ""
            print(
                f"  {visible(record['class'])}{where}: {record['kept']:,} of {record['drawn']:,} drawn; passed {passed}"
            )


def _asked(
    gan: Any, classes: list[str] | None, groups: list[str] | None, per_class: int | None, per_cell: int | None
) -> SamplesAsked:
    """Label of each sample that is to be drawn, and its group where groups are asked for: all known ones by default."""
    import numpy as np

    from ganaug.data.groups import has_group
    from ganaug.generators.contract import has_groups

    if per_class is not None and per_cell is not None:
        raise ValueError("--per-class and --per-cell exclude each other; leave one of them out")
    labels = _labels(gan, classes)
    if not groups and per_cell is None:
        return SamplesAsked(labels, per_class or PER_CLASS)
    if not has_groups(gan):
        raise ValueError("the model was trained without groups; leave --groups and --per-cell out, or fit it anew")
    named = _chosen({str(group): group for group in gan.groups_.tolist()}, groups, "group", "groups")
    chosen = np.array(named, dtype=gan.groups_.dtype)
    if not groups and (known := has_group(chosen)).any():
        chosen = chosen[known]
    if per_cell is None:
        return SamplesAsked(labels, per_class or PER_CLASS, chosen)
    return SamplesAsked(labels, per_cell * len(chosen), chosen, per_cell)


def _labels(gan: Any, asked: list[str] | None) -> NDArray[Any]:
    """Labels of the classes asked for by their names, or of all."""
    import numpy as np

    names = {name: key for key, name in unique_names(display_names(gan)).items()}
    return np.array(_chosen(names, asked, "class", "classes"), dtype=gan.classes_.dtype)


def _chosen(names: dict[str, Any], asked: list[str] | None, one: str, several: str) -> list[Any]:
    unknown = [name for name in asked or () if name not in names]
    if unknown:
        raise ValueError(f"the model knows no {one} {unknown[0]!r}; its {several} are {', '.join(map(visible, names))}")
    return [names[name] for name in dict.fromkeys(asked)] if asked else list(names.values())
