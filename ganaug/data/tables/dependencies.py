"""Columns whose value follows from another one of the row, such as the country from the city."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.data.json_values import floats, whole
from ganaug.data.tables.columns.column import CategoricalColumn, Column
from ganaug.data.tables.group_values import not_by_chance

__all__ = ["Dependency", "agreeing", "dependencies_of"]

ROWS_PER_VALUE = 5  # on average, below which values are too rare to say what follows from them
LOOKED_AT_FIRST, LOOKED_AT = 64, 2_000  # rows by which most pairs of columns are told apart


@dataclass(frozen=True, eq=False)
class Dependency:
    """A column whose value follows from that of a column of names: a functional dependency, as databases call it.

    Attributes
    ----------
    source, target : int
        Positions of the column of names, and of the one that follows from it.
    scores : ndarray of shape (n_values + 1,), float64
        Normal score of the target for each value of the source, of which the last stands for a missing one.
    places : ndarray of shape (n_values + 1,), int64
        Its level, and of names the position among all values; -1 where nothing follows.
    """

    source: int
    target: int
    scores: NDArray[np.float64]
    places: NDArray[np.int64]

    def put(
        self, column: Column, series: pd.Series, of_source: NDArray[np.int64], chosen: NDArray[np.bool_] | None = None
    ) -> pd.Series:
        """Values of the target with those that follow in their place.

        Parameters
        ----------
        column : Column
            The target.
        series : Series
            Its values.
        of_source : ndarray of shape (n_rows,), int64
            Positions of the values of the source.
        chosen : ndarray of shape (n_rows,), bool, optional
            In which rows; by default in all.

        Returns
        -------
        Series
            Values are left as they are where nothing follows.
        """
        places = self.places[of_source]
        known = places >= 0 if chosen is None else (places >= 0) & chosen
        if isinstance(column, CategoricalColumn):
            return column.put(series, np.where(known, places, -1)).set_axis(series.index)
        values = column.decode(self.scores[of_source], places.clip(min=0))
        values.index = series.index
        return values if known.all() else series.where(~known, values)

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        values = {"scores": self.scores.tolist(), "places": self.places.tolist()}
        return {"source": self.source, "target": self.target, **values}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], columns: Sequence[Column]) -> Dependency:
        """Inverse of :meth:`to_state`; ``ValueError``, ``TypeError`` or ``KeyError`` for what cannot be."""
        source, target = (whole(state[key], key, 0, len(columns) - 1) for key in ("source", "target"))
        names = columns[source]
        if source == target or not isinstance(names, CategoricalColumn):
            raise ValueError("what follows must follow from another column, of names")
        n, most = len(names.values) + 1, _n_places(columns[target]) - 1
        places = [whole(place, "a place", -1, most) for place in state["places"]]
        if len(places) != n:
            raise ValueError(f"places must be those of {n} values, got {len(places)}")
        return cls(source, target, floats(state["scores"], "scores", n), np.array(places, dtype=np.int64))


def agreeing(
    drawn: pd.DataFrame,
    cells: NDArray[np.bool_],
    columns: Sequence[Column],
    dependencies: Sequence[Dependency],
    randomness: np.random.Generator,
    known: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Drawn cells that agree with each other, and with those that were given.

    Parameters
    ----------
    drawn : DataFrame
    cells : ndarray of shape (n_rows, n_columns), bool
        Which of them are drawn; the others were given.
    columns : sequence of Column
    dependencies : sequence of Dependency
        Of these columns.
    randomness : numpy.random.Generator
    known : DataFrame, optional
        The same rows with what was given, in any dtypes; by default `drawn`, of which only drawn cells are changed.

    Returns
    -------
    DataFrame
        A drawn name from which other things follow than were given is drawn anew among those from which they do, if
        there are any; then drawn cells that follow from a name follow from it. Where known rows are passed, none
        becomes missing.

    Examples
    --------
    >>> from ganaug.data.tables.encoder import TableEncoder
    >>> table = pd.DataFrame({"country": ["NO", "NO", "FI"] * 10, "city": ["Oslo", "Oslo", "Turku"] * 10})
    >>> encoder = TableEncoder().fit(table)
    >>> drawn = pd.DataFrame({"country": ["FI", "NO"], "city": ["Oslo", "Turku"]})
    >>> cells = np.array([[False, True], [True, False]])
    >>> agreeing(drawn, cells, encoder.columns_, encoder.dependencies_, np.random.default_rng(0)).to_numpy().tolist()
    [['FI', 'Turku'], ['FI', 'Turku']]
    """
    shown, found = drawn if known is None else known, drawn.copy()
    for source in sorted({each.source for each in dependencies}):
        names = cast("CategoricalColumn", columns[source])
        following = [each for each in dependencies if each.source == source]
        places = names.places(shown.iloc[:, source])
        somewhere_given = [each for each in following if not cells[:, each.target].all()]
        given = {each: _codes(columns[each.target], shown.iloc[:, each.target]) for each in somewhere_given}
        apart = np.zeros(len(places), dtype=bool)
        for each, own in given.items():
            other = (each.places[places] != own.places) | (each.scores[places] != own.scores)
            apart |= cells[:, source] & ~cells[:, each.target] & (places >= 0) & (each.places[places] >= 0) & other
        for row in np.flatnonzero(apart).tolist():
            fits = np.arange(len(names.values))
            for each, own in given.items():
                if not cells[row, each.target]:
                    fits = fits[(each.places[fits] == own.places[row]) & (each.scores[fits] == own.scores[row])]
            if len(fits):
                places[row] = randomness.choice(fits)
        found.isetitem(source, names.put(found.iloc[:, source], np.where(apart, places, -1)).set_axis(found.index))
        for each in following:
            column = columns[each.target]
            of_source, chosen = places.clip(min=0), cells[:, each.target] & (places >= 0)
            if known is not None:
                chosen &= ~column.stands_for_missing(each.places[of_source])
            found.isetitem(each.target, each.put(column, found.iloc[:, each.target], of_source, chosen))
    return found


