"""Convolutions whose derivatives of every order are convolutions.

A gradient penalty differentiates a gradient. torch takes the second derivative of a convolution by one convolution for
each group, with kernels as large as the images, which no library is made for: a step of 130 convolutions becomes one of
hundreds. Written out, it needs none of them. A convolution is linear in its input and in its weight, and so are its two
gradients; each derivative of one of the three is another of the three. Karras et al., "Alias-Free Generative
Adversarial Networks", NeurIPS 2021, train with convolutions made so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["Geometry", "convolve", "differentiated_twice", "second_derivatives"]

_twice = ContextVar("twice", default=False)
# Not public, though torch's hooks of several tensors rest on it. Without it all gradients are computed, at more cost.
_runs = getattr(torch._C, "_will_engine_execute_node", None)


class Geometry(NamedTuple):
    """How a convolution of images goes over them; numbers of rows and columns where there are two."""

    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    groups: int = 1


_DENSE = Geometry()


@contextmanager
def second_derivatives(taken: bool = True) -> Iterator[None]:
    """Let the convolutions of a forward pass be such as this module's, for gradients of gradients.

    They start a little more slowly than torch's, which is felt where images are small, so that other passes leave them.

    Parameters
    ----------
    taken : bool, default=True
        False for a context that changes nothing.

    Examples
    --------
    >>> with second_derivatives():
    ...     differentiated_twice()
    True
    """
    token = _twice.set(taken or _twice.get())
    try:
        yield
    finally:
        _twice.reset(token)


def differentiated_twice() -> bool:
    """Whether this is within :func:`second_derivatives`, in this thread."""
    return _twice.get()


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, geometry: Geometry = _DENSE) -> Tensor:
    """Convolve images, as ``torch.nn.functional.conv2d`` does, also within ``torch.autocast``.

    A backward pass computes the gradients that it was asked for and no others: that of a gradient penalty with respect
    to the samples leaves out those of all weights.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, height, width), floating
    weight : Tensor of shape (out_channels, channels / groups, kernel height, kernel width)
    bias : Tensor of shape (out_channels,), optional
    geometry : Geometry, optional
        By default each pixel, without a border, and all channels at once.

    Returns
    -------
    Tensor of shape (batch, out_channels, out height, out width)

    Examples
    --------
    >>> x, weight = torch.ones(1, 2, 4, 4, requires_grad=True), torch.ones(3, 2, 3, 3, requires_grad=True)
    >>> (gradient,) = torch.autograd.grad(convolve(x, weight).square().sum(), x, create_graph=True)
    >>> second = torch.autograd.grad(gradient.sum(), weight)[0]
    >>> gradient[0, 0, 0, 0].item(), tuple(second.shape)
    (108.0, (3, 2, 3, 3))
    """
    device = x.device.type
    if _casts(device):
        dtype = torch.get_autocast_dtype(device)
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    if not torch.is_grad_enabled():
        return torch.conv2d(x, weight, bias, *geometry)
    return _apply(_Convolution, x, weight, bias, geometry)


def _apply(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    # Of a leaf of the graph the engine does not say whether it is wanted; of a view of it, it does.
    leaves = (isinstance(a, Tensor) and a.requires_grad and a.is_leaf for a in arguments)
    result: Tensor = function.apply(*(a.view_as(a) if leaf else a for a, leaf in zip(arguments, leaves, strict=True)))
    return result


def _not_cast(tensor: Tensor) -> AbstractContextManager[Any]:
    """No autocast, which would round some of what a pass takes and not the rest."""
    device = tensor.device.type
    return torch.autocast(device, enabled=False) if _casts(device) else nullcontext()


def _casts(device: str) -> bool:
    """Whether there is autocast on devices of this type, and it is on."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def _wanted(ctx: Any, index: int) -> bool:
    """Whether the pass that goes on leads to an input; `needs_input_grad` says whether any pass could."""
    needed: bool = ctx.needs_input_grad[index]
    return needed and (_runs is None or _runs(ctx.next_functions[index][0]))


def _gradients(
    gradient: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Those of a convolution by its input, weight and bias that are wanted."""
    stride, padding, dilation, groups = geometry
    found: tuple[Tensor | None, Tensor | None, Tensor | None] = torch.ops.aten.convolution_backward(
        gradient, x, weight, [len(weight)], stride, padding, dilation, False, [0, 0], groups, wanted
    )
    return found


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        with _not_cast(x):
            return torch.conv2d(x, weight, bias, *geometry)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        by_x, by_weight, by_bias = wanted = (_wanted(ctx, 0), _wanted(ctx, 1), _wanted(ctx, 2))
        if not torch.is_grad_enabled():
            return *_gradients(gradient, x, weight, ctx.geometry, wanted), None
        return (
            _apply(_InputGradient, gradient, weight, x, ctx.geometry) if by_x else None,
            _apply(_WeightGradient, gradient, x, weight, ctx.geometry) if by_weight else None,
            gradient.sum((0, 2, 3)) if by_bias else None,
            None,
        )


class _InputGradient(torch.autograd.Function):
    """Of a convolution: linear in the gradient of its result and in its weight; of the input only the shape counts."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor, x: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.geometry = geometry
        found, _, _ = _gradients(gradient, x, weight, geometry, (True, False, False))
        assert found is not None
        return found

    @staticmethod
    def backward(ctx: Any, along: Tensor) -> Any:
        gradient, weight = ctx.saved_tensors
        return (
            _apply(_Convolution, along, weight, None, ctx.geometry) if _wanted(ctx, 0) else None,
            _apply(_WeightGradient, gradient, along, weight, ctx.geometry) if _wanted(ctx, 1) else None,
            None,
            None,
        )


class _WeightGradient(torch.autograd.Function):
    """Of a convolution: linear in the gradient of its result and in its input; of the weight only the shape counts."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(gradient, x)
        ctx.geometry = geometry
        _, found, _ = _gradients(gradient, x, weight, geometry, (False, True, False))
        assert found is not None
        return found

    @staticmethod
    def backward(ctx: Any, along: Tensor) -> Any:
        gradient, x = ctx.saved_tensors
        return (
            _apply(_Convolution, x, along, None, ctx.geometry) if _wanted(ctx, 0) else None,
            _apply(_InputGradient, gradient, along, x, ctx.geometry) if _wanted(ctx, 1) else None,
            None,
            None,
        )
