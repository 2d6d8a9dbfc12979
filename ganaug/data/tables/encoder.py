"""Tables of mixed columns: encoded for a network, and decoded as they came."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ganaug.data.host_states import plain_states
from ganaug.data.json_values import whole
from ganaug.data.labels import listed
from ganaug.data.tables.columns.column import Column, TextColumn, column_from_state, fit_column, is_numeric
from ganaug.data.tables.columns.names import names_from_state, names_to_state
from ganaug.data.tables.containers import as_table
from ganaug.data.tables.dependencies import Dependency, agreeing, dependencies_of
from ganaug.data.tables.group_values import GroupValues
from ganaug.data.tables.layout import RowLayout
from ganaug.data.tables.seen_values import SeenValues
from ganaug.data.tables.wide import WideEncoder, check_columns, is_wide

__all__ = ["Encoder", "TableEncoder", "as_table", "declared_columns", "encoder_from_state", "fit_encoder"]

MAX_LEVELS = 32
ALL_SHOWN: Mapping[Any, SeenValues] = MappingProxyType({})  # where a table holds all rows


class TableEncoder:
    """Rows of mixed columns as vectors of numbers and one-hot levels, and back.

    Parameters
    ----------
    categorical_features : "auto", None, array-like of int, str or bool
        Columns to encode as categories, beside those that hold no numbers anyway: positions, names, or a mask. "auto"
        and None add none. Text that reads as numbers or dates is encoded as these.
    max_levels : int
        Levels with an input of their own in a categorical column; rarer ones share the last.

    Attributes
    ----------
    columns_ : list of Column
    layout_ : RowLayout
        Which entries of a row are numbers, and which are one-hot blocks of levels; numbers and blocks are in the order
        of the columns.
    width_ : int
        Entries of an encoded row.
    dependencies_ : tuple of Dependency
        Columns that follow from others, such as the country from the city, and are decoded so.
    given_ : tuple of int
        Positions of columns that follow from the group of a row: a name that does not agree with them is drawn anew.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [20, 30, None], "city": ["Rome", "Oslo", "Rome"]})
    >>> encoder = TableEncoder().fit(table)
    >>> encoder.transform(table).shape
    (3, 5)
    >>> encoder.inverse_transform(encoder.transform(table)).equals(table)
    True
    """

    kind: ClassVar[str] = "columns"

    def __init__(self, categorical_features: Any = "auto", max_levels: int = MAX_LEVELS) -> None:
        self.categorical_features = categorical_features
        self.max_levels = max_levels

    def fit(
        self,
        table: pd.DataFrame,
        classes: NDArray[np.int64] | None = None,
        *,
        seen: Mapping[Any, SeenValues] = ALL_SHOWN,
        order: NDArray[np.int64] | None = None,
    ) -> Self:
        """Learn the columns from training rows.

        Parameters
        ----------
        table : DataFrame
            As :func:`as_table` returns it.
        classes : ndarray of shape (n_rows,), int64, optional
            Class of each row, from 0 on: rare categories are decoded as often as they occur in their class.
        seen : mapping of name to SeenValues
            What each column holds where `table` is a sample of the rows only.
        order : ndarray of shape (n_classes,), int64, optional
            Which of `classes` each class is that `seen` counts.
        """
        declared = declared_columns(self.categorical_features, table)
        classes = np.zeros(len(table), dtype=np.int64) if classes is None else classes
        self.names_ = table.columns
        self.columns_: list[Column] = []
        for name in table.columns:
            series, of_rows = table[name], classes
            if name in seen:
                series, of_rows = seen[name].with_unseen(series, classes)
            column = fit_column(series, categorical=name in declared, max_levels=self.max_levels, classes=of_rows)
            if name in seen and order is not None:
                column = seen[name].counted(column, self.max_levels, order)
            if doubt := _doubt(column, table[name]):
                warnings.warn(f"column {name!r} holds {doubt}", UserWarning, stacklevel=2)
            self.columns_.append(column)
        self.dependencies_ = dependencies_of(table, self.columns_)
        self.given_: tuple[int, ...] = ()
        self._set_layout()
        return self

    @property
    def width_(self) -> int:
        """Entries of an encoded row."""
        return self.layout_.width

    def know_groups(self, values: GroupValues) -> None:
        """Take columns that have one value in each group as given by the group.

        Parameters
        ----------
        values : GroupValues
            Of rows that it has encoded.
        """
        settled = set(values.entries[~np.isnan(values.values).any(0)].tolist())
        number, blocks, given = 0, iter(self.layout_.slices), []
        for place, column in enumerate(self.columns_):
            entries = [number] if column.has_number else []
            number += column.has_number
            if column.n_levels:
                block = next(blocks)
                entries += range(block.start, block.stop)
            if entries and settled.issuperset(entries):
                given.append(place)
        self.given_ = tuple(given)

    def _set_layout(self) -> None:
        block = np.cumsum([bool(column.n_levels) for column in self.columns_]) - 1
        few = tuple(column.few_scores for column in self.columns_ if column.has_number)
        self.layout_ = RowLayout(
            n_numbers=sum(column.has_number for column in self.columns_),
            blocks=tuple(column.n_levels for column in self.columns_ if column.n_levels),
            gates=tuple(
                int(k) if column.n_levels else -1
                for column, k in zip(self.columns_, block, strict=True)
                if column.has_number
            ),
            few_scores=few if any(few) else (),
        )

    @plain_states()
    def transform(self, table: pd.DataFrame, *, strict: bool = True) -> NDArray[np.float32]:
        """Encode rows.

        Parameters
        ----------
        table : DataFrame
        strict : bool
            Refuse values that cannot be decoded: names that were not in the training data, and missing values where
            none were; numbers that a column lacks which has but two count as the nearer of these. Otherwise the block
            of levels of all of them is left empty.

        Returns
        -------
        ndarray of shape (n_rows, ``width_``), float32
        """
        check_columns(table, [column.name for column in self.columns_])
        encoded = np.zeros((len(table), self.width_), dtype=np.float32)
        number, blocks = 0, iter(self.layout_.slices)
        for column in self.columns_:
            scores, levels = column.encode(table[column.name], strict=strict)
            if column.has_number:
                encoded[:, number] = scores
                number += 1
            if column.n_levels:
                known = np.flatnonzero(levels >= 0)
                encoded[known, next(blocks).start + levels[known]] = 1
        return encoded

    @plain_states()
    def inverse_transform(
        self,
        encoded: NDArray[np.floating],
        classes: NDArray[np.int64] | None = None,
        random_state: int | np.random.Generator = 0,
        *,
        follow: bool = True,
    ) -> pd.DataFrame:
        """Decode rows; of each block the largest entry counts, but in columns that follow from others.

        Parameters
        ----------
        encoded : ndarray of shape (n_rows, width_)
        classes : ndarray of shape (n_rows,), int64, optional
            Class of each row, if the encoder was fitted with classes.
        random_state : int or Generator
            Chooses among rare categories that share a level.
        follow : bool
            Whether columns that follow from others are decoded so.

        Returns
        -------
        DataFrame
            Names, order, dtypes and categories as in the training data.
        """
        randomness = np.random.default_rng(random_state)
        classes = np.zeros(len(encoded), dtype=np.int64) if classes is None else classes
        number, blocks, series = 0, iter(self.layout_.slices), []
        nothing = np.zeros(len(encoded)), np.zeros(len(encoded), dtype=np.int64)
        for column in self.columns_:
            scores, levels = nothing
            if column.has_number:
                scores = encoded[:, number].astype(np.float64)
                number += 1
            if column.n_levels:
                levels = encoded[:, next(blocks)].argmax(1)
            series.append(column.decode(scores, levels, classes, randomness))
        table = pd.concat(series, axis=1)
        if follow and self.dependencies_:
            cells = np.ones(table.shape, dtype=bool)
            cells[:, list(self.given_)] = False
            table = agreeing(table, cells, self.columns_, self.dependencies_, randomness)
        table.columns = self.names_
        return table

    def to_state(self) -> dict[str, Any]:
        """JSON values from which :meth:`from_state` makes the fitted encoder; ``ValueError`` where there are none."""
        names, columns = names_to_state(self.names_), []
        for column in self.columns_:
            try:
                columns.append(column.to_state())
            except ValueError as error:
                raise ValueError(f"column {column.name!r} cannot be saved: {error}") from None
        follow = [each.to_state() for each in self.dependencies_]
        return {
            "kind": self.kind,
            "columns": columns,
            **names,
            **({"dependencies": follow, "given": list(self.given_)} if follow else {}),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_state`."""
        encoder = cls()
        encoder.columns_ = [column_from_state(column) for column in state["columns"]]
        names = [column["name"] for column in state["columns"]]
        encoder.names_ = names_from_state({"names": names, **state})
        if list(encoder.names_) != [column.name for column in encoder.columns_]:
            raise ValueError("the names are not those of the columns")
        found = state.get("dependencies", ())  # older files have none
        encoder.dependencies_ = tuple(Dependency.from_state(each, encoder.columns_) for each in found)
        targets = [each.target for each in encoder.dependencies_]
        if len(set(targets)) < len(targets) or {each.source for each in encoder.dependencies_} & set(targets):
            raise ValueError("a column must follow from one that follows from none")
        last = len(encoder.columns_) - 1
        encoder.given_ = tuple(whole(place, "given", 0, last) for place in state.get("given", ()))
        encoder._set_layout()
        return encoder


