"""A report on synthetic images."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ganaug.classifiers.features import DataExtractor, data_extractor, extractor_name, features, resolve_extractor
from ganaug.classifiers.image_classifier import (
    ClassifierConfig,
    ImageClassifier,
    class_consistency,
    classification_accuracy_score,
)
from ganaug.data import LabelledImages
from ganaug.data.fingerprints import array_keys, check_holdout
from ganaug.data.host_states import plain_states
from ganaug.data.images.like import images_like
from ganaug.data.kinds import KINDS
from ganaug.data.labels import shared_classes
from ganaug.engine.devices import resolve_device, seed_from
from ganaug.metrics._prdc import prdc
from ganaug.metrics.distances import frechet_distance, inception_score, kernel_distance
from ganaug.metrics.group_consistency import Grouped, group_consistency, group_positions, with_figures
from ganaug.metrics.matching import check_synthetic_labels, matched_samples
from ganaug.metrics.report import Figures, QualityReport

__all__ = ["image_report"]


@plain_states()
def image_report(
    real: Any,
    synthetic: Any,
    labels: Any = None,
    *,
    holdout: Any = None,
    extractor: str | nn.Module = "data",
    k: int = 5,
    classifier: ClassifierConfig | None = None,
    random_state: Any = 0,
    device: str | torch.device = "auto",
) -> QualityReport:
    """Measure how near synthetic images are to real ones, overall and per class.

    Parameters
    ----------
    real : LabelledImages, (images, labels) or another source
        What the GAN was trained on; anything that :func:`ganaug.labelled_images` reads, arrays as a pair with labels.
        Images without a label (-1) are left out, here and in `holdout`. Images of float32 are compared by their values
        as they are. Where these and `synthetic` have groups, so has the report.
    synthetic : the same, or array beside `labels`
        Such as ``gan.sample(labels)``.
    labels : array-like of shape (n,), optional
        Classes that `synthetic` was sampled for.
    holdout : as `real`, optional
        Real images that the GAN has not seen, split off at random. With them, synthetic images are compared with the
        holdout instead, and so are the training images, which shows about what perfect samples would score; the
        extractor "data" knows the training images, to which they owe slightly worse distances. Without, a GAN that
        returns its training images scores best.
    extractor : {"data", "efficientnet-lite0", "inception"} or Module, default="data"
        What describes images: a small classifier trained on `real`, or as for :func:`features`. It is part of the
        figures' names.
    k : int, default=5
        Neighbours for precision, recall, density and coverage. Each class needs k + 1 images on each side.
    classifier : ClassifierConfig, optional
        Training of the classifiers, and of the extractor "data".
    random_state : int, RandomState, Generator or None, default=0
        Source of all randomness; the global states are neither read nor changed.
    device : str or device, default="auto"

    Returns
    -------
    QualityReport
        Overall and per class:

        * FID, KID, precision, recall, density, coverage: of as many images of each class on both sides. "intra-class
          FID" is the mean over classes.
        * IS: Inception Score of the extractor's logits, or of those of "data" where it has none, in one split.
        * consistency: share of the images of a class that a classifier trained on `real` assigns to it.
        * CAS: accuracy on real images of a classifier trained on the synthetic ones only.

        With groups ``table("groups")`` and ``table("cells")`` hold the distances of each that has enough images, and
        how often its images are recognised as the group and the class that they were asked for
        (:class:`ganaug.metrics.GroupConsistency`); the remarks name groups that the generator ignores.

    Raises
    ------
    ValueError, TypeError
        For classes that are missing on one side or too small, images of different shapes, a holdout that shares images
        with the training or the synthetic ones, and as :func:`ganaug.labelled_images` and :func:`features`.
    ImportError
        If the package of a named extractor is not installed.

    See Also
    --------
    frechet_distance, kernel_distance, inception_score, prdc, class_consistency, classification_accuracy_score :
        The single figures and their sources.

    Examples
    --------
    >>> from ganaug import labelled_images
    >>> digits = labelled_images("digits")
    >>> mixed = np.random.default_rng(0).permutation(len(digits))  # they come writer by writer
    >>> real, holdout, other = (digits.subset(part) for part in np.split(mixed, [200, 400, 600])[:3])
    >>> quick = ClassifierConfig(steps=30)
    >>> report = image_report(real, other, holdout=holdout, classifier=quick, device="cpu")
    >>> report.table().index.tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    >>> report.basis["extractor"], 0.5 < report.overall["consistency"] <= 1
    ('data', True)
    """
    sets = _read_sets(real, synthetic, labels, holdout)
    by_name = {name: data.labels for name, data in sets.items()}
    classes = shared_classes(by_name)
    grouping = _grouping(sets)
    classifier = classifier or ClassifierConfig()
    seed = seed_from(random_state)
    if not isinstance(k, Integral) or k < 1:
        raise ValueError(f"k must be a whole number of at least 1, got {k!r}")
    randomness = np.random.default_rng(seed)
    chosen = matched_samples(by_name, classes, at_least=k + 1, reason=f"k={k}", randomness=randomness)
    given = None if isinstance(extractor, str) and extractor == "data" else extractor
    network = (
        None
        if given is None
        else resolve_extractor(given, sets["real"].image_shape[0], dtype=str(sets["real"].images.dtype))
    )
    training, reference = sets["real"], sets.get("held-out", sets["real"])
    scoring = data_extractor(training.images, training.labels, config=classifier, random_state=seed, device=device)
    measure = _Measure(
        scoring if network is None else network, scoring, reference, classes, k, classifier, seed, device
    )
    matched = {
        name: data.subset(np.concatenate(parts)) for (name, data), parts in zip(sets.items(), chosen, strict=True)
    }
    against = matched.get("held-out", matched["real"])
    drawn = sets["synthetic"]
    figures = measure.figures(
        against, matched["synthetic"], scored=matched["synthetic"], classified=drawn, trained_on=drawn
    )
    of_real = None
    if holdout is not None:
        # The classifier knows the training images, so it classifies held-out ones in their place.
        of_real = measure.figures(against, matched["real"], scored=against, classified=reference, trained_on=training)
    remarks: list[str] = []
    if grouping is not None:
        grouped, remarks = _by_group(sets, measure, grouping, randomness)
        figures = replace(figures, groups=grouped["groups"], cells=grouped["cells"])
    basis = {
        "kind": "images",
        "compared with": "training" if holdout is None else "held-out",
        "extractor": measure.name,
        "weights": "" if network is None else _fingerprint(network),
        "training data": training.fingerprint(),
        "reference": reference.fingerprint(),
        "samples": len(against),
        "k": k,
        "classifier": asdict(classifier),
        "seed": seed,
    }
    return QualityReport(basis, figures, of_real, tuple(remarks))


def _grouping(sets: dict[str, LabelledImages]) -> tuple[NDArray[Any], dict[str, NDArray[np.int64]]] | None:
    """Groups, and their positions on each side that has them; None where the synthetic images have none."""
    if sets["synthetic"].groups is None:
        return None
    if sets["real"].groups is None:
        raise ValueError(
            "synthetic has groups and real has none; read the real images with groups=, or leave them out of synthetic"
        )
    return group_positions({name: data.groups for name, data in sets.items() if data.groups is not None})


def _by_group(
    sets: dict[str, LabelledImages],
    measure: _Measure,
    grouping: tuple[NDArray[Any], dict[str, NDArray[np.int64]]],
    randomness: np.random.Generator,
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Figures of groups and cells, and remarks."""
    groups, positions = grouping
    sides = {
        name: Grouped(sets[name].images, np.searchsorted(measure.classes, sets[name].labels), own)
        for name, own in positions.items()
    }

    def classify(
        inputs: NDArray[Any], labels: NDArray[np.integer], asked: NDArray[Any], n_classes: int
    ) -> NDArray[np.floating]:
        model = ImageClassifier(n_classes, measure.seed, measure.classifier, resolve_device(measure.device))
        return model.fit(inputs, labels).predict_proba(asked)

    classes, other = measure.classes, sides.get("held-out")
    found = group_consistency(
        sides["real"],
        sides["synthetic"],
        classes.tolist(),
        groups.tolist(),
        classify,
        holdout=other,
        randomness=randomness,
    )
    if "held-out" in sets and other is None:  # whose groups nobody knows
        return {"groups": found.groups, "cells": found.cells}, found.remarks
    compared = (other or sides["real"], sides["synthetic"])
    far, near = (features(side.inputs, measure.network, device=measure.device) for side in compared)

    def compare(first: NDArray[np.int64], second: NDArray[np.int64]) -> dict[str, float]:
        return measure.distances(far[first], near[second])

    return with_figures(found, *compared, classes, groups, compare, measure.k + 1, randomness), found.remarks