def dependencies_of(table: pd.DataFrame, columns: Sequence[Column]) -> tuple[Dependency, ...]:
    """Find which columns of a table follow from others.

    A column follows from a column of names if it has one value wherever that has one, which a column of the same values
    in a random order would have with a probability below 1 in 10,000, divided by the number of pairs of columns
    (:func:`not_by_chance`), and if there are five rows a value. Of two that follow from each other the second follows
    from the first, and nothing follows from what follows itself.

    Parameters
    ----------
    table : DataFrame
    columns : sequence of Column
        Fitted to it.

    Returns
    -------
    tuple of Dependency

    Examples
    --------
    >>> from ganaug.data.tables.encoder import TableEncoder
    >>> table = pd.DataFrame({"country": ["NO", "NO", "FI"] * 10, "city": ["Oslo", "Bergen", "Turku"] * 10})
    >>> [(each.source, each.target, each.places.tolist()) for each in TableEncoder().fit(table).dependencies_]
    [(1, 0, [1, 1, 0, -1])]
    """
    names = {i: column for i, column in enumerate(columns) if isinstance(column, CategoricalColumn)}
    names = {i: c for i, c in names.items() if c.n_levels and len(table) >= ROWS_PER_VALUE * len(c.values)}
    if not names:
        return ()
    first = table.iloc[:LOOKED_AT]
    looked_at = np.stack([_codes(column, first[column.name]).of_rows for column in columns])
    few = looked_at[:, :LOOKED_AT_FIRST].copy()
    sizes, partitions = zip(*map(_partition, looked_at), strict=True)
    n_values, partition = np.array(sizes), np.array(partitions)
    free = n_values > 1
    found: list[Dependency] = []
    for source in sorted(names, key=lambda i: (-len(names[i].values) - names[i].missing, i)):
        if not free[source]:
            continue
        free[source] = False
        # One with as many values must tell the same rows apart.
        likely = np.flatnonzero(
            free & ((n_values < n_values[source]) | ((n_values == n_values[source]) & (partition == partition[source])))
        )
        likely = likely[_follow(few[source], few[likely])]
        likely = likely[_follow(looked_at[source], looked_at[likely])]
        if not len(likely):
            free[source] = True
            continue
        of = _codes(columns[source], table[columns[source].name])
        for target in likely.tolist():
            followed = _codes(columns[target], table[columns[target].name])
            if (dependency := _dependency(source, target, of, followed, len(names) * len(columns))) is not None:
                found.append(dependency)
                free[target] = False
        free[source] = not any(each.source == source for each in found)
    return tuple(found)


@dataclass(frozen=True)
class _Codes:
    """Values of a column in rows, and as numbers that are equal where they are."""

    of_rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    places: NDArray[np.int64]
    n_values: int = 0  # of names


def _codes(column: Column, series: pd.Series) -> _Codes:
    if isinstance(column, CategoricalColumn):
        places = column.places(series)
        return _Codes(places, np.zeros(len(places)), places, len(column.values))
    scores, levels = column.encode(series, strict=False)
    _, of_scores = np.unique(scores, return_inverse=True)
    return _Codes(of_scores * (column.n_levels + 2) + levels + 1, scores, levels)


def _n_places(column: Column) -> int:
    """How many levels it has or, of names, values and a missing one."""
    return len(column.values) + 1 if isinstance(column, CategoricalColumn) else max(1, column.n_levels)


def _partition(codes: NDArray[np.int64]) -> tuple[int, int]:
    """How many values there are, and a number that says which rows have equal ones."""
    _, first, of = np.unique(codes, return_index=True, return_inverse=True)
    return len(first), hash(first[of].tobytes())


def _follow(source: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which targets, (n_targets, n_rows), have one value wherever the source, (n_rows,), has one."""
    _, first, of = np.unique(source, return_index=True, return_inverse=True)
    return (targets == targets[:, first[of]]).all(1)


def _dependency(source: int, target: int, of: _Codes, followed: _Codes, n_pairs: int) -> Dependency | None:
    if not _follow(of.of_rows, followed.of_rows[None])[0]:
        return None
    values, first, sizes = np.unique(of.of_rows, return_index=True, return_counts=True)
    if not not_by_chance(followed.of_rows[first, None], sizes, n_pairs):
        return None
    scores, places = np.zeros(of.n_values + 1), np.full(of.n_values + 1, -1)
    scores[values], places[values] = followed.scores[first], followed.places[first]
    return Dependency(source, target, scores, places)
