"""What synthetic images cost a DataLoader, in ratios within one run.

    python benchmarks/speed/dataloader.py [-o FILE.md] [--images 1000000]

Cases, on one thread: SyntheticMix from a pool beside torchvision's CutMix, on the same batch of 256 uint8 images of
3x32x32; an epoch of a ResNet-18 with and without the pool, everything in one process; memory that a pool of a million
images adds to a worker that has drawn from all over it (the pool, 3 GB, is written to the temporary folder); and the
rate at which a pool is built, with the generator's share of it. Timings that are compared take turns.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import publish
from torchvision.models import resnet18
from torchvision.transforms import v2

from ganaug import ImageGAN, LabelledImages, SyntheticMix, SyntheticPool

BATCH = 256
CLASSES = 10


class Noise(ImageGAN):
    """Draws noise: what a pool costs beside its generator."""

    def sample(self, labels: Any, *, random_state: Any = None) -> torch.Tensor:
        """Random bytes."""
        drawn = np.random.default_rng(random_state).integers(256, size=(len(labels), 3, 32, 32), dtype=np.uint8)
        return torch.from_numpy(drawn)


def gan(kind: type[ImageGAN]) -> ImageGAN:
    pixels = np.random.default_rng(0).integers(256, size=(20 * CLASSES, 3, 32, 32), dtype=np.uint8)
    images = LabelledImages(pixels, np.arange(len(pixels)) % CLASSES)
    return kind(preset="tiny", steps=1, verbose=False, random_state=0).fit(images)


def seconds(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def in_turns(functions: list[Callable[[], Any]], rounds: int) -> list[list[float]]:
    """Seconds of each function in each round, after one that does not count."""
    taken = [[seconds(function) for function in functions] for _ in range(rounds + 1)][1:]
    return [list(of_one) for of_one in zip(*taken, strict=True)]


def median_ratio(first: list[float], second: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def epoch(mix: SyntheticMix | None, images: torch.Tensor, labels: torch.Tensor) -> None:
    network = resnet18(num_classes=CLASSES).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    for batch, of_batch in zip(images.split(64), labels.split(64), strict=True):
        inputs, targets = mix(batch, of_batch) if mix else (batch, of_batch)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs.float() / 255), targets).backward()
        optimizer.step()


def worker_memory(path: str) -> None:
    """Print the resident MiB of this process before and after 2,000 batches from all over a pool."""

    def resident() -> float:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    images = torch.zeros(BATCH, 3, 32, 32, dtype=torch.uint8)
    v2.CutMix(num_classes=CLASSES)(images, torch.zeros(BATCH, dtype=torch.long))
    before = resident()
    mix = SyntheticMix(SyntheticPool(path, verify=False), p=0.5)
    for _ in range(2000):
        mix(images, torch.randint(CLASSES, (BATCH,)))
    print(before, resident())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--images", type=int, default=1_000_000, help="in the large pool")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.worker:
        worker_memory(arguments.worker)
        return
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        noise = gan(Noise)
        written = seconds(
            lambda: SyntheticPool.build(noise, folder / "large", per_class=arguments.images // CLASSES, random_state=0)
        )
        large = SyntheticPool(folder / "large")
        images = torch.randint(256, (BATCH, 3, 32, 32), dtype=torch.uint8)
        labels = torch.randint(CLASSES, (BATCH,))
        mix, cutmix = SyntheticMix(large, p=0.3), v2.CutMix(num_classes=CLASSES)

        def often(transform: Any) -> Callable[[], None]:
            return lambda: [transform(images, labels) for _ in range(50)] and None

        ours, theirs = in_turns([often(mix), often(cutmix)], 20)
        rows.append(
            (
                f"SyntheticMix, batch of {BATCH} x 3x32x32 uint8, p = 0.3",
                f"{statistics.median(ours) / 50 * 1e3:.2f} ms",
                f"{median_ratio(ours, theirs):.2f} times CutMix",
            )
        )
        many, of_many = images.repeat(4, 1, 1, 1), labels.repeat(4)
        with_pool, without = in_turns([lambda: epoch(mix, many, of_many), lambda: epoch(None, many, of_many)], 11)
        rows.append(
            (
                f"ResNet-18, {len(many):,} images, with the pool",
                f"{statistics.median(with_pool):.1f} s",
                f"{median_ratio(with_pool, without):.3f} times without",
            )
        )
        command = [sys.executable, __file__, "--worker", str(folder / "large")]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        before, after = map(float, found)
        rows.append((f"memory of a worker, pool of {len(large):,} images", f"{after - before:.1f} MiB more", ""))
        rows.append(
            ("writing a pool without its generator", f"{len(large) / written:,.0f} images/s", "noise in its place")
        )
        real = gan(ImageGAN)
        n = 200 * CLASSES
        names = itertools.count()
        drawn, built = in_turns(
            [
                lambda: [real.sample(np.repeat(c, n // CLASSES), random_state=0) for c in range(CLASSES)],
                lambda: SyntheticPool.build(real, folder / f"{next(names)}", per_class=n // CLASSES, random_state=0),
            ],
            5,
        )
        rows.append(
            (
                "building a pool, preset tiny, 3x32x32, no filters",
                f"{n / statistics.median(built):,.0f} images/s",
                f"generator {100 * median_ratio(drawn, built):.0f} %",
            )
        )
    publish("Synthetic images in a DataLoader, one thread", "dataloader.py", rows, arguments.output)


if __name__ == "__main__":
    main()
