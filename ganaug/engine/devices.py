"""Where a network runs, and where its random numbers come from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
import torch

__all__ = [
    "DeviceLike",
    "RandomStateLike",
    "auto_precision",
    "computes_bf16",
    "global_states_seeded",
    "log_ndtr",
    "random_generator",
    "resolve_device",
    "seed_from",
    "seeded",
]

DeviceLike = str | torch.device
RandomStateLike = int | np.random.RandomState | np.random.Generator | None
LARGEST_SEED = 2**32 - 1
WITHOUT_LOG_NDTR = frozenset({"mps"})  # devices that torch has no kernel of it for


def resolve_device(device: DeviceLike) -> torch.device:
    """Turn "auto" into CUDA, else MPS, else the CPU; check that any other device is there.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ValueError(f"device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got {device!r}") from None
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(chosen.type, False):
        raise ValueError(f"device {str(device)!r} is not available here; pass device='auto' or device='cpu'")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {str(device)!r} is not available here, there are {torch.cuda.device_count()} CUDA devices"
        )
    return chosen


def computes_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 numbers itself, faster than float32.

    A CPU does with AVX512-BF16 or AMX, a GPU of NVIDIA's from Ampere on.

    Examples
    --------
    >>> computes_bf16(torch.device("meta"))
    False
    """
    if device.type == "cuda":
        return torch.cuda.is_available() and torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def auto_precision(device: torch.device) -> str:
    """What networks compute in while they are trained, where nothing else is asked for: "bf16" or "fp32"."""
    return "bf16" if computes_bf16(device) else "fp32"


def log_ndtr(x: torch.Tensor, without: frozenset[str] = WITHOUT_LOG_NDTR) -> torch.Tensor:
    """Logarithm of the standard normal distribution function, computed on the CPU for devices that lack it.

    Parameters
    ----------
    x : Tensor
        Floating point.
    without : frozenset of str
        Types of those devices.

    Examples
    --------
    >>> round(log_ndtr(torch.tensor(0.0)).exp().item(), 3)
    0.5
    """
    return torch.special.log_ndtr(x.cpu()).to(x.device) if x.device.type in without else torch.special.log_ndtr(x)


def seed_from(random_state: RandomStateLike) -> int:
    """Derive one seed in [0, 2**32 - 1], which is a `random_state` again, from what scikit-learn takes as such.

    None gives fresh entropy; numpy's global state is neither read nor changed. An integer is its own seed and must be
    in that range, as in scikit-learn. A ``RandomState`` or ``Generator`` is advanced by one draw.

    Examples
    --------
    >>> seed_from(7)
    7
    """
    return _entropy(random_state) & LARGEST_SEED


def seeded(estimator: Any, seed: int) -> Any:
    """The estimator, given a seed for each `random_state` that is None, its own or of what it is made of."""
    for key, value in estimator.get_params().items() if hasattr(estimator, "get_params") else ():
        if key.rpartition("__")[2] == "random_state" and value is None:
            estimator.set_params(**{key: seed})
    return estimator


def _entropy(random_state: RandomStateLike) -> int:
    """As :func:`seed_from`, of up to 63 bits."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(np.iinfo(np.int64).max, dtype=np.int64))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(np.iinfo(np.int64).max))
    if not isinstance(random_state, Integral):
        raise ValueError(f"random_state must be an integer, a numpy random generator or None, got {random_state!r}")
    seed = int(random_state)
    if not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"random_state must be in [0, 2**32 - 1], got {seed}")
    return seed


@contextmanager
def global_states_seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global states of the CPU and of `device`, and put them back at the end.

    Examples
    --------
    >>> before = torch.get_rng_state()
    >>> with global_states_seeded(0, torch.device("cpu")):
    ...     drawn = torch.rand(())
    >>> round(drawn.item(), 4), torch.equal(torch.get_rng_state(), before)
    (0.4963, True)
    """
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield


def random_generator(random_state: RandomStateLike, purpose: str) -> torch.Generator:
    """Return a torch generator on the CPU for one purpose.

    One seed used for two purposes gives two unrelated streams: were it not so, the noise that a GAN is sampled with
    could equal the weights it started from.

    Parameters
    ----------
    random_state : int, RandomState, Generator or None
        As for :func:`seed_from`.
    purpose : str

    Examples
    --------
    >>> random_generator(0, "fit").initial_seed() == random_generator(0, "sample").initial_seed()
    False
    """
    entropy = [_entropy(random_state), int.from_bytes(purpose.encode())]
    return torch.Generator().manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]))