@plain_states()
def fit_encoder(
    table: pd.DataFrame,
    classes: NDArray[np.int64],
    categorical_features: Any = "auto",
    *,
    seen: Mapping[Any, SeenValues] = ALL_SHOWN,
    order: NDArray[np.int64] | None = None,
) -> Encoder:
    """Choose an encoder for a table, and fit it: wide tables of numbers are encoded by their principal components.

    Parameters are those of :class:`TableEncoder` and its ``fit``.
    """
    complete = not any(values.missing for values in seen.values())
    if complete and not declared_columns(categorical_features, table) and is_wide(table):
        return WideEncoder().fit(table)
    encoder = TableEncoder(categorical_features).fit(table, classes, seen=seen, order=order)
    read = [f"{column.name!r} as {column.form}" for column in encoder.columns_ if isinstance(column, TextColumn)]
    if read:
        warnings.warn(
            f"columns of text are read as numbers or dates, and new ones written alike: {'; '.join(read)}; a column "
            "named in categorical_features is encoded as categories",
            UserWarning,
            stacklevel=3,
        )
    return encoder


def encoder_from_state(state: dict[str, Any]) -> Encoder:
    """Inverse of the encoders' ``to_state``."""
    return {e.kind: e for e in (TableEncoder, WideEncoder)}[state["kind"]].from_state(state)


