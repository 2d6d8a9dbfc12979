"""Whether pairs of synthetic images that a classifier should see as the same make it better.

    pip install ".[bench]"
    python benchmarks/regulariser.py [--case digits:20] [--case mnist5k:20] [--splits 6] [-o FILE.md]

After Yamaguchi et al., "Regularizing Neural Networks with Meta-Learning Generative Models", NeurIPS 2023
(arXiv:2307.13899), without its search for noise vectors: synthetic images have no part in the classification loss. To
the cross entropy of real images, with random rotations, shifts and scales, a weight is added times 1 - cosine of the
last hidden layer for two images of a pair, each moved in the same way by itself:

* "real twice": a real image and the same again, the control;
* "synthetic twice": the same of a synthetic image;
* "synthetic, near": two synthetic images of a class from noise vectors that are near each other.

An `ImageGAN` is trained on the training images, and draws 200 pairs of each class. Splits, classifier and intervals are
those of `how_shown.py`. On one thread.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from how_shown import accuracy, moved, report
from many_classes import generator_named
from numpy.typing import NDArray
from torch import Tensor

from ganaug import LabelledImages
from ganaug.classifiers.image_classifier import ClassifierConfig
from ganaug.classifiers.networks import SmallCNN
from ganaug.engine.loop import cosine
from ganaug.generators.images.drawing import generate

BATCH, LEARNING_RATE = 64, 1e-3
PER_CLASS = 200
NEAR = 0.5  # what is added to a noise vector, in standard deviations of its own
WEIGHTS = (0.1, 1.0)

Pair = tuple[Tensor, Tensor]  # images, uint8 (n, channels, height, width), which belong together in turn


def near(model: object, n_classes: int, seed: int) -> Pair:
    """Synthetic images of all classes, and others from noise vectors that are near."""
    generator = torch.Generator().manual_seed(seed)
    network, scale = model.generator_, model.pixel_scale_  # type: ignore[attr-defined]
    positions = torch.arange(n_classes).repeat_interleave(PER_CLASS)
    noise, other = torch.randn(2, len(positions), network.arch.latent_dim, generator=generator)
    first, second = (
        generate(network, z, positions, scale=scale) for z in (noise, (noise + NEAR * other) / (1 + NEAR**2) ** 0.5)
    )
    return first, second


def trained(
    images: Tensor, targets: Tensor, n_classes: int, pairs: Pair | None, weight: float, steps: int, seed: int
) -> SmallCNN:
    """A classifier of real images, with what is added to its loss for pairs."""
    generator, of_pairs = (torch.Generator().manual_seed(each) for each in (seed, seed + 500))
    network = SmallCNN(tuple(images.shape[1:]), n_classes)  # type: ignore[arg-type]
    network.reset(generator)
    dtype = ClassifierConfig(precision="auto").dtype("cpu")
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def drawn(*pools: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
        chosen = torch.randint(len(pools[0]), (BATCH,), generator=generator)
        return (pool[chosen] for pool in pools)

    for step in range(steps):
        optimizer.param_groups[0]["lr"] = cosine(LEARNING_RATE, 0.0, step / steps)
        shown, labels = drawn(images, targets, generator=generator)
        batches = [moved(shown / 255, generator)]
        if pairs is not None:
            batches += [moved(part / 255, of_pairs) for part in drawn(*pairs, generator=of_pairs)]
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32, cache_enabled=False):
            features, *of_pair = network.describe(torch.cat(batches)).split(BATCH)
            logits = network.logits(features)
        loss = F.cross_entropy(logits.float(), labels)
        if pairs is not None:
            loss = loss + weight * (1 - F.cosine_similarity(*(part.float() for part in of_pair))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def measured(
    data: LabelledImages, train: NDArray[np.intp], test: NDArray[np.intp], args: argparse.Namespace, seed: int
) -> dict[str, float]:
    """Accuracy on the test images of a split, in percent, by what is added to the loss."""
    n_classes, targets = len(data.classes), np.searchsorted(data.classes, data.labels)
    model = generator_named(args.generator, random_state=seed, verbose=False).fit(data.subset(train))
    real, labels = torch.from_numpy(data.images[train]), torch.from_numpy(targets[train])
    first, second = near(model, n_classes, seed)
    ways: dict[str, tuple[Pair | None, float]] = {"nothing": (None, 0.0)}
    for weight in WEIGHTS:
        ways[f"real twice, {weight:g}"] = (real, real), weight
        ways[f"synthetic twice, {weight:g}"] = (first, first), weight
        ways[f"synthetic, near, {weight:g}"] = (first, second), weight
    found = {}
    for way, (pairs, weight) in ways.items():
        networks = [
            trained(real, labels, n_classes, pairs, weight, args.steps, 1000 * seed + i) for i in range(args.starts)
        ]
        found[way] = accuracy(networks, data.images[test], targets[test])
    return found


def heading(args: argparse.Namespace) -> list[str]:
    """What stands above the tables."""
    return [
        f"Pairs of images in the loss of a classifier ({platform.machine()}, 1 thread, torch {torch.__version__}), by",
        f"`python benchmarks/regulariser.py --generator {args.generator} --starts {args.starts}`. Accuracy in percent.",
        "",
    ]


if __name__ == "__main__":
    report(__doc__, "image-gan:1000", heading, measured)
