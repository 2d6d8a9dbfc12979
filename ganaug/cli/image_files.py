"""Labelled images as a folder per class, an .npz or a .parquet file."""

from __future__ import annotations

import csv
import io
import itertools
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ganaug._text import visible
from ganaug.cli.common import check_writable
from ganaug.cli.outputs import check_apart, check_output, is_marked, remember

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganaug.data import LabelledImages
    from ganaug.generators import Generator

__all__ = [
    "ImageFormat",
    "as_fitted",
    "check_holds",
    "check_image_output",
    "folder_names",
    "named_like",
    "tell_other_columns",
    "unique_names",
    "without_label",
    "write_images",
]

# Also no leading dot and no empty name: a class called ".." must not leave the folder, nor ".x" be hidden in it.
UNSAFE_IN_NAME = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f\ud800-\udfff]|^\.|[. ]$|^$')
PLAIN_IN_NAME = re.compile(r"[^\w.@ +-]")  # what is replaced too in a name that does not read as it looks
WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
NO_TEXT = re.compile("[\ud800-\udfff]")  # of file names that are not UTF-8

WITHOUT_LABEL = "unlabelled"  # folder of the images labelled -1
MOST_CLASSES = 10_000  # that are written with a name for each number up to the last

GROUP = "group"


class ImageFormat(StrEnum):
    """What images are written as."""

    folder = "folder"
    npz = "npz"
    parquet = "parquet"


def check_image_output(
    output: Path, asked: ImageFormat | None, inputs: Sequence[str | Path | None], *, overwrite: bool
) -> ImageFormat:
    """The format, by the output's name unless it is asked for; refuses an output that cannot be written."""
    by_suffix = {".npz": ImageFormat.npz, ".parquet": ImageFormat.parquet}
    kind = asked or by_suffix.get(output.suffix.lower(), ImageFormat.folder)
    if asked is None and kind is ImageFormat.folder and output.suffix and not output.is_dir():
        raise ValueError(f"{output} must end in .npz or .parquet, or be a folder; pass --format folder to make one")
    check_apart(output, inputs)
    if kind is ImageFormat.folder:
        if output.exists() and not (output.is_dir() and not any(output.iterdir())):
            raise ValueError(
                f"{output} exists and is not an empty folder, and --overwrite replaces no folders of images; choose "
                "another name or delete it"
            )
        check_writable(output, folder=True)
    else:
        check_output(output, inputs, folder=False, own=is_marked, overwrite=overwrite)
    return kind


def check_holds(kind: ImageFormat, images: NDArray[Any]) -> None:
    """Raise ``ValueError`` if images are of another dtype, or have other channels, than a format holds."""
    if kind is ImageFormat.npz:
        return
    floats, channels = str(images.dtype) != "uint8", images.shape[1]
    if floats and kind is ImageFormat.folder:
        raise ValueError(f"PNGs hold pixels of 0 to 255, the images are {images.dtype}; write an .npz file instead")
    if channels != 1 and (floats or channels != 3):  # what is written to .parquet files are TIFFs of mode F
        holds = "TIFFs hold 1 channel" if floats else "PNGs hold 1 or 3 channels"
        raise ValueError(f"{holds}, the images have {channels}; write an .npz file instead")


def without_label(data: LabelledImages, name: str) -> LabelledImages:
    """Take the label from the images of a class; those of others become whole numbers, which they are already or name.

    Where some names are none, all others are numbered in the order of their names.
    """
    names = [data.name(label) for label in data.classes.tolist()]
    if name not in names:
        raise ValueError(
            f"--unlabelled must be the name of a class, got {name!r}, there are {', '.join(map(visible, names))}"
        )
    return _numbered(data, name)


def as_fitted(data: LabelledImages, gan: Generator) -> LabelledImages:
    """The images as 'ganaug fit images' passed them on: with the model's labels, without those --unlabelled took."""
    from ganaug.generators.contract import class_names, training_data

    name = training_data(gan).get("unlabelled")
    data = data if name is None else _numbered(data, str(name))
    return data.relabelled(gan.classes_, class_names(gan))


