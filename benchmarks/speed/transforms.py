"""What transforming a batch at once gains over torchvision's transforms of one image after another.

    python benchmarks/speed/transforms.py [--rounds 10] [-o FILE.md]

Both ways take turns on one thread, on batches of 64, and are timed by the processor's time: the median of all rounds,
alone, and in steps of "small-cnn" in bfloat16 that train on what they make.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from report import publish
from torch import Tensor
from torchvision.transforms import v2

from ganaug.bench.methods.arms import find_transform
from ganaug.classifiers.batches import transformed
from ganaug.classifiers.image_classifier import ClassifierConfig, train_classifier

SHAPES = {"28x28": (1, 28, 28), "32x32, colour": (3, 32, 32)}
BATCH = 64
N_CLASSES = 10


def of_torchvision(name: str, shape: tuple[int, int, int]) -> Callable[[Tensor], Tensor]:
    """The transform of that name by torchvision."""
    sides = [max(1, shape[2] // 8), max(1, shape[1] // 8)]
    return {
        "affine": v2.RandomAffine(15, (0.1, 0.1), (0.85, 1.15), interpolation=v2.InterpolationMode.BILINEAR),
        "crop": v2.RandomCrop(shape[1:], padding=sides),
        "flip": v2.RandomHorizontalFlip(),
        "crop+flip": v2.Compose([v2.RandomCrop(shape[1:], padding=sides), v2.RandomHorizontalFlip()]),
        "trivialaugment": v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR),
        "randaugment": v2.RandAugment(interpolation=v2.InterpolationMode.BILINEAR),
    }[name]


def alone(transform: Callable[[Tensor], Tensor], images: Tensor) -> float:
    """Seconds of the processor for a batch."""
    started = time.process_time()
    transformed(images, transform)
    return time.process_time() - started


def in_training(transform: Callable[[Tensor], Tensor], images: Tensor) -> float:
    """Seconds of the processor for a step of training."""
    seconds: list[float] = []
    started = 0.0

    def draw(_: int) -> tuple[Tensor, Tensor]:
        nonlocal started
        started = time.process_time()
        return transformed(images, transform), torch.arange(BATCH) % N_CLASSES

    config = ClassifierConfig(steps=6, precision="bf16")
    generator = torch.Generator().manual_seed(0)
    note = lambda *_: seconds.append(time.process_time() - started)  # noqa: E731
    train_classifier(draw, tuple(images.shape[1:]), N_CLASSES, config, generator, after_step=note)
    return statistics.median(seconds[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for size, shape in SHAPES.items():
        images = torch.rand(BATCH, *shape)
        for name in ("affine", "crop", "flip", "crop+flip", "trivialaugment", "randaugment"):
            ways = of_torchvision(name, shape), find_transform(name)
            for what, measure in (("alone", alone), ("in a step of training", in_training)):
                taken = [[measure(way, images) for way in ways] for _ in range(arguments.rounds)]
                before, after = (1000 * statistics.median(seconds) for seconds in zip(*taken, strict=True))
                rows.append([f"{size}, {name}, {what}", f"{before:.2f} and {after:.2f} ms", f"{before / after:.2f}"])
    title = "Transforms of 64 images on one thread of a CPU, image by image by torchvision and all at once"
    publish(title, "transforms.py", rows, arguments.output)


if __name__ == "__main__":
    main()