@dataclass(frozen=True)
class _Measure:
    """What sets of images are measured with."""

    network: nn.Module
    scoring: DataExtractor
    reference: LabelledImages
    classes: NDArray[Any]
    k: int
    classifier: ClassifierConfig
    seed: int
    device: str | torch.device

    @property
    def name(self) -> str:
        return extractor_name(self.network)

    def figures(
        self,
        against: LabelledImages,
        images: LabelledImages,
        *,
        scored: LabelledImages,
        classified: LabelledImages,
        trained_on: LabelledImages,
    ) -> Figures:
        """Compare two sets with as many images of each class; one of them is `scored` for its Inception Score."""
        far, near = (features(data.images, self.network, device=self.device) for data in (against, images))
        per_class: list[dict[str, Any]] = []
        for label in self.classes.tolist():
            own = images.labels == label
            per_class.append({"class": label, "n": int(own.sum()), **self.distances(far[own], near[own])})
        overall = self.distances(far, near)
        overall[f"intra-class FID ({self.name})"] = float(np.mean([row[f"FID ({self.name})"] for row in per_class]))
        overall |= self._inception_score(scored, near if scored is images else far)
        for figure, values in (("consistency", self._consistency(classified)), ("CAS", self._cas(trained_on))):
            overall[figure] = float(values.mean())
            for row, value in zip(per_class, values.tolist(), strict=True):
                row[figure] = value
        return Figures(overall, per_class, [])

    def distances(self, far: NDArray[np.float32], near: NDArray[np.float32]) -> dict[str, float]:
        """Figures that compare features of two sets."""
        found = {"FID": frechet_distance(far, near), "KID": kernel_distance(far, near, random_state=self.seed)}
        return {f"{figure} ({self.name})": value for figure, value in (found | prdc(far, near, k=self.k)).items()}

    @torch.no_grad()
    def _inception_score(self, images: LabelledImages, described: NDArray[np.float32]) -> dict[str, float]:
        scorer: Any = self.network if hasattr(self.network, "logits") else self.scoring
        if scorer is not self.network:
            described = features(images.images, scorer, device=self.device)
        logits = scorer.logits(torch.from_numpy(described).to(resolve_device(self.device))).cpu().numpy()
        return {f"IS ({extractor_name(scorer)})": inception_score(logits, splits=1, random_state=self.seed)}

    def _consistency(self, images: LabelledImages) -> NDArray[np.float64]:
        positions = np.searchsorted(self.classes, images.labels)
        return class_consistency(self.scoring.classifier, images.images, positions, len(self.classes))

    def _cas(self, images: LabelledImages) -> NDArray[np.float64]:
        return classification_accuracy_score(
            images.images,
            images.labels,
            self.reference.images,
            self.reference.labels,
            config=self.classifier,
            random_state=self.seed,
            device=self.device,
        )


