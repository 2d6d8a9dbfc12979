"""Tables that a suite names, with their groups and the columns of their splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ganaug.bench.inputs.datasets.keel import keel_table
from ganaug.bench.inputs.datasets.sources import SPLIT_COLUMNS, TABLES, called, check_keys, is_module, split_columns
from ganaug.bench.inputs.datasets.table_data import TableData, table_of
from ganaug.bench.suite.plugins import Plugin, known_names
from ganaug.data.files import user_path
from ganaug.data.json_values import short
from ganaug.data.suggestions import nearest
from ganaug.data.synthetic_rows import real_rows
from ganaug.data.tables.files.csv_format import TABLE_KINDS, CsvOptions, file_kind
from ganaug.data.tables.files.table_files import read_table, split_target
from ganaug.data.tables.group_column import part_groups

__all__ = ["OTHER_FILES", "load_table"]

OF_TABLES = ("categorical", "groups", "keep_groups", SPLIT_COLUMNS)
CSV_KEYS = ("sep", "decimal", "encoding", "na_values")
OTHER_FILES = (".xls", ".xlsx", ".ods", ".json", ".jsonl", ".arff", ".feather", ".pkl", ".zip", ".gz")


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
        no features either. `origin` is what its rows come from, as two datasets that are cut from one must say.

    Returns
    -------
    TableData

    Raises
    ------
    ValueError
        If there is no such table, its target cannot be predicted by class, or it says that some rows are synthetic.
    """
    categorical = source.params.get("categorical", ())
    if not isinstance(categorical, list | tuple):
        raise ValueError(f"dataset {source.name!r}: categorical must be a list of columns, got {short(categorical)}")
    groups = [name for name in [source.params.get("groups")] if isinstance(name, str)]
    if source.target.startswith("keel:"):
        check_keys(source, *OF_TABLES)
        data = keel_table(source.target.removeprefix("keel:"))
    elif source.target in TABLES:
        check_keys(source, *OF_TABLES)
        data = table_of(source, *TABLES[source.target]())
    elif file_kind(source.target) is not None:
        check_keys(source, "target", *OF_TABLES, *CSV_KEYS)
        target = source.params.get("target")
        if not isinstance(target, str):
            raise ValueError(f"{source.target} needs a target: the name of its column of labels")
        options = CsvOptions(**{key: source.params[key] for key in CSV_KEYS if key in source.params})
        table = read_table(source.target, options, text=[target, *categorical, *groups])
        X, y = split_target(table, target, source.target)
        X = real_rows(user_path(source.target), X)
        data = table_of(source, X, y, names=[*categorical, *groups, *split_columns(source)])
    elif _is_other_file(source.target):
        raise ValueError(f"{source.target}: a table must end in {TABLE_KINDS}; convert it")
    else:
        data = table_of(source, *_made(source), names=[*categorical, *groups, *split_columns(source)])
    if unknown := [name for name in categorical if name not in data.X.columns]:
        raise ValueError(f"{source.name} has no column {unknown[0]!r}{nearest(unknown[0], data.X.columns)}")
    nominal = tuple(n for n in data.X.columns if n in data.nominal or n in categorical)
    return _with_groups(source, TableData(data.X, data.y, nominal))


def _with_groups(source: Plugin, data: TableData) -> TableData:
    """Take the columns of groups and of splits out of the features, where any are named."""
    columns = {}
    for name in split_columns(source):
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


def _is_other_file(target: str) -> bool:
    """Whether a name is that of a file, though of none that tables are read from, and not an import path."""
    path = user_path(target)
    is_file = path.exists() or path.suffix.lower() in OTHER_FILES or "/" in target
    return is_file and not (is_module(target.rpartition(".")[0]) or target in known_names("datasets", TABLES))


def _made(source: Plugin) -> tuple[Any, Any]:
    """Features and labels from a function."""
    loaded = called(source, {key: value for key, value in source.params.items() if key not in OF_TABLES})
    if isinstance(loaded, tuple | list) and len(loaded) == 2:
        return loaded[0], loaded[1]
    if hasattr(loaded, "data") and hasattr(loaded, "target"):
        return loaded.data, loaded.target
    raise ValueError(f"dataset {source.name!r} must return features and labels, got a {type(loaded).__name__}")
