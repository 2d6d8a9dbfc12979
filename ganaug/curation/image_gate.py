"""The gate for images: how many synthetic ones to add, and through which filters, by inner validation."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.classifiers.batches import Labelled, batch_drawer
from ganaug.classifiers.image_classifier import ClassifierConfig, balanced_class_weight, predict_proba, train_classifier
from ganaug.classifiers.pixel_range import PixelRange
from ganaug.curation.drawing import NothingPassedError, draw_filtered
from ganaug.curation.gate import GateDecision, decide, step_of_rarest
from ganaug.curation.image_filters import ImageFilter
from ganaug.curation.inner_validation import (
    Candidate,
    Filters,
    alternative_filters,
    candidates,
    gan_factory,
    inner_folds,
    network_maker,
)
from ganaug.data import LabelledImages
from ganaug.data.groups import check_groups
from ganaug.data.host_states import plain_states
from ganaug.data.images.like import images_like
from ganaug.engine.devices import global_states_seeded, random_generator, resolve_device, seed_from, seeded
from ganaug.generators.contract import Generator, takes

__all__ = ["ImageGateDecision", "choose_ratio"]

TRAINING = ClassifierConfig()

FEWEST = 20  # validation images with which the gate can see anything at all
ENOUGH_OF_CLASS = 30  # validation images of a class with which it is decided on by itself


@dataclass(frozen=True)
class ImageGateDecision:
    """What the gate for images chose.

    Attributes
    ----------
    ratio : float
        Synthetic images per real one; 0 means that none should be added.
    keep : tuple of filters
        Filters of that choice, for ``SyntheticPool.build(keep=...)``.
    ratios_per_class : dict
        `ratio` for each label, and 0 for classes that validation showed to be harmed.
    decision : GateDecision
        The rule's own account: the gain seen, the smallest that could have been, and the reason in words.
    candidates : tuple of str
        What was compared, the first being nothing.
    scores : tuple of float
        Mean balanced accuracy of each candidate in validation.
    n_validation : int
        Images that were validated on.

    Examples
    --------
    What :func:`ganaug.choose_ratio` returns, and what is done with it:

    >>> from ganaug.curation import GateDecision, ImageGateDecision, NoCopies
    >>> rule = GateDecision(0.5, 0.5, 2.1, 0.8, "0.5 gains 2.1 points, more than its standard error of 0.8", 1)
    >>> ratios, compared = {"cat": 0.5, "dog": 0.0}, ("nothing", "0.5, no copies")
    >>> decision = ImageGateDecision(0.5, (NoCopies(),), ratios, rule, compared, (81.2, 83.3), 120)
    >>> decision.candidates[decision.decision.position]
    '0.5, no copies'
    >>> {label: round(40 * ratio) for label, ratio in decision.ratios_per_class.items()}  # of 40 images each
    {'cat': 20, 'dog': 0}
    """

    ratio: float
    keep: tuple[ImageFilter, ...]
    ratios_per_class: dict[Any, float]
    decision: GateDecision
    candidates: tuple[str, ...]
    scores: tuple[float, ...]
    n_validation: int

    @property
    def reason(self) -> str:
        """The decision in a sentence."""
        return self.decision.reason

    def images_to_add(self, counts: Mapping[Any, int]) -> dict[Any, int]:
        """Number of synthetic images for each label, of which there are so many real ones."""
        return {label: round(ratio * counts[label]) for label, ratio in self.ratios_per_class.items()}

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            **asdict(self.decision),
            "keep": [step.describe() for step in self.keep],
            "ratios_per_class": {str(label): ratio for label, ratio in self.ratios_per_class.items()},
            "candidates": list(self.candidates),
            "scores": list(self.scores),
            "n_validation": self.n_validation,
        }


@plain_states()
def choose_ratio(
    gan: Generator | Callable[[], Any],
    images: Any,
    labels: Any = None,
    *,
    classifier: str | Callable[[tuple[int, int, int], int], nn.Module] = "small-cnn",
    ratios: Iterable[float] = (0, 0.25, 0.5, 1),
    filters: Sequence[Filters] | None = None,
    cv: str | int | Iterable[tuple[Any, Any]] = "split",
    transform: Callable[[Tensor], Tensor] | None = None,
    mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
    balanced: bool = False,
    class_weight: str | None = None,
    training: ClassifierConfig = TRAINING,
    starts: int = 2,
    per_class: int | None = None,
    device: str | torch.device = "auto",
    random_state: Any = None,
) -> ImageGateDecision:
    """Choose how many synthetic images to add to real ones, none included, and through which filters.

    On inner training images a GAN is trained, and a classifier for each candidate; all are scored on the other
    images, which the GAN has not seen. The smallest ratio within one standard error of the best is chosen, so that
    something is added only if it gains more than that. It is the rule of :class:`ganaug.SafeOverSampler`.

    Parameters
    ----------
    gan : generator of images, such as ImageGAN, or callable
        What will be used: a clone of it is trained on each inner training set, whether it is fitted or not. Or a
        function that returns a generator.
    images, labels
        The training images and their labels, as :func:`ganaug.labelled_images` reads them.
    classifier : str or callable, default="small-cnn"
        What is validated, best the one that will be trained: "small-cnn", "resnet18", "linear-probe", or a function of
        image shape and number of classes that returns a module from float images in [0, 1] to logits.
    ratios : iterable of float
        Synthetic images per real one; 0 is always among them.
    filters : sequence of sequences of filters, optional
        Alternatives that are tried with each ratio. By default no filter, and those of
        ``SyntheticPool.build(keep="auto")``.
    cv : "split", int or iterable of (train, test), default="split"
        "split" is the cheap mode: a third of the images of each class is set aside before a single GAN is trained, and
        standard errors are over validation images. An integer means so many stratified folds with a GAN for each; then
        standard errors are over folds, and allow for training images that folds share. Or pairs of index arrays.
    transform : callable, optional
        The augmentation that will be used beside, on each float image (channels, height, width).
    mix : callable, optional
        What will be applied to every batch of images and class indices last, such as torchvision's ``MixUp``.
    balanced : bool, default=False
        Whether all classes will be drawn equally often.
    class_weight : "balanced", optional
        Whether the loss of each image will be weighed by the inverse frequency of its class among the real ones.
    training : ClassifierConfig
        The same number of steps for every candidate.
    starts : int, default=2
        Random starts of the classifier whose predictions count together.
    per_class : int, optional
        Size of the pool that synthetic images of each class are drawn from. By default as many as the ratio says, as
        :class:`ganaug.AugmentedDataset` takes them.
    device : str or device, default="auto"
        Of the classifiers.
    random_state : int, RandomState, Generator or None

    Returns
    -------
    ImageGateDecision

    Raises
    ------
    ValueError
        For bad input, before anything is trained.

    See Also
    --------
    ganaug.curation.choose_cells : Whether to fill combinations of class and group that have no images.

    Examples
    --------
    >>> from ganaug import ImageGAN, labelled_images
    >>> digits = labelled_images("digits").subset(range(150))
    >>> choice = choose_ratio(
    ...     ImageGAN(steps=5, verbose=False),
    ...     digits,
    ...     filters=[()],
    ...     starts=1,
    ...     training=ClassifierConfig(steps=5),
    ...     random_state=0,
    ... )
    >>> choice.n_validation, choice.candidates[0]
    (50, 'nothing')
    """
    dtype = getattr(getattr(gan, "sample_spec_", None), "dtype", None)
    data = images_like(images, labels, dtype=dtype, train=True)
    if not isinstance(starts, Integral) or starts < 1:
        raise ValueError(f"starts must be a whole number of at least 1, got {starts!r}")
    if per_class is not None and (not isinstance(per_class, Integral) or per_class < 1):
        raise ValueError(
            f"per_class must be a whole number of at least 1, or None for as many as the ratio says, got {per_class!r}"
        )
    if class_weight not in (None, "balanced"):
        raise ValueError(f"class_weight must be 'balanced' or None, got {class_weight!r}")
    seed = seed_from(random_state)
    folds = inner_folds(data.labels, cv, seed)
    smallest = min(int(np.unique(data.labels[train], return_counts=True)[1].min()) for train, _ in folds)
    offered = candidates(ratios, alternative_filters(smallest, gan) if filters is None else filters)
    gate = _Gate(
        data,
        offered,
        network_maker(classifier),
        transform,
        mix,
        balanced,
        class_weight is not None,
        training,
        starts,
        per_class,
        resolve_device(device),
    )
    make_gan, classes = gan_factory(gan), data.classes.tolist()
    tested = [gate.targets[test] for _, test in folds]
    n_validation = len(np.unique(np.concatenate([test for _, test in folds])))
    reason = None
    if len(offered) == 1:
        reason = "there is no ratio but 0 to choose"
    elif n_validation < FEWEST:
        reason = f"{n_validation} validation images are too few to see any gain; at least {FEWEST} are needed"
    if reason is not None:
        decision, hits = GateDecision(0.0, 0.0, 0.0, float("nan"), reason), []
    else:
        first = make_gan()
        if takes(first.sample, "groups"):
            _check_groups_of_parts(data, folds)
        gans = itertools.chain([first], (make_gan() for _ in folds[1:]))  # trained one at a time
        hits = [
            gate.hits(g, *fold, seed=(seed + n) % 2**32) for n, (g, fold) in enumerate(zip(gans, folds, strict=True))
        ]
        decision = _decide(hits, tested, offered, len(data))
    harmed = _harmed(hits, tested, decision.position, len(classes))
    return ImageGateDecision(
        ratio=decision.ratio,
        keep=offered[decision.position].keep,
        ratios_per_class={c: 0.0 if bad else decision.ratio for c, bad in zip(classes, harmed, strict=True)},
        decision=decision,
        candidates=tuple(candidate.name for candidate in offered),
        scores=tuple(
            np.mean([_balanced(h, t) for h, t in zip(hits, tested, strict=True)], axis=0).tolist() if hits else ()
        ),
        n_validation=n_validation,
    )


def _check_groups_of_parts(data: LabelledImages, folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> None:
    """Refuse groups that are not connected without the validation images, as a single one of a cell may leave them."""
    for train, _ in folds if data.groups is not None else ():
        part = data.subset(train)
        assert part.groups is not None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # the generator says the same
                check_groups(part.labels, part.groups, use="conditioning")
        except ValueError as error:
            raise ValueError(
                f"of {len(data):,} images the gate trains on {len(part):,}, and there {error}; or pass images without "
                "groups to the gate"
            ) from None


@dataclass(frozen=True)
class _Gate:
    """What all inner splits have in common."""

    data: LabelledImages
    candidates: list[Candidate]
    make_network: Callable[[tuple[int, int, int], int], nn.Module]
    transform: Callable[[Tensor], Tensor] | None
    mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None
    balanced: bool
    weighted: bool
    training: ClassifierConfig
    starts: int
    per_class: int | None
    device: torch.device

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """Class index of each image."""
        return np.unique(self.data.labels, return_inverse=True)[1]

    def hits(self, gan: Any, train: NDArray[np.int64], test: NDArray[np.int64], *, seed: int) -> NDArray[np.float64]:
        """How often each validation image is recognised: shape (n_test, n_candidates), in [0, 1]."""
        real = self.data.subset(train)
        gan = seeded(gan, seed).fit(real)
        pools = {keep: self._pool(gan, real, keep, seed) for keep in dict.fromkeys(c.keep for c in self.candidates[1:])}
        shown = self.data.images[train], self.targets[train]
        columns = []
        for number, candidate in enumerate(self.candidates):
            synthetic = self._taken(pools[candidate.keep], shown[1], candidate.ratio) if candidate.ratio else None
            right = [
                predict_proba(
                    self._train(shown, synthetic, candidate.ratio, (seed, number, start)), self.data.images[test]
                ).argmax(1)
                == self.targets[test]
                for start in range(self.starts)
            ]
            columns.append(np.mean(right, axis=0))
        return np.stack(columns, axis=1)

    def _pool(self, gan: Any, real: LabelledImages, keep: tuple[ImageFilter, ...], seed: int) -> Labelled:
        most = self.candidates[-1].ratio
        counts = zip(*np.unique(real.labels, return_counts=True), strict=True)
        wanted = {c: self.per_class or max(1, round(most * n)) for c, n in counts}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # classes that stay short are shown fewer
            try:
                return draw_filtered(gan, wanted, real=real, keep=keep, random_state=seed)
            except NothingPassedError:
                return real.images[:0], np.empty(0, dtype=np.int64)

    def _taken(self, pool: Labelled, labels: NDArray[np.int64], ratio: float) -> Labelled:
        """The images of a pool that a ratio adds."""
        images, positions = pool
        if self.per_class is None:
            counts = np.bincount(labels)
            of_class = [np.flatnonzero(positions == c)[: max(1, round(ratio * n))] for c, n in enumerate(counts)]
            taken = np.concatenate(of_class)
            images, positions = images[taken], positions[taken]
        return images, positions

    def _train(self, shown: Labelled, synthetic: Labelled | None, ratio: float, place: tuple[int, ...]) -> nn.Module:
        n_classes = len(self.data.classes)
        share = np.zeros(n_classes)
        if synthetic is not None:
            share[np.unique(synthetic[1])] = ratio / (1 + ratio)
        generator = random_generator(place[0], f"gate {place}")
        # Transforms, and layers such as dropout, draw from the global states.
        with global_states_seeded(random_generator(place[0], f"transform {place}").initial_seed(), self.device):
            draw = batch_drawer(
                shown,
                generator,
                synthetic=synthetic,
                share=share,
                balanced=self.balanced,
                transform=self.transform,
            )
            mix = self.mix
            return train_classifier(
                draw if mix is None else lambda batch_size: mix(*draw(batch_size)),
                self.data.image_shape,
                n_classes,
                self.training,
                generator,
                make_network=self.make_network,
                pixel_range=PixelRange.of(shown[0]),
                class_weight=self._class_weight(shown[1]),
                device=self.device,
            )

    def _class_weight(self, targets: NDArray[np.integer]) -> Tensor | None:
        return balanced_class_weight(targets, len(self.data.classes)) if self.weighted else None


def _decide(
    hits: list[NDArray[np.float64]], tested: list[NDArray[np.int64]], candidates: list[Candidate], n_images: int
) -> GateDecision:
    """Apply the rule: to folds, or to the images of a single split."""
    names, ratios = [c.name for c in candidates], [c.ratio for c in candidates]
    if len(hits) > 1:
        share = float(np.mean([len(targets) for targets in tested])) / n_images
        scores = [_balanced(h, t) for h, t in zip(hits, tested, strict=True)]
        return decide(scores, ratios, share, names=names, resolution=step_of_rarest(tested))
    ((only, targets),) = zip(hits, tested, strict=True)
    return decide(only * _weights(targets)[:, None] * len(targets), ratios, 0.0, names=names)


def _weights(targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights, summing to 1, with which all classes that there are count alike."""
    counts = np.bincount(targets)
    return 1 / (counts[targets] * (counts > 0).sum())


def _balanced(hits: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Balanced accuracy of each candidate."""
    return _weights(targets) @ hits


def _harmed(
    hits: list[NDArray[np.float64]], tested: list[NDArray[np.int64]], position: int, n_classes: int
) -> list[bool]:
    """Classes recognised more seldom than without synthetic images, by more than a standard error."""
    found = [False] * n_classes
    if position == 0:
        return found
    better = np.concatenate([h[:, position] - h[:, 0] for h in hits])
    targets = np.concatenate(tested)
    for c in range(n_classes):
        of_class = better[targets == c]
        if len(of_class) >= ENOUGH_OF_CLASS:
            found[c] = bool(of_class.mean() + of_class.std(ddof=1) / np.sqrt(len(of_class)) < 0)
    return found
