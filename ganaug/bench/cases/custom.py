"""A suite for data of one's own."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from ganaug.bench.cases.checking import load_suite
from ganaug.bench.inputs.datasets import OTHER_FILES, TABLES, load_images, load_table
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import Suite
from ganaug.data.files import user_path
from ganaug.data.images.sources import EMBEDDED
from ganaug.data.tables.files.csv_format import TABLE_KINDS, CsvOptions, file_kind

__all__ = ["custom_suite"]


def custom_suite(
    data: str,
    *,
    target: str | None = None,
    size: int | None = None,
    folds: int | None = None,
    csv: CsvOptions | None = None,
) -> Suite:
    """Put data of one's own in the place of a suite's: the arms and classifiers of suite "custom", in folds.

    Parameters
    ----------
    data : str
        A CSV or parquet file with a column of labels, or a table by its name, such as "breast_cancer"; or labelled
        images: a folder with a folder per class, a parquet or ``.npz`` file, or a dataset saved by Hugging Face.
    target : str, optional
        The column of labels: `data` is a table.
    size : int, optional
        Height and width that images are resized to.
    folds : int, optional
        Five by default. A class needs as many rows or images, of which all but one part are trained on.
    csv : CsvOptions, optional
        What is known of a CSV file; the rest is found out.

    Returns
    -------
    Suite

    Raises
    ------
    ValueError
        If there are no such data, or no classes can be learnt from them.

    Examples
    --------
    >>> custom_suite("digits").images.datasets[0].name
    'digits'
    """
    suite = load_suite("custom")
    if folds is not None:
        assert suite.images is not None
        assert suite.tables is not None
        suite = replace(suite, images=replace(suite.images, folds=folds), tables=replace(suite.tables, folds=folds))
    is_table = file_kind(data) not in (None, "parquet")
    if target is None and (is_table or Path(data).suffix.lower() in OTHER_FILES) and not user_path(data).exists():
        raise ValueError(f"{data} does not exist; pass a .csv or .parquet file with --target, or labelled images")
    if target is None and is_table:
        raise ValueError(f"{data} is a table; name its column of labels with --target")
    if target is None and user_path(data).is_file() and Path(data).suffix.lower() in OTHER_FILES:
        raise ValueError(f"{data}: a table must end in {TABLE_KINDS}, with --target; convert it")
    labelled = data.startswith("keel:") or data in TABLES.keys() - EMBEDDED.keys()
    if target is not None or labelled:
        if size is not None:
            raise ValueError("size belongs to images, but data is a table")
        known = {key: value for key, value in asdict(csv or CsvOptions()).items() if value}
        known |= {"na_values": list(known["na_values"])} if "na_values" in known else {}
        source = Plugin.of({"source": data, **known, **({} if target is None else {"target": target})}, "source")
        table = load_table(source)
        assert suite.tables is not None
        tables = replace(suite.tables, datasets=(source,))
        if len(set(table.y.tolist())) > 2:
            # Thresholds are for two classes, and so is F1.
            tables = replace(tables, arms=tuple(arm for arm in tables.arms if not arm.threshold))
        else:
            tables = replace(tables, arms=tuple(arm for arm in tables.arms if not arm.prior_correction))
        names = [arm.name for arm in tables.arms]
        arms = tuple(replace(arm, against=tuple(n for n in arm.against if n in names)) for arm in tables.arms)
        baselines = tuple(name for name in tables.baselines if name in names)
        experiment = replace(tables, arms=arms, baselines=baselines)
        return replace(suite, title=_title(data), images=None, tables=experiment)
    if csv is not None and csv != CsvOptions():
        raise ValueError("sep, decimal, encoding and na_values belong to CSV files, but data is images")
    source = Plugin.of({"source": data, **({"size": size} if size is not None else {})}, "source")
    load_images(source)
    assert suite.images is not None
    return replace(suite, title=_title(data), images=replace(suite.images, datasets=(source,)), tables=None)


def _title(data: str) -> str:
    return f"Does augmentation help on {Path(data).name}?"
