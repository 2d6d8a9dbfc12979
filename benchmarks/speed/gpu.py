"""How fast ImageGAN trains and draws on a GPU.

    python benchmarks/speed/gpu.py --cifar10 train.parquet

Measures what ``training.py`` does for digits, MNIST and, where its file is given, CIFAR-10; then draws images with
generators of these sizes, to memory and into a pool on disk. Kept in ``benchmarks/results/speed-gpu-NAME.md``. It has
not been run on a GPU yet; on a CPU its drawing has.
"""

from __future__ import annotations

import argparse
import platform
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from training import markdown, measure, synchronise

from ganaug import ImageGAN, SyntheticPool, labelled_images
from ganaug.data.files import write_atomically
from ganaug.training.config import PRECISIONS
from ganaug.training.devices import resolve_device

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar10", help="labelled images of 32x32 that labelled_images reads")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--draw", type=int, default=200_000, help="images drawn by each generator")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    device = resolve_device(arguments.device)
    pairs = [("digits", "tiny"), ("mnist5k", "small")]
    if arguments.cifar10:
        pairs += [(arguments.cifar10, "small"), (arguments.cifar10, "base")]
    trained = [measure(name, preset, precision, device) for name, preset in pairs for precision in PRECISIONS]
    drawn = [drawing(name, preset, device, arguments.draw) for name, preset in pairs]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    text = "\n".join(
        [
            f"Speed of ImageGAN on {name} (torch {torch.__version__}), by",
            "`python benchmarks/speed/gpu.py`. Training, as `benchmarks/speed/training.py` has it; then drawing.",
            "",
            *markdown(trained),
            "",
            *markdown(drawn),
            "",
        ]
    )
    print(text)
    file = f"speed-gpu-{re.sub('[^a-z0-9]+', '-', name.lower())}.md"
    write_atomically(arguments.output or RESULTS / file, text)


if __name__ == "__main__":
    main()
