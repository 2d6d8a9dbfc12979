"""Synthetic rows from a generator, in the interface of the other samplers of encoded rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ganaug.data.tables.containers import as_table
from ganaug.data.tables.encoded import EncodedTable
from ganaug.data.tables.layout import RowLayout
from ganaug.generators.contract import draws_encoded

__all__ = ["GeneratorSampler"]


class GeneratorSampler:
    """Draws encoded rows from a generator, which is trained when it is first drawn from.

    A generator with ``fit_encoded`` and ``sample_encoded`` learns and draws encoded rows; what any other draws is
    encoded.

    Parameters
    ----------
    generator : generator of rows
        Trained in place; pass a clone to keep it as it is.
    data : EncodedTable
        The rows to train it on.
    prefit : bool, default=False
        The generator is fitted; its classes must be those of `data`, and its encoder, if it has one, that of `data`.
    seed : int, optional
        Class ``k`` is drawn with seed ``seed + k``, so that equal requests get equal rows. None draws a seed for each
        call of :meth:`sample`.

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

    min_rows: ClassVar[int] = 8  # of a class: of fewer no GAN learns anything

    def __init__(self, generator: Any, data: EncodedTable, *, prefit: bool = False, seed: int | None = None) -> None:
        self.generator = generator
        self.data = data
        self.prefit = prefit
        self.seed = seed
        self.generator_: Any = generator if prefit else None

    def fit(
        self, rows: NDArray[np.float32], labels: NDArray[np.integer], layout: RowLayout | None = None
    ) -> GeneratorSampler:
        """Check that the rows are those of `data`; the generator is trained only if it is drawn from.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, width)
        labels : ndarray of shape (n_rows,)
            Position of the class of each row.
        layout : RowLayout, optional

        Raises
        ------
        ValueError
            For rows of another shape, or other labels.
        """
        if rows.shape != self.data.rows.shape or not np.array_equal(labels, self.data.targets):
            raise ValueError(
                "rows and labels must be those of the data that GeneratorSampler was made with; pass these"
            )
        return self

    def sample(
        self, labels: NDArray[Any], randomness: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw a row for each label; the second value is -1 throughout: there are no anchors.

        Parameters
        ----------
        labels : ndarray of shape (n,)
            Positions of classes.
        randomness : Generator
            Draws the seed if there is none.

        Raises
        ------
        ValueError
            If the generator draws another number of rows than asked for; also what its ``fit`` and ``sample`` raise.
        """
        if self.generator_ is None:
            self.generator_ = self._trained()
        seed = int(randomness.integers(2**31)) if self.seed is None else self.seed
        drawn = np.empty((len(labels), self.data.layout.width), dtype=np.float32)
        for index in np.unique(labels).tolist():
            # A seed for each class: its rows do not depend on how many of other classes are drawn.
            drawn[labels == index] = self._of_class(index, int((labels == index).sum()), (seed + index) % 2**31)
        return drawn, np.full(len(labels), -1)

    def _trained(self) -> Any:
        data = self.data
        if draws_encoded(self.generator):
            return self.generator.fit_encoded(data.encoder, data.rows, data.labels, data.container)
        return self.generator.fit(data.table, data.labels)

    def _of_class(self, index: int, n: int, random_state: int) -> NDArray[np.float32]:
        if draws_encoded(self.generator_):
            return self.generator_.sample_encoded(np.full(n, index), random_state=random_state)
        labels = np.repeat(self.data.classes[index], n)
        drawn, _ = as_table(self.generator_.sample(labels, random_state=random_state))
        if len(drawn) != n:
            raise ValueError(
                f"generator must draw one row per label, got {len(drawn)} rows for {n} labels; correct the sample "
                f"method of {type(self.generator_).__name__}"
            )
        drawn.columns = self.data.table.columns
        return self.data.encoder.transform(drawn)
