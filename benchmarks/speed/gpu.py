"""How fast ImageGAN trains and draws on a GPU.

    python benchmarks/speed/gpu.py --cifar10 train.parquet

Measures what ``training.py`` does for digits, MNIST and, where its file is given, CIFAR-10; draws images with
generators of these sizes, to memory and into a pool on disk; and trains on the last of the data from nothing for so
many seconds, again and again, to say what FID, CAS and consistency (of :func:`ganaug.metrics.image_report`, beside
those of real images) come to in that time. Kept in ``benchmarks/results/speed-gpu-NAME.md``. It has not been run on a
GPU yet; on a CPU it has, at ``--small --draw 2000 --budgets 10,20``.
"""

from __future__ import annotations

import argparse
import platform
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from training import markdown, measure, synchronise

from ganaug import ImageGAN, SyntheticPool, labelled_images
from ganaug.data.files import write_atomically
from ganaug.engine.config import PRECISIONS
from ganaug.engine.devices import resolve_device
from ganaug.metrics import image_report

RESULTS = Path(__file__).parents[1] / "results"


def drawing(dataset: str, preset: str, device: torch.device, n: int) -> dict[str, str]:
    """Images a second of a generator that was hardly trained."""
    gan = ImageGAN(preset=preset, steps=2, device=str(device), random_state=0, verbose=False)
    gan.fit(labelled_images(dataset))
    labels = np.resize(gan.classes_, n)
    per_class = n // len(gan.classes_)

    def rate(call: Callable[[], object]) -> str:
        synchronise(device)
        started = time.perf_counter()
        call()
        synchronise(device)
        return f"{n / (time.perf_counter() - started):,.0f}"

    gan.sample(labels[: n // 10], random_state=0)  # warms up
    memory = rate(lambda: gan.sample(labels, random_state=0))
    with tempfile.TemporaryDirectory() as folder:
        pool = rate(
            lambda: SyntheticPool.build(gan, Path(folder) / "pool", per_class=per_class, random_state=0).close()
        )
    return {
        "case": f"{Path(dataset).name}, {preset}",
        "drawn": f"{n:,}",
        "to memory, images/s": memory,
        "to a pool": pool,
    }


def curve(dataset: str, preset: str, device: torch.device, budgets: Sequence[float]) -> list[dict[str, str]]:
    """Quality after so many seconds of training: each a training of its own, whose schedules end with it."""
    data = labelled_images(dataset)
    _, first = np.unique(data.images.reshape(len(data), -1), axis=0, return_index=True)  # no image on both sides
    mixed = np.random.default_rng(0).permutation(first)
    train, held_out = (data.subset(part) for part in np.split(mixed, [len(mixed) * 4 // 5]))
    options = {"preset": preset, "device": str(device), "random_state": 0, "verbose": False}
    tried = ImageGAN(steps=200, **options).fit(train)
    rate = tried.history_[-1]["images_per_second"] / tried.config_.training.batch_size
    rows: list[dict[str, str]] = []
    for budget in budgets:
        started = time.perf_counter()
        gan = ImageGAN(steps=max(50, int(budget * rate)), **options).fit(train)
        seconds = time.perf_counter() - started
        labels = np.repeat(gan.classes_, max(1, len(train) // len(gan.classes_)))
        synthetic = gan.sample(labels, random_state=1)
        report = image_report(train, synthetic, labels, holdout=held_out, random_state=0, device=device)
        assert report.real is not None
        wanted = [name for name in report.overall if name.startswith("FID") or name in ("CAS", "consistency")]
        rows.append(
            {
                "trained for": f"{seconds:.0f} s",
                "steps": f"{gan.config_.training.steps:,}",
                **{name: f"{report.overall[name]:.3f}" for name in wanted},
                **{f"{name} of real images": f"{report.real.overall[name]:.3f}" for name in wanted},
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar10", help="labelled images of 32x32 that labelled_images reads")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--draw", type=int, default=200_000, help="images drawn by each generator")
    parser.add_argument("--budgets", default="20,40,80,160", help="seconds of training, for the curve of quality")
    parser.add_argument("--small", action="store_true", help="digits alone, at `tiny`: what a CPU has time for")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    device = resolve_device(arguments.device)
    pairs = [("digits", "tiny"), ("mnist5k", "small")]
    if arguments.small:
        pairs = pairs[:1]
    if arguments.cifar10:
        pairs += [(arguments.cifar10, "small"), (arguments.cifar10, "base")]
    budgets = [float(budget) for budget in arguments.budgets.split(",")]
    last = (arguments.cifar10, "small") if arguments.cifar10 else pairs[-1]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    file = arguments.output or RESULTS / f"speed-gpu-{re.sub('[^a-z0-9]+', '-', name.lower())}.md"
    lines = [
        f"Speed of ImageGAN on {name} (torch {torch.__version__}), by",
        "`python benchmarks/speed/gpu.py`. Training, as `benchmarks/speed/training.py` has it; drawing; quality",
        f"by time of training on {Path(last[0]).name}, {last[1]}, 4 of 5 images.",
        "",
    ]
    parts: list[Callable[[], list[dict[str, str]]]] = [
        lambda: [measure(*pair, precision, device) for pair in pairs for precision in PRECISIONS],
        lambda: [drawing(*pair, device, arguments.draw) for pair in pairs],
        lambda: curve(*last, device, budgets),
    ]
    for part in parts:  # each is kept at once: such machines are lent for minutes
        lines += [*markdown(part()), ""]
        write_atomically(file, "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
