"""Filters for synthetic images: which of the candidates of a class go into a pool."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ganaug.classifiers.image_classifier import ClassifierConfig, DynamicsClassifier, ImageClassifier
from ganaug.curation.consistency import FOLDS, ClassConsistency
from ganaug.data import LabelledImages
from ganaug.data.groups import has_group
from ganaug.data.labels import listed
from ganaug.generators.contract import (
    Generator,
    Scorer,
    class_indices,
    class_name,
    device_of,
    group_indices,
    has_groups,
    scorer,
    takes,
)
from ganaug.metrics import nearest, nearest_other

__all__ = [
    "FILTERS",
    "DiscriminatorRank",
    "ImageConsistency",
    "ImageFilter",
    "LearningDynamics",
    "NoCopies",
    "default_filters",
    "filters_for",
]


TRAINING = ClassifierConfig(steps=200)  # of each of the classifiers that judge


@runtime_checkable
class ImageFilter(Protocol):
    """What a filter is: fitted once, then asked about candidates of one class at a time.

    Candidates of a generator that has groups are of one group, too. A filter whose ``accepts`` takes ``group=`` is
    given its position in ``groups_``.
    """

    name: str
    needs_real: bool

    def fit(self, gan: Generator, real: LabelledImages | None, randomness: np.random.Generator) -> Self:
        """Learn what is needed; `real` holds its training images, -1 marking those without a label."""

    def accepts(self, images: NDArray[Any], position: int) -> NDArray[np.bool_] | None:
        """Which candidates of the class at this position in ``classes_`` are kept; None if it cannot tell."""

    def describe(self) -> dict[str, Any]:
        """Name and parameters as JSON values."""


class DiscriminatorRank:
    """Keeps the candidates that the generator's ``score_samples`` ranks highest: of a GAN, its discriminator.

    Logits have no absolute meaning (a relativistic loss fixes differences only), so candidates are ranked among those
    of their class that were drawn together, and of their group where the generator has groups. A generator of another
    family ranks them by what it scores with, such as a likelihood, at the cost of their variety; one without
    ``score_samples`` is refused.

    Parameters
    ----------
    share : float in (0, 1]
        Of the candidates that are kept.

    Examples
    --------
    >>> import tempfile
    >>> from ganaug import ImageGAN, labelled_images
    >>> from ganaug import SyntheticPool
    >>> from ganaug.curation import DiscriminatorRank
    >>> digits = labelled_images("digits").subset(range(100))
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(digits)
    >>> pool = SyntheticPool.build(
    ...     gan, tempfile.mkdtemp(), per_class=2, real=digits, keep=[DiscriminatorRank(0.25)], random_state=0
    ... )
    >>> pool.provenance["filters"]
    [{'name': 'discriminator rank', 'share': 0.25}]
    """

    name = "discriminator rank"
    needs_real = False

    def __init__(self, share: float = 0.5) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share must be in (0, 1], got {share}")
        self.share = share

    def fit(self, gan: Generator, real: LabelledImages | None, randomness: np.random.Generator) -> DiscriminatorRank:
        """Keep the generator, or raise ``TypeError`` if it cannot score samples."""
        self._score: Any = scorer(gan, self.name).score_samples
        self._classes, self._groups = gan.classes_, np.asarray(getattr(gan, "groups_", ()))
        self._by_group = has_groups(gan) and takes(self._score, "groups")
        return self

    def accepts(self, images: NDArray[Any], position: int, group: int | None = None) -> NDArray[np.bool_]:
        """Which candidates are kept; see :class:`ImageFilter`."""
        given = {} if group is None or not self._by_group else {"groups": np.repeat(self._groups[group], len(images))}
        scores = self._score(images, np.repeat(self._classes[position], len(images)), **given)
        kept = np.zeros(len(images), dtype=bool)
        kept[np.argsort(-scores, kind="stable")[: max(1, round(self.share * len(images)))]] = True
        return kept

    def describe(self) -> dict[str, Any]:
        """Name and parameters."""
        return {"name": self.name, "share": self.share}


class ImageConsistency:
    """Keeps candidates that a classifier trained on real images only finds typical of their class.

    Classifiers of a five-fold cross-validation score each candidate; it must reach a quantile of the scores that the
    real images of its class got from the classifiers that had not seen them. They are trained where the generator
    draws.

    Where the generator and the real images have groups, the classifiers are those that no group misleads
    (:class:`~ganaug.classifiers.image_classifier.ImageClassifier` with groups). Others take the style of a group for
    the absence of the classes that it lacks, and refuse these. In a cell of class and group without real images even
    these are less sure of what is as it should be; so the class is compared with others there, in place of a quantile:
    it must be nearly as probable as each class that the group has, which a generator draws where it fails to draw the
    cell.

    Parameters
    ----------
    quantile : float in [0, 1]
        As many of the real images would be rejected.
    odds : float in [0, 1], default=1/3
        For cells without real images: the probability of the class over that of the most probable class that the group
        has must be as much.
    training : ClassifierConfig
        Of each classifier. With ``precision="auto"`` they are trained in bfloat16 where processor or GPU have it.

    Notes
    -----
    What passes of real images of cells that the classifiers had not seen, and of the neighbouring class of their group,
    is measured by ``python benchmarks/cell_filters.py``, with other rules beside.

    Classes of fewer than five real images cannot be cross-fitted: it warns, and lets all of their candidates pass.

    Examples
    --------
    One of the filters of ``SyntheticPool.build(keep=[...])``; stricter than by default:

    >>> from ganaug.curation import ImageConsistency
    >>> from ganaug.metrics import ClassifierConfig
    >>> strict = ImageConsistency(quantile=0.4, odds=0.5, training=ClassifierConfig(precision="auto"))
    >>> strict.describe()["quantile"], strict.describe()["training"]["precision"]
    (0.4, 'auto')
    """

    name = "class consistency"
    needs_real = True
    _classifier: ClassVar[type[ImageClassifier]] = ImageClassifier

    def __init__(self, quantile: float = 0.2, odds: float = 1 / 3, training: ClassifierConfig = TRAINING) -> None:
        for name, value in (("quantile", quantile), ("odds", odds)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {value}")
        self.quantile, self.odds, self.training = quantile, odds, training

    def fit(self, gan: Generator, real: LabelledImages | None, randomness: np.random.Generator) -> ImageConsistency:
        """Train the classifiers."""
        assert real is not None
        known = real.labelled()
        n_classes, labels = len(gan.classes_), class_indices(gan, known.labels)
        if np.bincount(labels).max() < FOLDS:
            raise ValueError(f"class consistency needs {FOLDS} real images of some class; leave it out of keep")
        counts = np.bincount(labels, minlength=n_classes)
        self._known = counts >= FOLDS
        if not self._known.all():
            few = [class_name(gan, label) for label in gan.classes_[~self._known].tolist()]
            message = f"classes of fewer than {FOLDS} real images are not filtered by class consistency: {listed(few)}"
            warnings.warn(message, UserWarning, stacklevel=4)
        device = device_of(gan)
        consistency = ClassConsistency(
            self.quantile, models=lambda seed: [self._classifier(n_classes, seed, self.training, device)]
        )
        groups = None
        self._cells: NDArray[np.bool_] | None = None  # those with real images
        if has_groups(gan) and known.groups is not None:
            groups = np.where(has_group(known.groups), np.unique(known.groups, return_inverse=True)[1], -1)
            self._cells = np.zeros((n_classes, len(np.asarray(getattr(gan, "groups_", ())))), dtype=bool)
            self._cells[labels, group_indices(gan, known.groups)] = True
        self._consistency = consistency.fit(known.images, labels, randomness, groups)
        return self

    def accepts(self, images: NDArray[Any], position: int, group: int | None = None) -> NDArray[np.bool_] | None:
        """Which candidates are kept; see :class:`ImageFilter`."""
        if not self._known[position]:
            return None
        if group is not None and self._cells is not None and not self._cells[position, group]:
            rivals = self._cells[:, group]
            if rivals.any():
                found = self._consistency.probabilities(images)
                return found[:, position] >= self.odds * found[:, rivals].max(1)
        scores = self._consistency.score(images, np.full(len(images), position))
        return scores >= self._consistency.thresholds_[position]

    def describe(self) -> dict[str, Any]:
        """Name and parameters."""
        training = asdict(self.training)
        return {"name": self.name, "quantile": self.quantile, "odds": self.odds, "training": training}


class LearningDynamics(ImageConsistency):
    """Keeps candidates that a classifier of real images is sure of all through its training.

    As :class:`ImageConsistency`, with another score: the mean probability of the class over checkpoints of the
    training, less its standard deviation (:class:`~ganaug.classifiers.image_classifier.DynamicsClassifier`).

    Parameters
    ----------
    quantile, odds : float in [0, 1]
        As there, of these scores.
    training : ClassifierConfig
        As there.

    Examples
    --------
    One of the filters of ``SyntheticPool.build(keep=[...])``:

    >>> from ganaug.curation import LearningDynamics
    >>> LearningDynamics(quantile=0.1).describe()["quantile"]
    0.1
    """

    name = "learning dynamics"
    _classifier = DynamicsClassifier


class NoCopies:
    """Drops candidates that lie closer to a training image than training images lie to each other.

    Parameters
    ----------
    quantile : float in [0, 1]
        The limit for a class is this quantile of the distances of its training images to the nearest different training
        image, of whatever class and group. Exact copies are dropped at any limit.

    Examples
    --------
    >>> import tempfile
    >>> from ganaug import ImageGAN, labelled_images
    >>> from ganaug import SyntheticPool
    >>> from ganaug.curation import NoCopies
    >>> digits = labelled_images("digits").subset(range(100))
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(digits)
    >>> pool = SyntheticPool.build(
    ...     gan, tempfile.mkdtemp(), per_class=2, real=digits, keep=[NoCopies()], random_state=0
    ... )
    >>> pool.counts.tolist()
    [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    """

    name = "no copies"
    needs_real = True

    def __init__(self, quantile: float = 0.05) -> None:
        if not 0 <= quantile <= 1:
            raise ValueError(f"quantile must be in [0, 1], got {quantile}")
        self.quantile = quantile

    def fit(self, gan: Generator, real: LabelledImages | None, randomness: np.random.Generator) -> NoCopies:
        """Measure how far real images lie apart."""
        assert real is not None
        flat = real.images.reshape(len(real), -1)
        _, first, which = np.unique(flat, axis=0, return_index=True, return_inverse=True)
        # Among different images only: a single duplicate would set the limit to zero.
        self._images = real.images[first]
        distances = nearest_other(self._images)[which.reshape(-1)][real.has_label]
        labels = class_indices(gan, real.labelled().labels)
        self._limits = [np.quantile(distances[labels == c], self.quantile) for c in range(len(gan.classes_))]
        return self

    def accepts(self, images: NDArray[Any], position: int) -> NDArray[np.bool_]:
        """Which candidates are kept; see :class:`ImageFilter`."""
        distances = nearest(images, self._images)[1]
        return (distances >= self._limits[position]) & (distances > 0)

    def describe(self) -> dict[str, Any]:
        """Name and parameters."""
        return {"name": self.name, "quantile": self.quantile}


FILTERS: dict[str, Callable[[], ImageFilter]] = {
    make.name: make for make in (DiscriminatorRank, ImageConsistency, LearningDynamics, NoCopies)
}


def default_filters(gan: Any = None, share: float = 0.5) -> list[ImageFilter]:
    """What "auto" stands for where there are real images to compare with.

    They refuse images that the discriminator finds unlike real ones, that look like another class, or that are copies.
    On MNIST, at 10 to 200 real images a class, no filter made a classifier better by more than chance (suite
    "images-small"): where a GAN draws its classes well, they change little. A likelihood ranks another way: what it
    puts first is like the middle of the class, and images that are kept by it vary less.

    Parameters
    ----------
    gan : generator, optional
        What draws the images, fitted or not; one without ``score_samples`` goes without the rank, as one whose scores
        are a likelihood does (:class:`~ganaug.generators.Scorer`).
    share : float in (0, 1]
        For :class:`DiscriminatorRank`.
    """
    ranks = gan is None or (isinstance(gan, Scorer) and not getattr(gan, "likelihood_scores", False))
    return [*([DiscriminatorRank(share)] if ranks else []), ImageConsistency(), NoCopies()]


def filters_for(
    keep: Literal["auto"] | Iterable[ImageFilter],
    gan: Generator,
    real: LabelledImages | None,
    randomness: np.random.Generator,
) -> list[ImageFilter]:
    """Fit the filters that `keep` stands for."""
    if isinstance(keep, str):
        if keep != "auto":
            raise ValueError(f"keep must be 'auto' or a sequence of filters, got {keep!r}")
        keep = [] if real is None else default_filters(gan)
    if not isinstance(keep, Iterable):
        raise TypeError(f"keep must be 'auto' or a sequence of filters, got {keep!r}; pass [] for none")
    filters = list(keep)
    for step in filters:
        if isinstance(step, type) or not isinstance(step, ImageFilter):
            raise TypeError(f"keep must hold filters such as NoCopies(), got {step!r}")
        if step.needs_real and real is None:
            raise ValueError(f"{type(step).__name__} compares with the training images; pass real=")
    return [step.fit(gan, real, randomness) for step in filters]
