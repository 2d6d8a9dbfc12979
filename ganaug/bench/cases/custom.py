"""A suite for data of one's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.bench.cases.checking import load_suite
from ganaug.bench.inputs.datasets import (
    OTHER_FILES,
    SPLIT_COLUMNS,
    TABLES,
    image_split_columns,
    load_images,
    load_table,
)
from ganaug.bench.inputs.given_splits import given_splits
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import ImageArm, Suite, TableArm, TableExperiment
from ganaug.data.audio.sources import holds_sounds
from ganaug.data.files import user_path
from ganaug.data.images.labelled import SPECTROGRAM
from ganaug.data.images.sources import EMBEDDED
from ganaug.data.labels import listed
from ganaug.data.tables.files.csv_format import TABLE_KINDS, CsvOptions, file_kind

__all__ = ["custom_suite"]

TRANSFER = "additive-transfer"
OF_SOUNDS = ("none", "specaugment", "crop")  # in place of what a spectrogram does not survive, such as mirroring
FILLED: dict[str, Any] = {
    "synthetic": 1.0,
    "balanced": "cells",
    "cells": "empty",
    "against": ("balanced cells", "real"),
}
IMAGE_ARMS = (
    ImageArm("balanced cells", balanced="cells"),
    ImageArm("cells by transfer", generator=TRANSFER, **FILLED),
    ImageArm("cells by gan", **FILLED),
    ImageArm("cells by both", generator=("ImageGAN", TRANSFER), **FILLED),
)
TABLE_ARMS = (
    TableArm("cell weights", class_weight="cells"),
    TableArm("cells by transfer", Plugin(TRANSFER, TRANSFER), cells="empty", against=("cell weights", "none")),
    TableArm("cells by gan", Plugin("table-gan", "table-gan"), cells="empty", against=("cell weights", "none")),
)


def custom_suite(
    data: str,
    *,
    target: str | None = None,
    size: int | None = None,
    folds: int | None = None,
    csv: CsvOptions | None = None,
    groups: str | None = None,
    withhold_cells: float | None = None,
    audio: Mapping[str, Any] | None = None,
    split_columns: Sequence[str] = (),
) -> Suite:
    """Put data of one's own in the place of a suite's: the arms and classifiers of suite "custom", in folds.

    Parameters
    ----------
    data : str
        A CSV or parquet file with a column of labels, or a table by its name, such as "breast_cancer"; or labelled
        images: a folder with a folder per class, a parquet or ``.npz`` file, or a dataset saved by Hugging Face; or a
        folder with a folder of sounds per class.
    target : str, optional
        The column of labels: `data` is a table.
    size : int, optional
        Height and width that images are resized to.
    folds : int, optional
        Five by default, or as many as there are groups where these are fewer and kept whole. A class needs as many
        rows or images, of which all but one part are trained on.
    csv : CsvOptions, optional
        What is known of a CSV file; the rest is found out.
    groups : str, optional
        What each sample comes from: a column, or for folders of images "folder" (``class/group/file``) or a pattern on
        file names. Groups are then kept whole in the folds, so that each is tested on by what the others teach.
    withhold_cells : float in (0, 1), optional
        In place of that, withhold about this share of all cells of class and group from training, in as many splits as
        there are folds: the square root of it is both the share of the groups that lack cells and the share of the
        classes that they lack, of each at least one and not all. 0.25 withholds half of the classes in half of the
        groups. What lacks is filled by arms for it, of images and of tables alike.
    audio : mapping, optional
        `sample_rate`, `duration` and `mel` of sounds, as for :func:`ganaug.labelled_audio`. Their classical transforms
        are SpecAugment and shifts.
    split_columns : sequence of str
        In place of folds: columns of "train" and "test", or of the fold of each sample
        (:func:`~ganaug.bench.inputs.given_splits.given_splits`), of images also what `groups` may be. Where there are
        groups, none may stand on both sides.

    Returns
    -------
    Suite

    Raises
    ------
    ValueError
        If there are no such data, or no classes can be learnt from them; and for data that say that some of them are
        synthetic, which must be no test data.

    Examples
    --------
    >>> custom_suite("digits").images.datasets[0].name
    'digits'
    """
    suite = load_suite("custom")
    _check_withheld(groups, withhold_cells)
    given = _checked_columns(split_columns, target, folds, withhold_cells)
    if groups is not None and groups == target:
        raise ValueError(f"groups must be another column than target, got {target!r} for both; name that of the groups")
    if folds is not None:
        assert suite.images is not None
        assert suite.tables is not None
        suite = replace(suite, images=replace(suite.images, folds=folds), tables=replace(suite.tables, folds=folds))
    suite = replace(suite, title=f"Does augmentation help on {Path(data).name}?")
    if _is_table(data, target):
        if size is not None or audio:
            what = "size belongs to images" if size is not None else f"{', '.join(audio or ())} belong to sounds"
            raise ValueError(f"{what}, but data is a table")
        keys = {"source": data, **_named_options(csv), "target": target, "groups": groups, **given}
        return _of_rows(suite, keys, withhold_cells, folds)
    if csv is not None and csv != CsvOptions():
        raise ValueError("sep, decimal, encoding and na_values belong to CSV files, but data is images")
    _check_sounds(data, size, audio or {})
    keys = {"source": data, "size": size, "groups": groups, **(audio or {}), **given}
    return _of_images(suite, keys, withhold_cells, folds)


def _is_table(data: str, target: str | None) -> bool:
    """Whether data are rows, not images; ``ValueError`` where they are neither, or something is missing."""
    kind, is_other = file_kind(data), Path(data).suffix.lower() in OTHER_FILES
    if target is None:
        is_table = kind not in (None, "parquet")
        if (is_table or is_other) and not user_path(data).exists():
            raise ValueError(f"{data} does not exist; pass a .csv or .parquet file with --target, or labelled images")
        if is_table:
            raise ValueError(f"{data} is a table; name its column of labels with --target")
    is_named = data.startswith("keel:") or data in TABLES.keys() - EMBEDDED.keys()
    if target is not None and not is_named and kind is None and not user_path(data).exists():
        raise ValueError(f"{data} does not exist; a table must end in {TABLE_KINDS}")
    if target is None and is_other and user_path(data).is_file():
        raise ValueError(f"{data}: a table must end in {TABLE_KINDS}, with --target; convert it")
    return target is not None or is_named


def _named_options(csv: CsvOptions | None) -> dict[str, Any]:
    """What is known of a CSV file, as keys of a dataset."""
    known = {key: value for key, value in asdict(csv or CsvOptions()).items() if value}
    return known | ({"na_values": list(known["na_values"])} if "na_values" in known else {})


def _of_rows(suite: Suite, keys: Mapping[str, Any], withhold_cells: float | None, folds: int | None) -> Suite:
    """The part for tables, on one."""
    source = _source(keys)
    table = load_table(source)
    assert suite.tables is not None
    experiment = _of_classes(replace(suite.tables, datasets=(source,)), len(set(table.y.tolist())))
    experiment = _by_groups(experiment, TABLE_ARMS, table.groups, withhold_cells, folds)
    return replace(suite, images=None, tables=_as_given(experiment, table.split_columns, table.y, table.groups))


def _of_images(suite: Suite, keys: Mapping[str, Any], withhold_cells: float | None, folds: int | None) -> Suite:
    """The part for images, with transforms that suit them."""
    source = _source(keys)
    found = load_images(source)
    assert suite.images is not None
    images = replace(suite.images, datasets=(source,))
    if SPECTROGRAM in found.facts:
        images = replace(
            images, arms=tuple(replace(arm, transform=OF_SOUNDS) if arm.transform else arm for arm in images.arms)
        )
    if found.image_shape[0] not in (1, 3):  # grey or colour, which changes of colours are made for
        images = replace(images, arms=tuple(map(_without_colours, images.arms)))
    images = _by_groups(images, IMAGE_ARMS, found.groups, withhold_cells, folds)
    images = _as_given(images, image_split_columns(source), found.labels, found.groups)
    if keys["groups"] is not None:
        images = replace(images, generators=(*images.generators, Plugin.of(TRANSFER)))
    return replace(suite, images=images, tables=None)


def _source(keys: Mapping[str, Any]) -> Plugin:
    """A dataset by those of its keys that are given."""
    return Plugin.of({key: value for key, value in keys.items() if value is not None}, "source")


def _without_colours(arm: ImageArm) -> ImageArm:
    if not isinstance(arm.transform, tuple):
        return arm
    return replace(arm, transform=tuple(name for name in arm.transform if name != "trivialaugment"))


def _check_sounds(data: str, size: int | None, audio: Mapping[str, Any]) -> None:
    if audio and not holds_sounds(data):
        raise ValueError(f"{', '.join(audio)} belong to sounds, but {data} is no folder of them; leave them out")
    if size is not None and holds_sounds(data):
        raise ValueError("size belongs to images, but data are sounds; set n_mels and hop_length of their spectrograms")


def _check_withheld(groups: str | None, withhold_cells: float | None) -> None:
    if withhold_cells is not None and groups is None:
        raise ValueError(f"withhold_cells needs groups, got {withhold_cells:g} without; name what samples come from")
    if withhold_cells is not None and not 0 < withhold_cells < 1:
        raise ValueError(f"withhold_cells must be a share between 0 and 1, got {withhold_cells:g}; 0.25 is a quarter")


def _of_classes(tables: TableExperiment, n_classes: int) -> TableExperiment:
    """An experiment with the arms that suit so many classes."""
    # Thresholds are for two classes, and so is F1.
    unsuited = "threshold" if n_classes > 2 else "prior_correction"
    arms = [arm for arm in tables.arms if not getattr(arm, unsuited)]
    names = [arm.name for arm in arms]
    return replace(
        tables,
        arms=tuple(replace(arm, against=tuple(n for n in arm.against if n in names)) for arm in arms),
        baselines=tuple(name for name in tables.baselines if name in names),
    )


def _checked_columns(
    columns: Sequence[str], target: str | None, folds: int | None, withhold_cells: float | None
) -> dict[str, Any]:
    """The key of a dataset for its columns of splits, if any are named."""
    if not columns:
        return {}
    for name, value in (("folds", folds), ("withhold_cells", withhold_cells)):
        if value is not None:
            raise ValueError(f"{name} and split_columns exclude each other, got {value:g} and columns; pass one")
    if target in columns:
        raise ValueError(f"split_columns must be other columns than target, got {target!r}; name those of the splits")
    if len({*columns}) < len(columns):
        raise ValueError(f"split_columns must be different ones, got {listed(list(columns))}; name each once")
    return {SPLIT_COLUMNS: list(columns)}


def _as_given(
    experiment: Any, columns: Mapping[str, NDArray[Any]], labels: NDArray[Any], groups: NDArray[Any] | None
) -> Any:
    """An experiment in as many splits as columns say, where there are any."""
    if not columns:
        return experiment
    return replace(experiment, split="given", folds=len(given_splits(columns, labels, groups)))


def _by_groups(
    experiment: Any,
    arms: tuple[Any, ...],
    groups: NDArray[Any] | None,
    withhold_cells: float | None,
    folds: int | None,
) -> Any:
    """An experiment on data with groups: how it is split and compared, and arms that go by cells."""
    if groups is None:
        return experiment
    if withhold_cells is None:
        most_folds = folds or len(np.unique(groups))
        metrics = ("balanced over cells", "worst group", *experiment.metrics)
        return replace(experiment, split="groups", folds=max(2, min(experiment.folds, most_folds)), metrics=metrics)
    share = math.sqrt(withhold_cells)
    return replace(
        experiment,
        arms=(*experiment.arms, *arms),
        split="cells",
        splits=experiment.folds,
        group_share=share,
        class_share=share,
        metrics=("unseen cells", "worst group", "balanced over cells", *experiment.metrics),
    )
