"""A training step of ImageGAN beside those of R3GAN and of StudioGAN's BigGAN, at equal parameters, on one thread.

    python benchmarks/speed/rivals.py [--preset tiny] [--batch 16] [-o FILE.md]

All train class-conditional networks on images of 3x32x32 pixels, of one batch size, in one run, turn by turn. The
rivals' networks (rival_networks.py) are as published but for their width, which is set so that both networks together
have as many parameters as ImageGAN's; their steps are as published, too:

* R3GAN: an update of the discriminator by the relativistic loss with R1 and R2 in every step, then one of the
  generator.
* BigGAN: five updates of the discriminator by the hinge loss, each with real images of its own, then one of the
  generator.
* ImageGAN: one pass for both networks, penalties every so many steps, counted as they come.
* "R3GAN's step": that of R3GAN, with torch's convolutions, for the networks of ImageGAN. It tells what comes of the
  step and what of the architecture.

"images/s" counts the real images that the discriminator is shown; "ms an update" is the time of one update of the
generator with all that goes before it. "by image" and "by update" say how many times as fast ganaug's is. Adam's
updates are part of a step; drawing, augmentation and moving averages are not. Operations are those that run, of
convolutions and matrix products. Time is the processor's.
"""

from __future__ import annotations

import argparse
import copy
import platform
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from rival_networks import BigGANDiscriminator, BigGANGenerator, R3GANDiscriminator, R3GANGenerator
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, shape_wrapper
from training import backward_operations, interleaved, markdown

from ganaug import ImageGAN
from ganaug.data.files import write_atomically
from ganaug.engine.config import PRECISIONS
from ganaug.engine.layers import initialise
from ganaug.generators.images.networks import build_networks
from ganaug.objectives.adversarial.losses import gradient_penalty, relativistic_losses
from ganaug.objectives.adversarial.objective import AdversarialObjective
from ganaug.objectives.adversarial.step import AdversarialNetworks, adversarial_step

SHAPE, CLASSES = (3, 32, 32), 10
R3GAN_GAMMA = 0.05
RATE = 2e-4
D_UPDATES = 5  # StudioGAN's for each of the generator
CPU = torch.device("cpu")


class Operations(TorchDispatchMode):
    """Counts those of convolutions and matrix products. torch's own counter fails where weights are normalised."""

    counts: ClassVar[dict[Any, Any]] = {
        **flop_registry,
        torch.ops.aten.convolution_backward: shape_wrapper(backward_operations),
    }
    counted = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in self.counts:
            self.counted += self.counts[func.overloadpacket](*args, **(kwargs or {}), out_val=result)
        return result


class Cycle(NamedTuple):
    """Steps after which a training begins anew, how many they are, and the batches of real images in them."""

    run: Callable[[int], None]
    networks: Sequence[nn.Module]
    updates: int
    batches: int


class Task(NamedTuple):
    """What all are trained on."""

    real: Tensor
    labels: Tensor
    dtype: torch.dtype

    def cast(self) -> Any:
        """Networks compute in what the task says within this context."""
        return torch.autocast("cpu", self.dtype, enabled=self.dtype is not torch.float32, cache_enabled=False)

    def latents(self, length: int) -> Tensor:
        """Noise for a batch."""
        return torch.randn(len(self.labels), length)


def size(*networks: nn.Module) -> int:
    """Parameters of networks."""
    return sum(weight.numel() for network in networks for weight in network.parameters())


def built(
    generator: Callable[[int], nn.Module], discriminator: Callable[[int], nn.Module], step: int, target: int
) -> tuple[nn.Module, nn.Module]:
    """Both networks at widths, multiples of `step` and at most one apart, with together `target` parameters."""
    widest = step
    while size(generator(widest), discriminator(widest)) < target:
        widest += step
    widths = [width for width in (widest - step, widest) if width]
    pairs = product([generator(width) for width in widths], [discriminator(width) for width in widths])
    pair = min(pairs, key=lambda networks: abs(size(*networks) - target))
    return pair[0].to(memory_format=torch.channels_last), pair[1].to(memory_format=torch.channels_last)