def _numbered(data: LabelledImages, unlabelled: str) -> LabelledImages:
    import numpy as np

    from ganaug.data import LabelledImages
    from ganaug.data.images.labelled import UNLABELLED

    names = [data.name(label) for label in data.classes.tolist()]
    known = set(data.labels[data.has_label].tolist())
    without = np.array([n == unlabelled or c not in known for n, c in zip(names, data.classes.tolist(), strict=True)])
    others = [name for name, none in zip(names, without, strict=True) if not none]
    if data.labels.dtype.kind in "iu":
        numbers = data.classes[~without].tolist()
    elif all(map(WHOLE_NUMBER.fullmatch, others)):
        numbers = list(map(int, others))
    else:
        numbers = list(range(len(others)))
    labels = np.full(len(without), UNLABELLED, dtype=np.int64)
    labels[~without] = numbers
    labels = labels[np.searchsorted(data.classes, data.labels)]
    named = dict(zip(numbers, others, strict=True))
    return LabelledImages(data.images, labels, named, data.skipped, groups=data.groups, facts=data.facts)


def named_like(written: LabelledImages, real: LabelledImages) -> LabelledImages:
    """Images that were read from folders, with the names that classes have among others in place of the folders'.

    A folder may be called otherwise than its class, whose name need not suit one.
    """
    import numpy as np

    if written.labels.dtype.kind not in "UO":
        return written
    folders = folder_names({label: real.name(label) for label in real.classes.tolist()})
    called = {folder: real.name(label) for label, folder in folders.items()}
    called |= {name: name for name in called.values()}
    if not all(label in called for label in written.classes.tolist()):
        return written
    return replace(written, labels=np.array([called[label] for label in written.labels.tolist()]))


def unique_names(names: dict[Any, str]) -> dict[Any, str]:
    """Display names of classes; the labels themselves where names repeat."""
    return names if len(set(names.values())) == len(names) else {label: str(label) for label in names}


