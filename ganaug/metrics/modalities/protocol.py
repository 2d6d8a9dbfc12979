"""The protocol of a kind of samples, and what its methods take and return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ganaug.data.kinds import Kind
from ganaug.metrics.pairwise_distances import Measure

__all__ = ["Differences", "Modality", "Move", "Prepared", "Samples", "Training"]


@dataclass(frozen=True)
class Samples:
    """Samples as they were read.

    Attributes
    ----------
    items : Any
        All of them, in the form that the methods of their modality take.
    labels : ndarray of shape (n,)
    has_labels : bool
        False where all samples were put into one class, for want of labels.
    has_label : ndarray of shape (n,), bool
        Which samples have one.
    dtype : str, optional
        Of all samples, where they have one.
    class_names : dict or None
        Display names by label; None for a kind whose sources have none.
    groups : ndarray of shape (n,), optional
        Where their source holds them.
    mirrors : bool
        Whether the mirror image of a sample could be one too, as of pictures; not of sounds, whose columns are times.
    fingerprint : callable, optional
        Returns what a generator that was trained on them keeps as ``training_data_["sha256"]``.

    Examples
    --------
    >>> from ganaug.metrics.modalities import modality_for
    >>> samples = modality_for("rows").read([[1.0], [2.0]], ["a", "b"])
    >>> samples.labels, samples.has_labels
    (array(['a', 'b'], dtype='<U1'), True)
    """

    items: Any
    labels: NDArray[Any]
    has_labels: bool
    has_label: NDArray[np.bool_]
    dtype: str | None = None
    class_names: dict[Any, str] | None = None
    fingerprint: Callable[[], str] | None = None
    groups: NDArray[Any] | None = None
    mirrors: bool = True


@dataclass(frozen=True)
class Prepared:
    """Several sets of samples, made comparable.

    Attributes
    ----------
    values : list of ndarray of shape (n, ...)
        Feature vectors of each set, as `distances` takes them.
    inputs : list of ndarray of shape (n, ...)
        What a classifier sees of each set.
    distances : callable
        From two arrays of values (n_queries, ...), (n_targets, ...) to distances (n_queries, n_targets).
    unmirrored : callable, optional
        The same, with mirror images taken for other samples, for kinds that have such.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.metrics.modalities import modality_for
    >>> rows = modality_for("rows")
    >>> parts = [rows.read(part, None).items for part in ([[0.0], [1.0], [5.0]], [[0.9]])]
    >>> train, made = (prepared := rows.prepare(parts, None, "cpu")).values
    >>> int(prepared.distances(made, train).argmin())
    1
    """

    values: list[NDArray[Any]]
    inputs: list[NDArray[Any]]
    distances: Measure
    unmirrored: Measure | None = None

    def measure(self, *, mirrored: bool) -> Measure:
        """Distances with mirror images taken for copies or not."""
        return self.distances if mirrored or self.unmirrored is None else self.unmirrored


@dataclass(frozen=True)
class Training:
    """How a classifier is trained: the number of steps where it has any, where, and from which seed.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from ganaug.metrics.modalities import Training, modality_for
    >>> training = Training(steps=50, device=torch.device("cpu"), seed=0)
    >>> inputs, labels = np.array([[0.0], [0.1], [5.0], [5.1]] * 5), np.array([0, 0, 1, 1] * 5)
    >>> modality_for("rows").probabilities(inputs, labels, np.array([[5.0]]), 2, training).argmax()
    np.int64(1)
    """

    steps: int
    device: torch.device
    seed: int


@dataclass(frozen=True)
class Move:
    """How a column of a synthetic row differs from the real row that it is compared with.

    Attributes
    ----------
    column : str
    before, after : str
        Values of the real and of the synthetic row.
    difference : float or None
        In the units of the column, for dates in days; None for names and missing values.
    standardised : float or None
        In standard deviations of the column in the training data.

    Examples
    --------
    >>> from ganaug.metrics.modalities import Move
    >>> print(Move("age", "31", "34", 3.0, 0.25))
    31 -> 34, +3 (+0.25 SD)
    """

    column: str
    before: str
    after: str
    difference: float | None = None
    standardised: float | None = None

    def __str__(self) -> str:
        if self.difference is None or self.standardised is None:
            return f"{self.before} -> {self.after}"
        return f"{self.before} -> {self.after}, {self.difference:+.4g} ({self.standardised:+.2f} SD)"


Differences = Callable[[int, int], tuple[Move, ...]]  # of a synthetic and of a real sample, by their positions


class Modality(Protocol):
    """What is done with samples of one kind.

    Attributes
    ----------
    kind : Kind
    makes_pictures : bool
        Whether samples are shown as pictures; otherwise they are data frames, and shown as tables.

    Examples
    --------
    >>> from ganaug.metrics.modalities import modality_of
    >>> rows = modality_of([[1.0, 2.0]])
    >>> rows.kind.name, rows.makes_pictures
    ('rows', False)
    """

    kind: Kind
    makes_pictures: bool

    def claims(self, samples: Any) -> bool:
        """Whether what a user passed holds samples of this kind."""

    def read(self, samples: Any, labels: Any, dtype: str | None = None) -> Samples:
        """Read what a user passed, for comparison with samples of this dtype.

        Raises
        ------
        ValueError, TypeError
            For what cannot be read.
        """

    def take(self, items: Any, indices: NDArray[np.integer]) -> Any:
        """The samples at `indices`."""

    def aligned(self, items: Any, train: Any, argument: str) -> Any:
        """Samples in the form of the training data.

        Raises
        ------
        ValueError
            If their shapes, dtypes or columns differ; the sentence begins with the argument.
        """

    def keys(self, *parts: Any) -> list[NDArray[np.int64]]:
        """A number for each sample of several sets, the same for equal ones."""

    def prepare(self, parts: Sequence[Any], categorical_features: Any, device: str | torch.device) -> Prepared:
        """Make sets of samples comparable."""

    def probabilities(
        self, inputs: NDArray[Any], labels: NDArray[np.integer], asked: NDArray[Any], n_classes: int, training: Training
    ) -> NDArray[np.floating]:
        """Class probabilities (n_asked, n_classes), by a classifier that is trained on inputs and class indices."""

    def differences(self, made: Any, real: Any) -> Differences:
        """A function that describes how a sample differs from a real one; by nothing where pictures show it."""

    def unit(self, items: Any) -> str:
        """What distances between these samples are measured in, or ""."""

    def sheet(self, rows: Sequence[tuple[str, Any]], *, breaks: Sequence[int] = (), heading: str = "") -> Image.Image:
        """Draw rows of samples, each with a name in front.

        Raises
        ------
        ValueError
            For a kind of samples that makes no pictures.
        """
