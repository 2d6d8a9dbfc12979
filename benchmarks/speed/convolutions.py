"""What ganaug's convolutions gain in training ImageGAN on a CPU, in one run.

    python benchmarks/speed/convolutions.py [--case digits:tiny] [-o FILE.md]

Steps with torch's convolutions and with ganaug's are taken turn by turn on one thread, and timed by the processor's
time. "plain" and "penalised" are milliseconds of one step of each kind, the least of all rounds; "images/s" is of the
preset's mixture of both, without augmentation and drawing. "started" counts the convolutions of a penalised step, those
that are gradients of others apart. Beside torch's convolutions, too, the discriminator's `pool` is a product and a sum,
which it has not always been.
"""

from __future__ import annotations

import argparse
import copy
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from training import markdown

from ganaug import ImageGAN, labelled_images
from ganaug.data.files import write_atomically
from ganaug.engine.config import PRECISIONS
from ganaug.engine.layers import Conv2d, initialise
from ganaug.generators.images.networks import build_networks
from ganaug.objectives.adversarial.objective import AdversarialObjective
from ganaug.objectives.adversarial.step import AdversarialNetworks, adversarial_step


class _Convolutions(TorchDispatchMode):
    started = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.started += func is torch.ops.aten.convolution.default
        return func(*args, **(kwargs or {}))


def with_convolutions_of_torch(network: nn.Module) -> nn.Module:
    """A copy of a network whose convolutions are torch's."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, Conv2d):
            module.__class__ = nn.Conv2d
    return network


def measure(dataset: str, preset: str, precision: str, most: int, rounds: int) -> list[dict[str, str]]:
    """One row for each of the two ways."""
    data = labelled_images(dataset)
    config = ImageGAN(preset=preset, device="cpu").resolve(data)
    randomness, batch = torch.Generator().manual_seed(0), min(most, config.training.batch_size)
    networks = build_networks(config.architecture)
    for network in networks:
        initialise(network, randomness)
    real = torch.from_numpy(data.images[:batch]).float() / 127.5 - 1
    labels = torch.arange(len(real)) % config.architecture.n_classes
    latents = torch.randn(len(real), config.objective.latent_dim, generator=randomness)

    def trained(pair: Sequence[nn.Module]) -> Callable[[bool], Tensor]:
        optimizers = AdversarialObjective(*pair, config.objective, None).optimizers.values()
        both, dtype = AdversarialNetworks(*pair, *optimizers), PRECISIONS[precision]
        return lambda penalised: adversarial_step(
            both, real, labels, latents, lambda x: x, 1.0 if penalised else None, None, dtype
        )

    torchs, own = trained([with_convolutions_of_torch(network) for network in networks]), trained(networks)
    ways = {"torch's": torchs, "ganaug's": own}
    seconds: dict[tuple[str, bool], list[float]] = {}
    for _ in range(rounds):
        for name, step in ways.items():
            step(True)  # warms up
            for penalised in (False, True):
                started = time.process_time()
                step(penalised)
                seconds.setdefault((name, penalised), []).append(time.process_time() - started)
    rows: list[dict[str, str]] = []
    every, rates = config.objective.penalty_every, {}
    for name, step in ways.items():
        plain, penalised = (min(seconds[name, kind]) for kind in (False, True))
        with _Convolutions() as convolutions:
            step(True)
        rates[name] = len(real) * every / (penalised + (every - 1) * plain)
        rows.append(
            {
                "case": f"{Path(dataset).name}, {preset}, {precision}",
                "batch": str(len(real)),
                "convolutions": name,
                "plain": f"{1000 * plain:,.0f}",
                "penalised": f"{1000 * penalised:,.0f}",
                "images/s": f"{rates[name]:,.0f}",
                "times torch's": f"{rates[name] / next(iter(rates.values())):.2f}",
                "started": str(convolutions.started),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--case", action="append", metavar="DATASET:PRESET", help="default: mnist5k:tiny, mnist5k:small"
    )
    parser.add_argument("--batch", type=int, default=32, help="images at most, of a preset's batch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pairs = [case.split(":") for case in arguments.case or ["mnist5k:tiny", "mnist5k:small"]]
    rows: list[dict[str, str]] = []
    for dataset, preset in pairs:
        for precision in PRECISIONS:
            rows += measure(dataset, preset, precision, arguments.batch, arguments.rounds)
            print(*rows[-2:], sep="\n", flush=True)
    text = "\n".join(
        [
            f"Training steps of ImageGAN on one thread of a CPU ({platform.machine()}, torch {torch.__version__}), by",
            "`python benchmarks/speed/convolutions.py`. Milliseconds of the processor's time.",
            "",
            *markdown(rows),
            "",
        ]
    )
    print(text)
    if arguments.output:
        write_atomically(arguments.output, text)


if __name__ == "__main__":
    main()