def write_images(
    output: Path,
    kind: ImageFormat,
    images: NDArray[Any],
    labels: NDArray[Any],
    names: dict[Any, str],
    synthetic: NDArray[Any] | None = None,
    files: Sequence[str] = (),
    groups: NDArray[Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write images (n, channels, height, width).

    Where they are given, `groups` of the images become a column or array "group", and in a folder one inside that of
    the class, class/group/file; `synthetic` says of each image whether it is, and `files` where the first of them came
    from in a folder per class: in a folder they keep these names. Images labelled -1 have no label: they keep it in
    .npz and .parquet files, and get a folder of their own, which a warning names. Of images of sounds an .npz file
    keeps their spectrogram, which `facts` hold.
    """
    import numpy as np

    from ganaug.data.images.labelled import SPECTROGRAM
    from ganaug.data.synthetic_rows import SYNTHETIC

    check_holds(kind, images)
    names = unique_names({label: name for label, name in names.items() if not _is_unlabelled(label, labels)})
    if kind is ImageFormat.folder:
        _write_folder(output, images, labels, names, synthetic, files, groups)
        return
    write = {ImageFormat.npz: _write_npz, ImageFormat.parquet: _write_parquet}[kind]
    if groups is not None and groups.dtype == object:
        groups = groups.astype(str)
    marks = {name: values for name, values in ((SYNTHETIC, synthetic), (GROUP, groups)) if values is not None}
    if kind is ImageFormat.npz and SPECTROGRAM in (facts or {}):
        marks[SPECTROGRAM] = np.array(str((facts or {})[SPECTROGRAM]))
    write(output, images, labels, names, marks)
    remember(output)


def _is_unlabelled(label: Any, labels: NDArray[Any]) -> bool:
    from ganaug.data.images.labelled import UNLABELLED

    return labels.dtype.kind == "i" and bool(label == UNLABELLED)


def _write_folder(
    output: Path,
    images: NDArray[Any],
    labels: NDArray[Any],
    names: dict[Any, str],
    synthetic: NDArray[Any] | None,
    files: Sequence[str],
    groups: NDArray[Any] | None,
) -> None:
    from ganaug.data.images.pictures import picture
    from ganaug.data.synthetic_rows import SYNTHETIC

    folders = _folders_of_classes(output, labels, names)
    inner = {} if groups is None else _folders_of_groups(groups)
    of = [""] * len(images) if groups is None else [f"{inner[group]}/" for group in groups.tolist()]
    prefixes = [""] * len(images) if synthetic is None else ["synthetic_" if flag else "" for flag in synthetic]
    counters: Counter[tuple[Any, str]] = Counter()
    places: list[str] = []
    taken: set[str] = set()
    for index, (label, prefix, group) in enumerate(zip(labels.tolist(), prefixes, of, strict=True)):
        inside = f"{group}{prefix}{counters[label, group]:06d}"
        if index < len(files):
            inside = _inside(files[index])
        places.append(_free(f"{folders[label]}/{inside}", taken))
        counters[label, group] += 1
    output.mkdir(parents=True, exist_ok=True)
    if synthetic is not None:  # first, so that no one takes synthetic images for real where the writing was interrupted
        columns = {"label": [names.get(label, "") for label in labels.tolist()], SYNTHETIC: synthetic.tolist()}
        if groups is not None:
            columns[GROUP] = groups.tolist()
        if files:
            columns["original_file"] = [*map(_text, files), *[""] * (len(places) - len(files))]
        _write_metadata(output, {"file_name": places, **columns})
    for image, place in zip(images, places, strict=True):
        (output / place).parent.mkdir(parents=True, exist_ok=True)
        picture(image).save(output / place)


def _folders_of_classes(output: Path, labels: NDArray[Any], names: dict[Any, str]) -> dict[Any, str]:
    """The folder of each class, and of images without a label; a warning says which are called otherwise."""
    folders = folder_names(names)
    present = [label for label in dict.fromkeys(labels.tolist()) if label in names]
    _warn_of_renamed([(names[label], folders[label]) for label in present], "class", "classes")
    without = [label for label in set(labels.tolist()) if _is_unlabelled(label, labels)]
    if not without:
        return folders
    name = WITHOUT_LABEL
    while name in folders.values():
        name = f"{name}_"
    n = int((labels == without[0]).sum())
    warnings.warn(
        f"the {n:,} images without a label are in {output / name}; pass --unlabelled {name} to 'ganaug fit images' "
        "and 'ganaug augment images', which else take it for a class",
        UserWarning,
        stacklevel=4,
    )
    return {**folders, without[0]: name}


def _folders_of_groups(groups: NDArray[Any]) -> dict[Any, str]:
    """The folder of each group inside that of a class; a warning says which are called otherwise."""
    names = {group: str(group) for group in sorted(set(groups.tolist()))}
    folders = folder_names(names)
    _warn_of_renamed([(names[group], folders[group]) for group in names], "group", "groups")
    return folders


def _warn_of_renamed(called: Sequence[tuple[str, str]], kind: str, kinds: str) -> None:
    """Say which folders are called otherwise than what is in them; pairs of name and folder."""
    renamed = [(name, folder) for name, folder in called if folder != name]
    if renamed:
        more = f", and {len(renamed) - 1} more in such ones" if renamed[1:] else ""
        warnings.warn(
            f"{kind} '{visible(renamed[0][0])}' is in the folder '{renamed[0][1]}'{more}, since not every system takes "
            f"such a name for a folder; .npz and .parquet files keep the names of {kinds}",
            UserWarning,
            stacklevel=5,
        )


def _inside(file: str) -> str:
    """A file's place in the folder of its class, without its ending, as text."""
    return PurePosixPath(*PurePosixPath(NO_TEXT.sub("_", file)).parts[1:]).with_suffix("").as_posix()


def _text(name: str) -> str:
    """A file name as text, with escapes for bytes that are none."""
    return name.encode("utf-8", "backslashreplace").decode()


def folder_names(names: dict[Any, str]) -> dict[Any, str]:
    """A folder of its own for each."""
    folders = {key: UNSAFE_IN_NAME.sub("_", name) for key, name in names.items()}
    folders = {key: name if visible(name) == name else PLAIN_IN_NAME.sub("_", name) for key, name in folders.items()}
    if len(set(folders.values())) < len(folders):
        folders = {key: f"{index}_{folder}" for index, (key, folder) in enumerate(folders.items())}
    return folders


def _free(place: str, taken: set[str]) -> str:
    """Name of a PNG that no other has, also where case does not matter, such as of a.jpg beside a.png."""
    candidates = itertools.chain([place], (f"{place}_{number}" for number in itertools.count(1)))
    free = next(f"{name}.png" for name in candidates if f"{name}.png".casefold() not in taken)
    taken.add(free.casefold())
    return free


def _write_metadata(output: Path, columns: dict[str, list[Any]]) -> None:
    """Write what load_dataset("imagefolder") reads beside the images."""
    from ganaug.data.files import write_atomically
    from ganaug.data.images.metadata import METADATA

    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_atomically(output / METADATA, buffer.getvalue())


def _write_npz(
    output: Path, images: NDArray[Any], labels: NDArray[Any], names: dict[Any, str], marks: dict[str, NDArray[Any]]
) -> None:
    import io

    import numpy as np

    from ganaug.data.files import write_atomically

    if labels.dtype == object:
        labels = labels.astype(str)
    arrays = {"images": images.transpose(0, 2, 3, 1), "labels": labels, **marks}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(output, buffer.getvalue())


def _write_parquet(
    output: Path, images: NDArray[Any], labels: NDArray[Any], names: dict[Any, str], marks: dict[str, NDArray[Any]]
) -> None:
    import io

    from datasets import Dataset, Features, Image, Value, disable_progress_bars

    from ganaug.data.files import write_atomically
    from ganaug.data.images.labelled import UNLABELLED
    from ganaug.data.images.pictures import picture

    kind, written = _label_column(names)
    features = {"image": Image(), "label": kind}
    columns = {
        "image": [picture(image) for image in images],
        "label": [written.get(label, UNLABELLED) for label in labels.tolist()],
    }
    for name, values in marks.items():
        columns[name] = values.tolist()
        features[name] = Value({"b": "bool", "i": "int64", "u": "int64"}.get(values.dtype.kind, "string"))
    disable_progress_bars()
    buffer = io.BytesIO()
    Dataset.from_dict(columns, features=Features(features)).to_parquet(buffer)
    write_atomically(output, buffer.getvalue())


def tell_other_columns(source: str, groups: str | None, output: Path) -> None:
    """Warn of columns of a .parquet file beside images, labels and groups, which are not written."""
    import pyarrow.parquet
    from datasets import Features

    from ganaug.data.files import user_path
    from ganaug.data.images.datasets import image_and_label_columns
    from ganaug.data.labels import listed

    path = user_path(source)
    if path.suffix != ".parquet" or path.is_dir():
        return
    features = Features.from_arrow_schema(pyarrow.parquet.read_schema(path))
    read = {*image_and_label_columns(features), groups}
    if others := [name for name in features if name not in read]:
        warnings.warn(
            f"other columns of {source} are not in {output}: {listed(others)}; ganaug.augment_dataset keeps them",
            UserWarning,
            stacklevel=2,
        )


def _label_column(names: dict[Any, str]) -> tuple[Any, dict[Any, int]]:
    """The feature of the labels, and what stands for each of them: whole numbers from 0 on stay as they are."""
    from datasets import ClassLabel

    if names and all(isinstance(label, int) and not isinstance(label, bool) and label >= 0 for label in names):
        filled = {label: names.get(label, str(label)) for label in range(min(max(names), MOST_CLASSES) + 1)}
        if max(names) < MOST_CLASSES and len(set(filled.values())) == len(filled):
            return ClassLabel(names=list(filled.values())), {label: label for label in filled}
    return ClassLabel(names=list(names.values())), {label: place for place, label in enumerate(names)}
