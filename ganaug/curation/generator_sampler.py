"""Synthetic rows from a generator, in the interface of the other samplers of encoded rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.data.groups import ignore_classes_in_one_group
from ganaug.data.labels import listed
from ganaug.data.tables.containers import as_table, is_frame
from ganaug.data.tables.encoded import EncodedTable
from ganaug.data.tables.layout import RowLayout
from ganaug.generators.contract import draws_encoded, group_indices, has_groups, takes

__all__ = ["MIN_ROWS", "GeneratorSampler", "check_takes_groups"]

MIN_ROWS = 8


class GeneratorSampler:
    """Draws encoded rows from a generator, which is trained when it is first drawn from.

    A generator with ``fit_encoded`` and ``sample_encoded`` learns and draws encoded rows; what any other draws is
    encoded.

    Parameters
    ----------
    generator : generator of rows
        Trained in place; pass a clone to keep it as it is.
    data : EncodedTable
        The rows to train it on. Where they have groups, the generator is conditioned on these, too.
    prefit : bool, default=False
        The generator is fitted; its classes must be those of `data`, and its encoder, if it has one, that of `data`.
    seed : int, optional
        Class ``k`` is drawn with seed ``seed + k``, the cells of classes and groups likewise, so that equal requests
        get equal rows. None draws a seed for each call of :meth:`sample`.
    min_rows : int, default=8
        That a class must have to be drawn: of fewer no GAN learns anything.

    Raises
    ------
    ValueError
        For data with groups and a generator that takes none.

    Attributes
    ----------
    generator_ : generator or None
        The fitted one; None before it is trained.

    Examples
    --------
    >>> from ganaug import TableGAN
    >>> from ganaug.curation import encode_table
    >>> data = encode_table(np.random.default_rng(0).normal(size=(40, 3)), np.repeat(["a", "b"], 20))
    >>> sampler = GeneratorSampler(TableGAN(steps=2, random_state=0, verbose=False), data)
    >>> drawn, anchors = sampler.fit(data.rows, data.targets).sample(np.array([1, 0]), np.random.default_rng(0))
    >>> drawn.shape, anchors.tolist()
    ((2, 3), [-1, -1])
    """

    def __init__(
        self,
        generator: Any,
        data: EncodedTable,
        *,
        prefit: bool = False,
        seed: int | None = None,
        min_rows: int = MIN_ROWS,
    ) -> None:
        self.generator = generator
        self.data = data
        self.prefit = prefit
        self.seed = seed
        self.min_rows = min_rows
        self.generator_: Any = generator if prefit else None
        if data.groups is not None:
            check_takes_groups(generator, prefit=prefit)

    def drawable(self, cell_counts: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Say which cells can be drawn: those of classes that have ``min_rows`` in all groups together.

        Parameters
        ----------
        cell_counts : ndarray of shape (n_classes, n_groups)

        Returns
        -------
        ndarray of shape (n_classes, n_groups), bool
        """
        return np.broadcast_to(cell_counts.sum(1, keepdims=True) >= self.min_rows, cell_counts.shape)

    def fit(
        self,
        rows: NDArray[np.float32],
        labels: NDArray[np.integer],
        layout: RowLayout | None = None,
        groups: NDArray[np.integer] | None = None,
    ) -> GeneratorSampler:
        """Check that the rows are those of `data`; the generator is trained only if it is drawn from.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, width)
        labels : ndarray of shape (n_rows,)
            Position of the class of each row.
        layout : RowLayout, optional
        groups : ndarray of shape (n_rows,), optional
            Position of the group of each row, where the data have groups.

        Raises
        ------
        ValueError
            For rows of another shape, other labels or other groups.
        """
        data = self.data
        if groups is None or data.group_targets is None:
            same = groups is data.group_targets
        else:
            same = np.array_equal(groups, data.group_targets)
        if rows.shape != data.rows.shape or not np.array_equal(labels, data.targets) or not same:
            raise ValueError(
                "rows, labels and groups must be those of the data that GeneratorSampler was made with; pass these"
            )
        return self

    def sample(
        self, labels: NDArray[Any], randomness: np.random.Generator, groups: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw a row for each label, and the index of the row that a :class:`Transfer` made each of; -1 for others.

        Parameters
        ----------
        labels : ndarray of shape (n,)
            Positions of classes.
        randomness : Generator
            Draws the seed if there is none.
        groups : ndarray of shape (n,), optional
            Positions of groups, where the data have groups.

        Raises
        ------
        ValueError
            If the generator draws another number of rows than asked for; also what its ``fit`` and ``sample`` raise.
        """
        if self.generator_ is None:
            self.generator_ = self._trained()
        seed = int(randomness.integers(2**31)) if self.seed is None else self.seed
        drawn, anchors = np.empty((len(labels), self.data.layout.width), dtype=np.float32), np.full(len(labels), -1)
        n_groups = 1 if self.data.groups is None else len(self.data.groups)
        cells = labels if groups is None else labels * n_groups + groups
        for cell in np.unique(cells).tolist():
            chosen = cells == cell
            c, g = (cell, None) if groups is None else divmod(cell, n_groups)
            # A seed for each class or cell: its rows do not depend on how many of others are drawn.
            asked = (c, g, int(chosen.sum()), (seed + cell) % 2**31)
            drawn[chosen] = self._of_cell(*asked)
            anchors[chosen] = self._donors_of_cell(*asked)
        return drawn, anchors

    def _donors_of_cell(self, c: int, g: int | None, n: int, random_state: int) -> NDArray[np.int64]:
        """Which rows a transfer that was fitted to the data moves when it is asked so."""
        if self.prefit or g is None or self.data.groups is None or not hasattr(self.generator_, "sample_with_donors"):
            return np.full(n, -1)
        asked = np.repeat(self.data.classes[c], n), np.repeat(self.data.groups[g], n)
        donors: NDArray[np.int64] = self.generator_.sample_with_donors(*asked, random_state=random_state)[1]
        return donors

    def _trained(self) -> Any:
        data = self.data
        groups = {} if data.groups is None else {"groups": data.groups[data.group_targets]}
        with ignore_classes_in_one_group():  # who passes groups to a sampler is warned there
            if draws_encoded(self.generator):
                return self.generator.fit_encoded(data.encoder, data.rows, data.labels, data.container, **groups)
            return self.generator.fit(data.table, data.labels, **groups)

    def _of_cell(self, c: int, g: int | None, n: int, random_state: int) -> NDArray[np.float32]:
        group = {} if g is None or self.data.groups is None else {"groups": np.repeat(self.data.groups[g], n)}
        if draws_encoded(self.generator_):
            if group:
                group = {"groups": group_indices(self.generator_, group["groups"])}
            return self.generator_.sample_encoded(np.full(n, c), random_state=random_state, **group)
        labels = np.repeat(self.data.classes[c], n)
        rows = self.generator_.sample(labels, random_state=random_state, **group)
        drawn, _ = as_table(rows)
        if len(drawn) != n:
            raise ValueError(
                f"generator must draw one row per label, got {len(drawn)} rows for {n} labels; correct the sample "
                f"method of {type(self.generator_).__name__}"
            )
        return self.data.encoder.transform(
            self._in_order(drawn, named=isinstance(rows, pd.DataFrame) or is_frame(rows))
        )

    def _in_order(self, drawn: pd.DataFrame, *, named: bool) -> pd.DataFrame:
        """Drawn rows with the columns of the training data, by their names where they have some."""
        known = self.data.table.columns
        named = named and not isinstance(drawn.columns, pd.RangeIndex)
        if len(drawn.columns) != len(known) or (named and set(map(str, drawn.columns)) != set(map(str, known))):
            own, wanted = (listed(list(map(repr, names))) for names in (drawn.columns, known))
            raise ValueError(
                f"generator must draw the columns that it was fitted to, {wanted}, got {own}; correct the sample "
                f"method of {type(self.generator_).__name__}"
            )
        if named:
            drawn = drawn.set_axis(list(map(str, drawn.columns)), axis=1)[list(map(str, known))]
        return drawn.set_axis(known, axis=1)


def check_takes_groups(generator: Any, *, prefit: bool) -> None:
    """Refuse a generator that cannot be conditioned on groups, or was fitted without."""
    called = type(generator).__name__
    if not takes(generator.fit_encoded if draws_encoded(generator) else generator.fit, "groups"):
        raise ValueError(
            f"generator must take groups in fit, which a {called} does not; pass one such as "
            "ganaug.curation.AdditiveTransfer, or no groups"
        )
    if prefit and not has_groups(generator):
        raise ValueError(f"the prefit {called} was fitted without groups; fit it with the groups of the rows")
