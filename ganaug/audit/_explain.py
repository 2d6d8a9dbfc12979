"""Explaining synthetic samples: what real samples they are near to, and what a classifier takes them for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganaug.audit.explanation import Explanation, Neighbour
from ganaug.audit.inputs import NO_LABEL, Side, check_sides, read_side, sampled
from ganaug.data.host_states import plain_states
from ganaug.engine.devices import resolve_device, seed_from
from ganaug.generators.contract import check_generator, class_name, scorer
from ganaug.metrics.modalities import Training, modality_for

__all__ = ["explain", "interpolation_sheet"]

DRAWN = 200  # samples of a class that one is ranked among by its score


@plain_states()
def explain(
    synthetic: Any,
    train: Any,
    *,
    labels: Any = None,
    train_labels: Any = None,
    groups: Any = None,
    train_groups: Any = None,
    gan: Any = None,
    anchors: Any = None,
    n_neighbors: int = 3,
    categorical_features: Any = "auto",
    classifier_steps: int = 400,
    device: str = "auto",
    random_state: Any = None,
) -> list[Explanation]:
    """Explain synthetic samples by the real ones.

    Parameters
    ----------
    synthetic : DataFrame, array or any source of labelled images
        The samples to explain, images or rows.
    train : DataFrame, array or any source of labelled images
        What the generator was trained on.
    labels, train_labels : array-like of shape (n,), optional
        Classes, beside rows and arrays; both or none, which puts all samples into one class.
    groups, train_groups : array-like of shape (n,), optional
        Groups, beside rows and arrays; labelled images may hold theirs. Samples and their neighbours then name them.
    gan : generator, optional
        What drew the samples, for their rank by its ``score_samples``.
    anchors : array-like of shape (n,), optional
        The training row that each row grew from, -1 for none: of :class:`ganaug.GANOverSampler`
        ``anchor_indices_[synthetic_mask_]``.
    n_neighbors : int, default=3
        Nearest real samples of its class that are named, and as many of other classes or without a label.
    categorical_features : "auto", None or array-like, default="auto"
        Columns of a table to take for names though they hold numbers.
    classifier_steps : int, default=400
        That the classifier of images is trained for. Rows are classified by a logistic regression.
    device : str, default="auto"
        Where images are compared and classified.
    random_state : int, RandomState, Generator or None, default=None

    Returns
    -------
    list of Explanation
        One for each sample, to be printed, or ``to_dict()``; :func:`ganaug.audit.explanation_sheet` draws those of
        images.

    Raises
    ------
    ValueError, TypeError
        For bad input, such as unknown classes, or columns or shapes that differ.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from ganaug import GANOverSampler, TableGAN
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> sampler = GANOverSampler(generator=TableGAN(steps=5), selection=False, random_state=0)
    >>> X_new, y_new = sampler.fit_resample(X, y)
    >>> new = sampler.synthetic_mask_
    >>> found = explain(
    ...     X_new[new],
    ...     X,
    ...     labels=y_new[new],
    ...     train_labels=y,
    ...     gan=sampler.generator_,
    ...     anchors=sampler.anchor_indices_[new],
    ... )
    >>> len(found) == int(new.sum()), found[-1].anchor.label == found[-1].label
    (True, True)
    """
    dtype = getattr(getattr(gan, "sample_spec_", None), "dtype", None)
    real = read_side(train, train_labels, "train", dtype=dtype, groups=train_groups)
    made = read_side(synthetic, labels, "synthetic", real, groups=groups)
    made, real = check_sides([made, real])
    classes = np.unique(real.names[real.names != NO_LABEL])
    unknown = sorted(set(made.names) - set(classes))
    if unknown:
        raise ValueError(f"synthetic holds class {unknown[0]!r}, which train does not; label it as train does")
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, got {n_neighbors}")
    grown = _anchors(anchors, len(made), real)
    seed, on = seed_from(random_state), resolve_device(device)
    asked = np.searchsorted(classes, made.names)
    known = np.where(real.names == NO_LABEL, -1, np.searchsorted(classes, real.names))
    modality = real.modality
    prepared = modality.prepare([real.items, made.items], categorical_features, on)
    inputs, training = prepared.inputs, Training(classifier_steps, on, seed)
    of_known = inputs[0] if (known >= 0).all() else inputs[0][known >= 0]
    probabilities = modality.probabilities(of_known, known[known >= 0], inputs[1], len(classes), training)
    measure = prepared.measure(mirrored=real.samples.mirrors and made.samples.mirrors)
    table = measure(prepared.values[1], prepared.values[0])
    moves = modality.differences(made.items, real.items)
    ranks = _ranks(gan, made, seed)
    found = []
    for i, name in enumerate(made.names):
        near = [_nearest(table[i], real, mask, n_neighbors) for mask in (known == asked[i], known != asked[i])]
        anchor = _neighbour(table[i], real, grown[i]) if grown[i] >= 0 else None
        origin = grown[i] if grown[i] >= 0 else near[0][0].index
        found.append(
            Explanation(
                kind=modality.kind.one,
                index=i,
                label=str(name),
                same_class=near[0],
                other_class=near[1],
                probabilities={str(c): float(p) for c, p in zip(classes, probabilities[i], strict=True)},
                discriminator_rank=None if ranks is None else float(ranks[i]),
                anchor=anchor,
                moves=moves(i, int(origin)),
                shown=_shown(made, real, i, near) if modality.makes_pictures else {},
                group=None if made.groups is None else str(made.groups[i]),
            )
        )
    return found


@plain_states()
def interpolation_sheet(gan: Any, labels: Any = None, *, steps: int = 8, random_state: Any = 0) -> Image.Image:
    """Draw a row per class: two synthetic images at the ends, and what lies between them.

    Parameters
    ----------
    gan : ImageGAN
        Fitted; or another generator of images with ``interpolate``.
    labels : array-like of shape (n,), optional
        Classes to draw; by default all.
    steps : int
        Images per row.
    random_state : int, RandomState, Generator or None

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    ValueError, TypeError
        For what is no fitted generator of images, or cannot interpolate.

    See Also
    --------
    ganaug.ImageGAN.interpolate : The images themselves.

    Examples
    --------
    >>> from ganaug import ImageGAN, labelled_images
    >>> from ganaug.audit import interpolation_sheet
    >>> digits = labelled_images("digits").subset(range(100))
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(digits)
    >>> interpolation_sheet(gan, [3, 8], steps=5, random_state=0).size
    (266, 122)
    """
    check_generator(gan, kind="images")
    if not hasattr(gan, "interpolate"):
        raise TypeError(f"gan must have interpolate, which a {type(gan).__name__} lacks; pass an ImageGAN")
    chosen = gan.classes_ if labels is None else np.asarray(labels)
    images = gan.interpolate(chosen, steps=steps, random_state=random_state).numpy()
    names = [class_name(gan, label) for label in chosen.tolist()]
    rows = list(zip(names, images, strict=True))
    return modality_for("images").sheet(rows, heading="from one synthetic image to another")


def _anchors(anchors: Any, n: int, real: Side) -> NDArray[np.int64]:
    if anchors is None:
        return np.full(n, -1, dtype=np.int64)
    found = np.asarray(anchors)
    if found.shape != (n,) or found.dtype.kind not in "iu":
        raise ValueError(f"anchors must be {n} integers, one for each sample, got {found.dtype} of shape {found.shape}")
    if n and not (found.min() >= -1 and found.max() < len(real)):
        raise ValueError(
            f"anchors must be rows of train, 0 to {len(real) - 1}, or -1 for none, got {found.min()} to {found.max()}"
        )
    return found.astype(np.int64)


def _ranks(gan: Any, made: Side, seed: int) -> NDArray[np.float64] | None:
    """Share of what is drawn for the same class that scores lower."""
    if gan is None:
        return None
    check_generator(gan, kind=made.modality.kind.name, reason="pass what drew the samples, or leave it out")
    score = scorer(gan, "the rank of samples among those of gan").score_samples
    by_name = {_plain(class_name(gan, label)): label for label in gan.classes_.tolist()}
    unknown = sorted(set(made.names) - set(by_name))
    if unknown:
        raise ValueError(f"gan does not know class {unknown[0]!r}; pass the one that drew the samples")
    ranks = np.empty(len(made))
    for name in np.unique(made.names):
        own = np.flatnonzero(made.names == name)
        labels = np.repeat(np.array([by_name[name]], dtype=gan.classes_.dtype), DRAWN)
        drawn = score(sampled(gan, labels, None, seed), labels)
        scores = score(made.items_at(own), labels[:1].repeat(len(own)))
        ranks[own] = np.searchsorted(np.sort(drawn), scores) / DRAWN
    return ranks


def _plain(name: str) -> str:
    return name.removesuffix(".0")  # whole numbers are called alike, whatever their type


def _nearest(distances: NDArray, real: Side, mask: NDArray[np.bool_], n: int) -> tuple[Neighbour, ...]:
    candidates = np.flatnonzero(mask)
    order = candidates[np.argsort(distances[candidates], kind="stable")[:n]]
    return tuple(_neighbour(distances, real, j) for j in order)


def _neighbour(distances: NDArray, real: Side, j: np.integer) -> Neighbour:
    group = None if real.groups is None else str(real.groups[j])
    return Neighbour(int(j), str(real.names[j]), float(distances[j]), group)


def _shown(made: Side, real: Side, i: int, near: list[tuple[Neighbour, ...]]) -> dict[str, Any]:
    same, other = (real.items_at(np.array([n.index for n in part], dtype=np.int64)) for part in near)
    return {"itself": made.items_at(np.array([i])), "same_class": same, "other_class": other}
