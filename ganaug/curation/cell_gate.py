"""The gate for images of classes and groups: whether to fill the cells that have none, by inner validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.classifiers.image_classifier import ClassifierConfig, predict_proba, train_classifier
from ganaug.classifiers.pixel_range import PixelRange
from ganaug.curation.inner_validation import candidates, gan_factory, network_maker
from ganaug.curation.withheld_cells import FEWEST_ROUNDS, CellGateDecision, Cells, Round, cell_decision, refusal
from ganaug.data import LabelledImages
from ganaug.data.groups import ignore_classes_in_one_group
from ganaug.data.host_states import plain_states
from ganaug.data.images.like import images_like
from ganaug.engine.devices import global_states_seeded, random_generator, resolve_device, seed_from, seeded
from ganaug.generators.contract import Generator, class_indices, draw_images, group_indices, has_groups, takes

__all__ = ["choose_cells"]

TRAINING = ClassifierConfig()
FEWEST = 20  # validation images with which the gate can see anything at all
ROUNDS = 4


@plain_states()
def choose_cells(
    gan: Generator | Callable[[], Any],
    images: Any,
    *,
    ratios: Iterable[float] = (0, 0.5, 1),
    classifier: str | Callable[[tuple[int, int, int], int], nn.Module] = "small-cnn",
    transform: Callable[[Tensor], Tensor] | None = None,
    training: ClassifierConfig = TRAINING,
    rounds: int = ROUNDS,
    starts: int = 2,
    device: str | torch.device = "auto",
    random_state: Any = None,
) -> CellGateDecision:
    """Choose which empty cells, combinations of class and group without images, to fill with synthetic ones.

    Cells that do have images stand in for those that have none. In each round several of them are withheld, of
    different classes and groups, so that every class and every group can still be learnt from others. A GAN is trained
    on the rest, and a classifier for each ratio: without filling, and with all cells filled that have no image there.
    They are scored on the images of the withheld cells, and on a fifth of the other cells of their groups, which
    filling may harm; no GAN and no classifier has seen these. The smallest ratio within one standard error of the best
    is chosen, so that something is added only if it gains more than that. It is the rule of
    :func:`ganaug.choose_ratio`. The standard error is over rounds, as the cells of one share a GAN and its classifiers,
    and enlarged for so few. It is not enlarged for the training images that rounds share: with that it misses more
    cells that pay, and is hardly safer where groups mean nothing (``python benchmarks/cell_gate.py``).

    Parameters
    ----------
    gan : generator of images that learns groups, or callable
        Such as ImageGAN or AdditiveTransfer, fitted or not: a clone is trained in each round. Or a function that
        returns one.
    images : LabelledImages or another source of labelled images with groups
        The training images, as :func:`ganaug.labelled_images` reads them with ``groups=``.
    ratios : iterable of float
        Images of a filled cell per image of a median cell; 0 is always among them. Classes are shown to the classifier
        equally often, filled or not; within a class a filled cell has this weight, and each other cell a weight of 1,
        however many images it has.
    classifier : str or callable, default="small-cnn"
        As for :func:`ganaug.choose_ratio`.
    transform : callable, optional
        The augmentation that will be used beside, on each float image (channels, height, width).
    training : ClassifierConfig
        The same number of steps for every candidate.
    rounds : int, default=4
        At least three. Each costs the training of a GAN, and for each ratio of `starts` classifiers. No cell is
        withheld twice.
    starts : int, default=2
        Random starts of the classifier whose predictions count together.
    device : str or device, default="auto"
        Of the classifiers.
    random_state : int, RandomState, Generator or None

    Returns
    -------
    CellGateDecision
        To be printed; its `per_cell` is for :class:`ganaug.AugmentedDataset` and :func:`ganaug.augment_images`, and,
        unless it is empty, for ``SyntheticPool.build(per_cell=...)``. It is empty where filling does not pay, and where
        too few cells can be withheld, of which the reason says so.

    Raises
    ------
    ValueError, TypeError
        For bad input, before anything is trained, such as images without groups or a generator that cannot learn them.

    Examples
    --------
    >>> from ganaug import labelled_images
    >>> from ganaug.curation import AdditiveTransfer
    >>> digits = labelled_images("digits").subset(range(400))
    >>> images, scanner = digits.images.copy(), np.arange(400) % 3
    >>> images[scanner == 2, :, :4] //= 2  # scanner 2 draws the upper half pale
    >>> kept = (scanner < 2) | (digits.labels > 1)
    >>> holed = LabelledImages(images[kept], digits.labels[kept], groups=scanner[kept])
    >>> quick = {"rounds": 3, "starts": 1, "training": ClassifierConfig(steps=5)}
    >>> choice = choose_cells(AdditiveTransfer(), holed, ratios=[1], **quick, random_state=0)
    >>> len(choice.withheld), sorted(choice.per_cell | choice.left_out)
    (9, [(0, 2), (1, 2)])
    """
    dtype = getattr(getattr(gan, "sample_spec_", None), "dtype", None)
    data = images_like(images, dtype=dtype, train=True)
    if data.groups is None:
        raise ValueError(
            "images must have groups, got none; read them with ganaug.labelled_images(..., groups=...), or use "
            "choose_ratio"
        )
    for name, value, least in (("starts", starts, 1), ("rounds", rounds, FEWEST_ROUNDS)):
        if not isinstance(value, Integral) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    make_gan = gan_factory(gan)
    seed = seed_from(random_state)
    offered = [each.ratio for each in candidates(ratios, [()])]
    cells = Cells(data.labels, data.groups)
    parts = cells.rounds(int(rounds), seed)
    gate = _CellGate(
        data, cells, offered, network_maker(classifier), transform, training, int(starts), resolve_device(device)
    )
    refused = refusal(cells, parts, offered, FEWEST)
    if refused is not None:
        return cell_decision(cells, (), (), offered, refused=refused)
    hits = [gate.hits(make_gan(), part, seed=(seed + n) % 2**32) for n, part in enumerate(parts)]
    return cell_decision(cells, parts, hits, offered, overlap=False)


@dataclass(frozen=True)
class _CellGate:
    """What all rounds have in common."""

    data: LabelledImages
    cells: Cells
    ratios: list[float]
    make_network: Callable[[tuple[int, int, int], int], nn.Module]
    transform: Callable[[Tensor], Tensor] | None
    training: ClassifierConfig
    starts: int
    device: torch.device

    def hits(self, gan: Any, part: Round, *, seed: int) -> NDArray[np.float64]:
        """How often each validation image is recognised: shape (n_test, n_candidates), in [0, 1]."""
        if not takes(gan.sample, "groups"):
            raise TypeError(
                f"gan must draw groups, which a {type(gan).__name__} cannot; pass one such as ImageGAN or "
                "AdditiveTransfer"
            )
        real = self.data.subset(part.train)
        with ignore_classes_in_one_group():
            gan = seeded(gan, seed).fit(real)
        if not has_groups(gan):
            raise TypeError(
                f"gan must learn groups, got a {type(gan).__name__} without groups_ after fit; pass another"
            )
        empty, level = self.cells.empty_among(part.train), self.cells.level(part.train)
        drawn = self._drawn(gan, empty, max(1, round(max(self.ratios) * level)), seed)
        columns, scale = [], PixelRange.of(real.images)
        for number, ratio in enumerate(self.ratios):
            synthetic = drawn[:, : max(1, round(ratio * level))] if ratio else drawn[:0]
            shown = self._shown(part.train, empty, synthetic, ratio)
            right = [
                predict_proba(self._train(shown, scale, (seed, number, start)), self.data.images[part.test]).argmax(1)
                == self.cells.class_of[part.test]
                for start in range(self.starts)
            ]
            columns.append(np.mean(right, axis=0))
        return np.stack(columns, axis=1)

    def _drawn(self, gan: Any, empty: list[tuple[int, int]], n: int, seed: int) -> NDArray[Any]:
        """Synthetic images of the empty cells: shape (n_cells, n, ...)."""
        asked = np.repeat(np.array(empty), n, axis=0)
        classes = class_indices(gan, self.cells.classes[asked[:, 0]])
        groups = group_indices(gan, self.cells.groups[asked[:, 1]])
        images = draw_images(gan, classes, groups, random_state=np.random.default_rng(seed)).numpy()
        return images.reshape(len(empty), n, *images.shape[1:])

    def _shown(
        self, train: NDArray[np.int64], empty: list[tuple[int, int]], synthetic: NDArray[Any], ratio: float
    ) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64]]:
        """Images, classes and weights that a classifier is trained with."""
        images, targets = self.data.images[train], self.cells.class_of[train]
        weights = 1 / self.cells.counts(train)[targets, self.cells.group_of[train]]
        if len(synthetic):
            n = synthetic.shape[1]
            images = np.concatenate([images, synthetic.reshape(-1, *images.shape[1:])])
            targets = np.concatenate([targets, np.repeat([c for c, _ in empty], n)])
            weights = np.concatenate([weights, np.full(len(empty) * n, ratio / n)])
        # That a class lacks cells makes it no rarer: to show it as often as others takes no synthetic image.
        return images, targets, weights / np.bincount(targets, weights)[targets]

    def _train(
        self,
        shown: tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64]],
        scale: PixelRange,
        place: tuple[int, ...],
    ) -> nn.Module:
        images, targets, weights = map(torch.from_numpy, shown)
        generator = random_generator(place[0], f"cell gate {place}")

        def draw(batch_size: int) -> tuple[Tensor, Tensor]:
            chosen = torch.multinomial(weights, batch_size, replacement=True, generator=generator)
            batch = scale.unit(images[chosen])
            if self.transform is not None:
                batch = torch.stack([self.transform(image) for image in batch])
            return batch, targets[chosen]

        # Transforms, and layers such as dropout, draw from the global states.
        with global_states_seeded(random_generator(place[0], f"transform {place}").initial_seed(), self.device):
            return train_classifier(
                draw,
                self.data.image_shape,
                len(self.cells.classes),
                self.training,
                generator,
                make_network=self.make_network,
                pixel_range=scale,
                device=self.device,
            )
