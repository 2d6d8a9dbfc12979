"""How fast ImageGAN trains, and where the time goes.

    python benchmarks/speed/training.py [--device cpu] [--threads 1] [-o FILE.md]

For each case, in float32 and in bfloat16: images per second of training, milliseconds per step, and the share of a step
spent in the generator (its own forward and backward pass), in the gradient penalty, in augmentation and in drawing the
real samples. What remains is the discriminator's share, optimisers and moving average included. The readings every 50
steps are not part of a step here.

"forward passes" relates a step to a bare forward pass of both networks over the same images in the same run: a figure
that can be compared between machines. "matmul" and "copy" are shares of the roofline: the operations of a step, at the
rate of a large matrix product in the same precision, and the bytes that its operations read and write, each on its own,
at that of a large copy, both over the time of the step. Memory is the most that the process, or the GPU, has held by
then; the matrices of that product are not in it on a GPU. On one thread of a CPU time is the processor's, which other
processes do not lengthen.

On a GPU training records its steps and replays them: "images/s" is of steps that are replayed, and "graph" says how
many times as fast they are as eager ones in the same run. All else there is of eager steps.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import math
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ganaug import ImageGAN, labelled_images
from ganaug.data.files import write_atomically
from ganaug.engine.config import PRECISIONS
from ganaug.engine.devices import resolve_device
from ganaug.engine.graphs import WARM_UP, runner_for
from ganaug.engine.label_embedding import ClassBalancedSampler
from ganaug.engine.layers import initialise
from ganaug.engine.loop import one_step
from ganaug.engine.state import TrainingState
from ganaug.engine.transfer import Rows, to_device
from ganaug.generators.images.networks import build_networks
from ganaug.generators.images.presets import ImageGANConfig
from ganaug.objectives.adversarial.augment import ImageAugmentation
from ganaug.objectives.adversarial.objective import AdversarialObjective

ROUNDS = 5
STEPS = 8  # a multiple of every preset's penalty_every


class Traffic(TorchDispatchMode):
    """Counts the bytes that operations read and write, as if nothing stayed in a cache."""

    bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [t for t in tree_leaves((args, kwargs, result)) if isinstance(t, torch.Tensor)]
            self.bytes += sum(t.numel() * t.element_size() for t in tensors)
        return result


def _seconds(call: Callable[[], object], device: torch.device, repeats: int = 10) -> float:
    times = []
    for _ in range(repeats):
        synchronise(device)
        started = now(device)
        call()
        synchronise(device)
        times.append(now(device) - started)
    return min(times)


def backward_operations(gradient: Any, x: Any, weight: Any, *rest: Any, **_: Any) -> int:
    """Operations of the gradients of a convolution that are asked for: each takes as many as the convolution.

    torch's own counter takes the gradient of a grouped weight for that of a dense one.
    """
    wanted = rest[-1]
    return 2 * math.prod(gradient) * math.prod(weight[1:]) * sum(wanted[:2])


def matmul_rate(dtype: torch.dtype, device: torch.device) -> float:
    """Operations a second of a large matrix product."""
    n = 1024 if device.type == "cpu" else 8192
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return 2 * n**3 / _seconds(lambda: a @ b, device)


def copy_rate(device: torch.device) -> float:
    """Bytes a second, read and written, of a large copy."""
    source = torch.ones(2**24, device=device)
    target = torch.empty_like(source)
    return 2 * 4 * 2**24 / _seconds(lambda: target.copy_(source), device)


class Limits(NamedTuple):
    """Operations and bytes a second."""

    matmul: float
    copy: float


def limits(dtype: torch.dtype, device: torch.device) -> Limits:
    """Measure both rates; on a GPU the most memory that is held is counted anew from then on."""
    found = Limits(matmul_rate(dtype, device), copy_rate(device))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    return found


def peak_memory(device: torch.device) -> float:
    """MiB held at most so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def bounds(step: Callable[[int], None], rates: Limits) -> dict[str, float]:
    """Seconds that a step takes at least, for its operations and for its traffic."""
    corrected = {torch.ops.aten.convolution_backward: backward_operations}
    operations, traffic = FlopCounterMode(display=False, custom_mapping=corrected), Traffic()
    for counter in (operations, traffic):
        with counter:
            for k in range(STEPS):
                step(k)
    return {
        "matmul": operations.get_total_flops() / STEPS / rates.matmul,
        "copy": traffic.bytes / STEPS / rates.copy,
    }


