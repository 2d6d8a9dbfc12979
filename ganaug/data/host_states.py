"""States of the program around, of its thread, that change what libraries compute: set aside for the time of a call."""

from __future__ import annotations

import decimal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from sklearn import config_context, get_config

__all__ = ["plain_states"]

NUMPY_ERRORS: dict[str, Any] = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
SKLEARN = {
    "array_api_dispatch": False,
    "assume_finite": False,
    "enable_cython_pairwise_dist": True,
    "enable_metadata_routing": False,
    "pairwise_dist_chunk_size": 256,
    "transform_output": "default",
    "working_memory": 1024,
}
DECIMALS = decimal.Context(
    prec=28,
    rounding=decimal.ROUND_HALF_EVEN,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
AUTOCAST = ("cpu", "cuda", "mps", "xpu")  # devices that have it
DENORMAL = 5e-324


@contextmanager
def plain_states() -> Iterator[None]:
    """Compute as in a program that has changed nothing, and leave all as it was; also a decorator.

    Set aside are torch's ``no_grad``, ``inference_mode``, autocast, default device, default dtype and flushing of
    denormal numbers, numpy's ``seterr``, scikit-learn's configuration and the context of ``decimal``. All of these are
    states of the thread, so that other threads notice nothing: the default dtype, which is the process's, is not set
    but given to each call that would ask for it. What is the process's and changes no more than the last digits or the
    speed, such as torch's matmul precision, deterministic algorithms and the number of threads, is the program's to
    choose.

    Functions that call estimators of the user's are not for it, since those may count on the user's configuration.

    Examples
    --------
    >>> import torch
    >>> with torch.no_grad():
    ...     with plain_states():
    ...         print(torch.is_grad_enabled())
    ...     print(torch.is_grad_enabled())
    True
    False
    """
    with ExitStack() as stack:
        for state in _set_aside():
            stack.enter_context(state)
        yield


def _set_aside() -> Iterator[AbstractContextManager[Any]]:
    """What sets aside each state that is another than usual."""
    yield decimal.localcontext(DECIMALS)
    if np.geterr() != NUMPY_ERRORS:
        yield np.errstate(**NUMPY_ERRORS)
    config = get_config()
    if changed := {name: value for name, value in SKLEARN.items() if config.get(name, value) != value}:
        yield config_context(**changed)
    torch = sys.modules.get("torch")
    if torch is not None:  # whoever has not imported it has not changed it
        yield from _torch_set_aside(torch)


def _torch_set_aside(torch: ModuleType) -> Iterator[AbstractContextManager[Any]]:
    if torch.is_inference_mode_enabled():
        yield torch.inference_mode(False)
    if not torch.is_grad_enabled():
        yield torch.enable_grad()
    for device in AUTOCAST:
        if torch.is_autocast_enabled(device):
            yield torch.autocast(device, enabled=False)
    if torch.get_default_device().type != "cpu":
        yield torch.device("cpu")
    if torch.get_default_dtype() != torch.float32:
        yield _float32_mode(torch)()
    if not DENORMAL > 0:
        yield _denormals_kept(torch)


@contextmanager
def _denormals_kept(torch: ModuleType) -> Iterator[None]:
    torch.set_flush_denormal(False)
    try:
        yield
    finally:
        torch.set_flush_denormal(True)


@cache
def _float32_mode(torch: ModuleType) -> Any:
    """The class of a mode in which float32 is the dtype that is taken by default."""
    filled = {torch.empty, torch.zeros, torch.ones, torch.eye, torch.linspace, torch.logspace, torch.rand, torch.randn}
    inferred = {torch.tensor, torch.as_tensor, torch.asarray, torch.scalar_tensor, torch.full, torch.arange}

    class Float32(torch.overrides.TorchFunctionMode):  # type: ignore[name-defined]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = dict(kwargs or {})
            if kwargs.get("dtype") is None and kwargs.get("out") is None:
                if func in filled:
                    kwargs["dtype"] = torch.float32
                elif func in inferred and not isinstance(args[0] if args else None, torch.Tensor | np.ndarray):
                    made = func(*args, **kwargs)
                    if made.dtype != torch.get_default_dtype():
                        return made
                    kwargs["dtype"] = torch.float32
            return func(*args, **kwargs)

    return Float32
