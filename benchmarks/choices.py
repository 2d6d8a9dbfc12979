"""What two choices in the training of an ImageGAN change: bfloat16, and the best moving average in place of the last.

    python benchmarks/choices.py [--case digits:30] [--case mnist5k:50] [--seeds 6] [-o FILE.md]

On one thread. Each case is a data set and a number of training images a class; the others judge. For each seed, which
also draws the training images, the preset "tiny" is trained with each choice. Kept are the processor time, the class
consistency of 200 samples a class (as a classifier of the judging images sees them) and CAS, the accuracy of a
classifier of these samples on the judging images; means over seeds, and differences to the first choice with their
standard errors.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ganaug import ImageGAN, LabelledImages, RunOptions, labelled_images
from ganaug.classifiers.batches import batch_drawer
from ganaug.classifiers.image_classifier import ClassifierConfig, class_consistency, train_classifier
from ganaug.data.files import write_atomically
from ganaug.metrics import classification_accuracy_score

CHOICES: dict[str, dict[str, Any]] = {
    "fp32": {"run": RunOptions(precision="fp32")},
    "bf16": {"run": RunOptions(precision="bf16")},
    "fp32, the best average by a fifth held out": {"run": RunOptions(precision="fp32", validation_fraction=0.2)},
}
PER_CLASS = 200


def judging(data: LabelledImages, seed: int) -> nn.Module:
    """A classifier of these images."""
    randomness = torch.Generator().manual_seed(seed)
    batches = batch_drawer((data.images, np.searchsorted(data.classes, data.labels)), randomness)
    return train_classifier(batches, data.image_shape, len(data.classes), ClassifierConfig(), randomness)


def seconds_of(function: Callable[..., Any], *args: Any, **options: Any) -> float:
    """Seconds of the processor that a call takes."""
    started = time.process_time()
    function(*args, **options)
    return time.process_time() - started


def measured(gan: Any, train: LabelledImages, judges: LabelledImages, judge: nn.Module, seed: int) -> list[float]:
    """Seconds to fit a generator, class consistency and CAS in percent."""
    seconds = seconds_of(gan.fit, train)
    labels = np.repeat(gan.classes_, PER_CLASS)
    images = gan.sample(labels, random_state=seed).numpy()
    positions = gan.class_indices(labels)
    consistent = class_consistency(judge, images, positions, len(gan.classes_))
    cas = classification_accuracy_score(images, labels, judges.images, judges.labels, random_state=seed, device="cpu")
    return [seconds, 100 * float(np.mean(consistent)), 100 * float(np.mean(cas))]


def split(data: LabelledImages, n: int, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """So many images of each class, and the others."""
    order = np.random.default_rng(seed).permutation(len(data))
    taken = np.concatenate([order[data.labels[order] == label][:n] for label in data.classes])
    return data.subset(taken), data.subset(np.setdiff1d(order, taken))


def table(case: str, seeds: int) -> list[str]:
    name, n = case.split(":")
    data = labelled_images(name)
    found: list[list[list[float]]] = []
    for seed in range(seeds):
        train, judges = split(data, int(n), seed)
        judge = judging(judges, seed)
        gans = [
            ImageGAN(preset="tiny", device="cpu", random_state=seed, verbose=False, **choice)
            for choice in CHOICES.values()
        ]
        found.append([measured(gan, train, judges, judge, seed) for gan in gans])
        print(case, seed, *(f"{s:.0f} s {k:.2f} {c:.2f}" for s, k, c in found[-1]), sep="; ", flush=True)
    values: NDArray[np.float64] = np.array(found)
    lines = [f"{name}, {n} images a class, {seeds} seeds:", "", "| choice | time | class consistency | CAS |"]
    lines.append("|---|---|---|---|")
    for i, choice in enumerate(CHOICES):
        cells = [f"{np.mean(values[:, i, 0] / values[:, 0, 0]):.2f}"]
        for figure in (1, 2):
            difference = values[:, i, figure] - values[:, 0, figure]
            error = difference.std(ddof=1) / np.sqrt(seeds)
            against = f" ({difference.mean():+.2f} ± {error:.2f})" if i else ""
            cells.append(f"{values[:, i, figure].mean():.2f}{against}")
        lines.append(f"| {choice} | {' | '.join(cells)} |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", metavar="DATASET:N", help="default: digits:30, mnist5k:50")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        f"Choices in the training of ImageGAN (tiny; {platform.machine()}, 1 thread, torch {torch.__version__}), by",
        "`python benchmarks/choices.py`. Time is a multiple of the first choice's; the rest is in percent, with",
        "differences to the first choice and their standard errors.",
        "",
    ]
    for case in arguments.case or ["digits:30", "mnist5k:50"]:
        lines += table(case, arguments.seeds)
    text = "\n".join(lines)
    print(text)
    if arguments.output:
        write_atomically(arguments.output, text)


if __name__ == "__main__":
    main()