def interleaved(
    variants: dict[str, Callable[[int], None]], device: torch.device, *, rounds: int = ROUNDS, steps: int = STEPS
) -> dict[str, float]:
    """Median seconds of each kind of step, taken turn by turn, so many in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for round_ in range(rounds + 1):
        for name, variant in variants.items():
            synchronise(device)
            started = now(device)
            for k in range(steps):
                variant(k)
            synchronise(device)
            if round_:  # the first one warms up
                seconds[name].append((now(device) - started) / steps)
    return {name: statistics.median(values) for name, values in seconds.items()}


def shares(seconds: dict[str, float]) -> dict[str, str]:
    """Parts of a whole step, by what is saved without them."""
    whole = seconds["whole"]
    parts = {part: whole - seconds[f"no {part}"] for part in ("penalty", "augmentation", "data")}
    parts["generator"] = seconds["generator"]
    parts["discriminator"] = whole - sum(parts.values())
    return {name: f"{100 * max(0.0, part) / whole:.0f} %" for name, part in parts.items()}


class _Fixed:
    """In place of a sampler: always the same batch."""

    def __init__(self, batch: tuple[Tensor, Tensor, Tensor]) -> None:
        self._batch = batch

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        return self._batch


def _state(
    networks: Sequence[nn.Module],
    augment: ImageAugmentation,
    config: ImageGANConfig,
    randomness: torch.Generator,
    recorded: bool = False,
) -> TrainingState:
    options: dict[str, Any] = {"dtype": PRECISIONS[config.training.precision], "recorded": recorded}
    objective = AdversarialObjective(*networks, config.objective, augment, **options)
    return TrainingState(objective, config.training, randomness)


def measure(dataset: str, preset: str, precision: str, device: torch.device) -> dict[str, str]:
    """Time one case."""
    dtype = PRECISIONS[precision]
    before = limits(dtype, device)
    data = labelled_images(dataset)
    labels = np.unique(data.labels, return_inverse=True)[1]
    config = ImageGAN(preset=preset, device=str(device)).resolve(data)
    randomness = torch.Generator().manual_seed(0)
    networks = build_networks(config.architecture)
    for network in networks:
        initialise(network, randomness)
    generator, discriminator = (network.to(device) for network in networks)
    copies = copy.deepcopy((generator, discriminator))
    sampler = ClassBalancedSampler(labels)
    pixels = Rows(torch.from_numpy(data.images), device)
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, precision=precision))
    batch = config.training.batch_size
    middle = config.training.steps // 2 // STEPS * STEPS

    def real_images(chosen: torch.Tensor) -> torch.Tensor:
        return pixels[chosen].float() / 127.5 - 1

    drawn = sampler.draw(batch, randomness)
    latents = torch.randn(batch, config.objective.latent_dim, generator=randomness)
    fixed = real_images(drawn[1]), to_device(drawn[0], device), to_device(latents, device)

    augmentation = ImageAugmentation(config.operations, data.image_shape, randomness)

    pair, given = (generator, discriminator), (config, randomness)
    no_penalty = dataclasses.replace(config, objective=dataclasses.replace(config.objective, gamma=0.0))
    states = {
        (True, True): _state(pair, augmentation, *given),
        (False, True): _state(pair, augmentation, no_penalty, randomness),
        (True, False): _state(pair, ImageAugmentation([], data.image_shape, randomness), *given),
    }

    def step(k: int, *, new_batch: bool = True, penalty: bool = True, augmenting: bool = True) -> None:
        state = states[penalty, augmenting]
        state.step = middle + k
        one_step(state, sampler if new_batch else _Fixed(drawn), real_images if new_batch else lambda _: fixed[0])

    graphs = runner_for(device, cuda_graph=True)
    replayed = _state(copies, augmentation, *given, recorded=graphs.records)

    def replay(k: int) -> None:
        replayed.step = middle + k
        one_step(replayed, sampler, real_images, graphs)

    def generator_only(_: int) -> None:
        _, y, z = fixed
        with torch.autocast(device.type, dtype, enabled=precision != "fp32"):
            fake = generator(z, y)
        loss = fake.square().mean()
        torch.autograd.grad(loss, list(generator.parameters()))

    @torch.no_grad()
    def forward(_: int) -> None:
        real, y, z = fixed
        with torch.autocast(device.type, dtype, enabled=precision != "fp32"):
            discriminator(torch.cat([real, generator(z, y)]), y.repeat(2))

    variants: dict[str, Callable[[int], None]] = {
        "whole": step,
        "no penalty": lambda k: step(k, penalty=False),
        "no augmentation": lambda k: step(k, augmenting=False),
        "no data": lambda k: step(k, new_batch=False),
        "generator": generator_only,
        "forward": forward,
    }
    if graphs.records:
        variants["graph"] = replay
        for k in range((WARM_UP + 1) * STEPS):  # a penalised step comes once in so many
            replay(k)
    median = interleaved(variants, device)
    whole, memory = median["whole"], peak_memory(device)
    # A core that others share is not as fast at all times: the better of both moments is nearer to what it can do.
    rates = Limits(*map(max, before, limits(dtype, device)))
    return {
        "case": f"{Path(dataset).name}, {preset}, {precision}",
        "batch": str(batch),
        "images/s": f"{batch / median.get('graph', whole):,.0f}",
        **({"eager images/s": f"{batch / whole:,.0f}"} if graphs.records else {}),
        "eager ms/step" if graphs.records else "ms/step": f"{1000 * whole:.1f}",
        **shares(median),
        **({"graph": f"{whole / median['graph']:.1f}"} if graphs.records else {}),
        "forward passes": f"{whole / median['forward']:.1f}",
        **{name: f"{100 * bound / whole:.0f} %" for name, bound in bounds(step, rates).items()},
        "memory": f"{memory:,.0f} MiB",
    }


def markdown(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A table of rows with the same keys."""
    return [
        "| " + " | ".join(rows[0]) + " |",
        "|" + "---|" * len(rows[0]),
        *("| " + " | ".join(map(str, row.values())) + " |" for row in rows),
    ]


def now(device: torch.device) -> float:
    """Seconds: on one thread of a CPU those of the processor, which other processes do not lengthen."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time() if alone else time.perf_counter()


def synchronise(device: torch.device) -> None:
    """Wait for the device, as a clock must."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--case", action="append", metavar="DATASET:PRESET", help="default: digits:tiny, mnist5k:tiny")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = resolve_device(arguments.device)
    cases = arguments.case or ["digits:tiny", "mnist5k:tiny"]
    pairs = [case.split(":") for case in cases]
    rows = [measure(name, preset, precision, device) for name, preset in pairs for precision in PRECISIONS]
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    text = "\n".join(
        [
            f"Training speed of ImageGAN on {name} ({platform.machine()}, torch {torch.__version__}), by",
            "`python benchmarks/speed/training.py`. Shares are of one step.",
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
