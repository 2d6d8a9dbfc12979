"""Layers without initial weights, and what draws the weights of these and of torch's own from a given generator.

torch's own layers draw their initial weights from the global random state, which estimators must leave alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ganaug.engine.convolutions import Geometry, convolve, differentiated_twice

__all__ = ["Conv2d", "DrawnFrom", "Embedding", "Linear", "ParallelLinear", "initialise"]


class _Blank:
    """Leaves memory uninitialised, and keeps the factor that :func:`initialise` applies."""

    init_gain: float

    def __init__(self, *args: Any, init_gain: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        vars(self)["init_gain"] = init_gain

    def reset_parameters(self) -> None:
        """Do nothing: the weights wait for :func:`initialise`."""


class Conv2d(_Blank, nn.Conv2d):
    """``torch.nn.Conv2d`` without initial weights, and with convolutions as :func:`second_derivatives` has them."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        if not differentiated_twice() or self.padding_mode != "zeros" or isinstance(self.padding, str):
            return super().forward(x)
        geometry = Geometry(self.stride, self.padding, self.dilation, self.groups)
        return convolve(x, self.weight, self.bias, geometry)


class Linear(_Blank, nn.Linear):
    """``torch.nn.Linear`` without initial weights."""


class Embedding(_Blank, nn.Embedding):
    """``torch.nn.Embedding`` without initial weights."""


class ParallelLinear(nn.Module):
    """Linear layers side by side; row ``i`` of a batch goes through that of member ``i % members``.

    Several small networks are trained in the time of one: most of that is the overhead of each operation.

    Parameters
    ----------
    members, in_features, out_features : int
    init_gain : float
        Factor of the initial weights.

    Notes
    -----
    ``forward(x)`` takes and returns (batch, features); `batch` is a multiple of `members`.
    """

    def __init__(self, members: int, in_features: int, out_features: int, *, init_gain: float = 1.0) -> None:
        super().__init__()
        self.init_gain = init_gain
        self.weight = nn.Parameter(torch.empty(members, in_features, out_features))
        self.bias = nn.Parameter(torch.empty(members, 1, out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Apply each member's layer to its rows."""
        members, _, width = self.weight.shape
        if members == 1:
            return torch.addmm(self.bias[0], x, self.weight[0])
        rows = x.unflatten(0, (-1, members)).transpose(0, 1)
        return torch.baddbmm(self.bias, rows, self.weight).transpose(0, 1).reshape(-1, width)


class DrawnFrom(TorchDispatchMode):
    """A context in which torch draws all random numbers on the CPU from a given generator, not from the global one.

    Parameters
    ----------
    generator : torch.Generator
        On the CPU.

    Raises
    ------
    TypeError
        Within it, by random operations that take no generator.

    Examples
    --------
    >>> before = torch.get_rng_state()
    >>> with DrawnFrom(Generator().manual_seed(0)):
    ...     first = torch.nn.Linear(4, 4).weight
    >>> with DrawnFrom(Generator().manual_seed(0)):
    ...     second = torch.nn.Linear(4, 4).weight
    >>> torch.equal(first, second), torch.equal(before, torch.get_rng_state())
    (True, True)
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self._generator = generator

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Give the generator to operations that draw."""
        kwargs = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None:
            if not _takes_generator(func):
                func = getattr(func.overloadpacket, "generator", func)  # as of torch.randn
            if not _takes_generator(func):
                raise TypeError(f"{func} draws from the global random state alone; use an operation of torch.nn.init")
            kwargs["generator"] = self._generator
        return func(*args, **kwargs)


def _takes_generator(operation: Any) -> bool:
    return any(argument.name == "generator" for argument in operation._schema.arguments)


@torch.no_grad()
def initialise(network: nn.Module, generator: Generator, *, slope: float = 0.2) -> None:
    """Draw a network's weights from `generator`; torch's global state plays no part.

    The convolutions and linear layers of this module get He-normal weights (He et al., ICCV 2015) for leaky ReLUs, and
    its embeddings standard normal ones, multiplied by the layer's ``init_gain``; biases are zero. All other layers are
    initialised as torch does it, by their ``reset_parameters``.

    Parameters
    ----------
    network : Module
        On the CPU; changed in place.
    generator : torch.Generator
        On the CPU.
    slope : float
        Of the leaky ReLUs; 0 for ReLUs.

    Raises
    ------
    TypeError
        For a layer with parameters of its own but without ``reset_parameters``.

    Examples
    --------
    >>> layer = Linear(100, 100)
    >>> initialise(layer, Generator().manual_seed(0), slope=1.0)
    >>> round(layer.weight.std().item(), 2)
    0.1
    """
    gain = math.sqrt(2 / (1 + slope**2))
    for module in _children_first(network):
        if isinstance(module, Conv2d | Linear):
            scale = gain * module.init_gain / math.sqrt(module.weight.shape[1:].numel())  # of no outputs too
            _draw_weight(module, scale, generator)
        elif isinstance(module, ParallelLinear):
            scale = gain * module.init_gain / math.sqrt(module.weight.shape[1])
            _draw_weight(module, scale, generator)
        elif isinstance(module, Embedding):
            _draw_weight(module, module.init_gain, generator)
        elif next(module.parameters(recurse=False), None) is not None:
            _reset(module, generator)


def _children_first(network: nn.Module) -> Iterator[nn.Module]:
    """All modules, each once, those inside another before it, as torch itself initialises them."""
    seen: set[nn.Module] = set()

    def visit(module: nn.Module) -> Iterator[nn.Module]:
        seen.add(module)
        for child in module.children():
            if child not in seen:
                yield from visit(child)
        yield module

    return visit(network)


def _draw_weight(module: Any, scale: float, generator: Generator) -> None:
    # Scaled afterwards: given to `normal_`, the scale would round small tensors otherwise than large ones.
    nn.init.normal_(module.weight, generator=generator).mul_(scale)
    if getattr(module, "bias", None) is not None:
        nn.init.zeros_(module.bias)


def _reset(module: Any, generator: Generator) -> None:
    # Some of torch's own, such as MultiheadAttention, call it so.
    reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    if reset is None:
        names = ", ".join(name for name, _ in module.named_parameters(recurse=False))
        raise TypeError(
            f"a {type(module).__name__} has parameters of its own ({names}) but no reset_parameters to initialise them "
            "with; give it that method"
        )
    with DrawnFrom(generator):
        reset()
