"""Labelled images as a folder per class, an .npz or a .parquet file."""

from __future__ import annotations

import csv
import io
import itertools
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
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
    "unique_names",
    "without_label",
    "write_images",
]

# Also no leading dot and no empty name: a class called ".." must not leave the folder, nor ".x" be hidden in it.
UNSAFE_IN_NAME = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f\ud800-\udfff]|^\.|[. ]$|^$')
PLAIN_IN_NAME = re.compile(r"[^\w.@ +-]")  # what is replaced too in a name that does not read as it looks
NO_TEXT = re.compile("[\ud800-\udfff]")  # of file names that are not UTF-8

WITHOUT_LABEL = "unlabelled"  # folder of the images labelled -1


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
    """Take the label from the images of a class; the others are numbered in the order of their names."""
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
    without = [
        n == unlabelled or not data.has_label[data.labels == c].any() for n, c in zip(names, data.classes, strict=True)
    ]
    places = np.searchsorted(data.classes, data.labels)
    others = [n for n, none in zip(names, without, strict=True) if not none]
    numbers = np.array([UNLABELLED if none else others.index(n) for n, none in zip(names, without, strict=True)])
    named = dict(enumerate(others))
    return LabelledImages(data.images, numbers[places], named, data.skipped, groups=data.groups, facts=data.facts)


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

    folders = folder_names(names)
    inner = {} if groups is None else folder_names({group: str(group) for group in sorted(set(groups.tolist()))})
    of = [""] * len(images) if groups is None else [f"{inner[group]}/" for group in groups.tolist()]
    without = [label for label in set(labels.tolist()) if _is_unlabelled(label, labels)]
    if without:
        name = WITHOUT_LABEL
        while name in folders.values():
            name = f"{name}_"
        folders = {**folders, without[0]: name}
        n = int((labels == without[0]).sum())
        warnings.warn(
            f"the {n:,} images without a label are in {output / name}; pass --unlabelled {name} to 'ganaug fit images' "
            "and 'ganaug augment images', which else take it for a class",
            UserWarning,
            stacklevel=3,
        )
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

    from datasets import ClassLabel, Dataset, Features, Image, Value, disable_progress_bars

    from ganaug.data.files import write_atomically
    from ganaug.data.images.labelled import UNLABELLED
    from ganaug.data.images.pictures import picture

    index = {label: position for position, label in enumerate(names)}
    features = {"image": Image(), "label": ClassLabel(names=list(names.values()))}
    columns = {
        "image": [picture(image) for image in images],
        "label": [index.get(label, UNLABELLED) for label in labels.tolist()],
    }
    for name, values in marks.items():
        columns[name] = values.tolist()
        features[name] = Value({"b": "bool", "i": "int64", "u": "int64"}.get(values.dtype.kind, "string"))
    disable_progress_bars()
    buffer = io.BytesIO()
    Dataset.from_dict(columns, features=Features(features)).to_parquet(buffer)
    write_atomically(output, buffer.getvalue())