Encoder = TableEncoder | WideEncoder


def declared_columns(features: Any, table: pd.DataFrame) -> set[Any]:
    """Names of the columns that are declared categorical.

    Parameters
    ----------
    features : "auto", None, array-like of int, str or bool
        As for :class:`TableEncoder`.
    table : DataFrame

    Raises
    ------
    ValueError
        For a column that is not there, and a mask of the wrong length.

    Examples
    --------
    >>> declared_columns([1], pd.DataFrame({"age": [20], "city": ["Rome"]}))
    {'city'}
    """
    if features is None or (isinstance(features, str) and features == "auto"):
        return set()
    names = list(table.columns)
    chosen = features.tolist() if isinstance(features, np.ndarray | pd.Index | pd.Series) else list(features)
    chosen = [feature.item() if isinstance(feature, np.generic) else feature for feature in chosen]
    if chosen and all(isinstance(feature, bool) for feature in chosen):
        if len(chosen) != len(names):
            raise ValueError(f"categorical_features has {len(chosen)} entries for {len(names)} columns")
        return {name for name, yes in zip(names, chosen, strict=True) if yes}
    found = set()
    for feature in chosen:
        if feature in names:
            found.add(feature)
        elif isinstance(feature, int) and -len(names) <= feature < len(names):
            found.add(names[feature])
        else:
            known = listed(list(map(repr, names)))
            raise ValueError(f"categorical_features names {feature!r}, which is none of the columns {known}")
    return found


def _doubt(column: Column, series: pd.Series) -> str:
    """Why a column should perhaps not be encoded as categories; empty if it should."""
    given = isinstance(series.dtype, pd.CategoricalDtype) or types.is_bool_dtype(series.dtype)
    if column.kind != "categorical" or given or series.nunique() <= MAX_LEVELS or is_numeric(series):
        return ""
    known = series[series.notna()]
    kinds = sorted({type(value).__name__ for value in known.tolist()})
    if len(kinds) > 1:
        return f"values of several types, {listed(kinds)}, which are encoded as categories; convert them to one type"
    if known.is_unique:
        what = "text" if kinds == ["str"] else kinds[0]
        return (
            f"a different {what} in every row; only its most frequent values are kept, leave it out if it is an "
            "identifier"
        )
    return ""