def _read_sets(real: Any, synthetic: Any, labels: Any, holdout: Any) -> dict[str, LabelledImages]:
    sets = {"real": _read(real)}
    shape, dtype = sets["real"].image_shape, str(sets["real"].images.dtype)
    sets["synthetic"] = _read(synthetic, labels, dtype)
    if holdout is not None:
        sets["held-out"] = _read(holdout, dtype=dtype)
    for name, data in sets.items():
        if data.images.dtype != dtype:
            raise ValueError(
                f"{name} images must be {dtype}, as the real ones, got {data.images.dtype}; read both with one dtype"
            )
        if data.image_shape != shape:
            raise ValueError(
                f"{name} images must have the shape of the real ones, {shape}, got {data.image_shape}; "
                "resize or convert them"
            )
    check_synthetic_labels(sets["synthetic"].has_label)
    if holdout is not None:
        keys = array_keys(*(sets[name].images for name in ("synthetic", "real", "held-out")))
        check_holdout(*keys, kind=KINDS["images"])
    real = sets["real"].labelled()
    return {name: data.labelled().relabelled(real.classes, real.class_names) for name, data in sets.items()}


def _read(source: Any, labels: Any = None, dtype: str | None = None) -> LabelledImages:
    if labels is None and isinstance(source, tuple) and len(source) == 2:
        source, labels = source
    return images_like(source, labels, dtype=dtype)


def _fingerprint(network: nn.Module) -> str:
    """SHA-256 over the weights of a network and how it is built."""
    digest = hashlib.sha256(repr(network).encode())
    for name, weight in network.state_dict().items():
        digest.update(name.encode() + weight.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