def update(network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Of one network by a loss; gradients of nothing else are taken."""
    weights = list(network.parameters())
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)
    optimizer.step()


def adam(network: nn.Module, betas: tuple[float, float]) -> torch.optim.Optimizer:
    """The same optimiser, in its fastest form, for all."""
    return torch.optim.Adam(network.parameters(), lr=RATE, betas=betas, fused=True)


def ganaug_cycle(pair: Sequence[nn.Module], config: Any, task: Task) -> Cycle:
    """As ImageGAN trains."""
    optimizers = AdversarialObjective(*pair, config, None).optimizers.values()
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = RATE
    both, every = AdversarialNetworks(*pair, *optimizers), config.penalty_every

    def run(_: int) -> None:
        for k in range(every):
            gamma, latents = None if k else config.gamma * every, task.latents(config.latent_dim)
            adversarial_step(both, task.real, task.labels, latents, lambda x: x, gamma, None, task.dtype)

    return Cycle(run, pair, every, every)


def r3gan_cycle(pair: Sequence[nn.Module], latent_dim: int, task: Task) -> Cycle:
    """As R3GAN trains."""
    generator, discriminator = pair
    g_optimizer, d_optimizer = (adam(network, (0.0, 0.99)) for network in pair)

    def drawn() -> Tensor:
        with task.cast():
            return generator(task.latents(latent_dim), task.labels).float()

    def scored(samples: Tensor) -> Tensor:
        with task.cast():
            return discriminator(samples, task.labels).float()

    def run(_: int) -> None:
        with torch.no_grad():
            fake = drawn()
        samples = task.real.clone().requires_grad_(), fake.requires_grad_()
        logits = [scored(part) for part in samples]
        penalties = [gradient_penalty(found, part)[0] for found, part in zip(logits, samples, strict=True)]
        d_loss, _g_loss = relativistic_losses(*logits)
        update(discriminator, d_optimizer, d_loss + R3GAN_GAMMA / 2 * sum(penalties))

        discriminator.requires_grad_(False)
        _d_loss, g_loss = relativistic_losses(scored(task.real), scored(drawn()))
        update(generator, g_optimizer, g_loss)
        discriminator.requires_grad_(True)

    return Cycle(run, pair, 1, 1)


def biggan_cycle(pair: Sequence[nn.Module], latent_dim: int, task: Task) -> Cycle:
    """As StudioGAN trains BigGAN."""
    generator, discriminator = pair
    g_optimizer, d_optimizer = (adam(network, (0.5, 0.999)) for network in pair)

    def drawn() -> Tensor:
        with task.cast():
            return generator(task.latents(latent_dim), task.labels).float()

    def scored(samples: Tensor) -> Tensor:
        with task.cast():
            return discriminator(samples, task.labels).float()

    def run(_: int) -> None:
        for _update in range(D_UPDATES):
            with torch.no_grad():
                fake = drawn()
            loss = F.relu(1 - scored(task.real)).mean() + F.relu(1 + scored(fake)).mean()
            update(discriminator, d_optimizer, loss)
        discriminator.requires_grad_(False)
        update(generator, g_optimizer, -scored(drawn()).mean())
        discriminator.requires_grad_(True)

    return Cycle(run, pair, 1, D_UPDATES)


def cycles(preset: str, task: Task) -> dict[str, Cycle]:
    """By name: those of ImageGAN and of its rivals at as many parameters."""
    gan = ImageGAN(preset=preset, device="cpu")
    config = gan.resolve(torch.zeros(2 * CLASSES, *SHAPE, dtype=torch.uint8), [*range(CLASSES)] * 2)
    own = build_networks(config.architecture)
    for network in own:
        initialise(network, torch.Generator().manual_seed(0))
    r3gan = built(R3GANGenerator, R3GANDiscriminator, 8, size(*own))
    biggan = built(BigGANGenerator, BigGANDiscriminator, 1, size(*own))
    return {
        "ganaug": ganaug_cycle(own, config.objective, task),
        "R3GAN's step": r3gan_cycle(copy.deepcopy(own), config.objective.latent_dim, task),
        "R3GAN": r3gan_cycle(r3gan, R3GANGenerator.latent_dim, task),
        "StudioGAN's BigGAN": biggan_cycle(biggan, BigGANGenerator.latent_dim, task),
    }


def measure(preset: str, precision: str, batch: int, rounds: int) -> list[dict[str, str]]:
    """One row for each training."""
    task = Task(torch.rand(batch, *SHAPE) * 2 - 1, torch.arange(batch) % CLASSES, PRECISIONS[precision])
    trained = cycles(preset, task)
    seconds = interleaved({name: cycle.run for name, cycle in trained.items()}, CPU, rounds=rounds, steps=1)
    own, rows = trained["ganaug"], []
    for name, cycle in trained.items():
        with Operations() as operations:
            cycle.run(0)
        images, updates = (seconds[name] / parts for parts in (batch * cycle.batches, cycle.updates))
        rows.append(
            {
                "case": f"{preset}, {precision}",
                "training": name,
                "parameters": f"{size(*cycle.networks):,}",
                "GFLOP an image": f"{operations.counted / 1e9 / batch / cycle.batches:.2f}",
                "images/s": f"{1 / images:,.1f}",
                "by image": f"{images * batch * own.batches / seconds['ganaug']:.1f} times",
                "ms an update": f"{1000 * updates:,.0f}",
                "by update": f"{updates * own.updates / seconds['ganaug']:.1f} times",
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", action="append", help="default: tiny, small")
    parser.add_argument("--precision", action="append", choices=PRECISIONS, help="default: all")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, str]] = []
    for preset in arguments.preset or ["tiny", "small"]:
        for precision in arguments.precision or PRECISIONS:
            rows += measure(preset, precision, arguments.batch, arguments.rounds)
            print(*rows[-4:], sep="\n", flush=True)
    text = "\n".join(
        [
            "Training steps of ImageGAN and of published GANs at as many parameters, on one thread of a CPU",
            f"({platform.machine()}, torch {torch.__version__}), by `python benchmarks/speed/rivals.py`, on images of",
            f"3x32x32 in batches of {arguments.batch}. Columns beside rates say how many times as fast ganaug's is.",
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
