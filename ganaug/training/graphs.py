"""Functions of tensors that a GPU records once and then replays.

A training step of small networks is a thousand small operations, and starting them takes longer than the GPU needs for
them. A CUDA graph starts all at once, with the same arguments, at the same places in memory: only what tensors hold may
change. See "CUDA Graphs" in the notes of torch's documentation.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from ganaug.training.transfer import to_device

__all__ = ["Eager", "Graphs", "runner_for"]

WARM_UP = 3  # calls before one is recorded, in which libraries and optimisers set up what they keep

Function = Callable[..., Tensor]


class Eager:
    """Calls functions of tensors as they are.

    Attributes
    ----------
    records : bool
        Whether calls are recorded and replayed.

    Examples
    --------
    >>> Eager(torch.device("cpu"))(torch.add, [torch.tensor(1), torch.tensor(2)])
    tensor(3)
    """

    records = False

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def __call__(self, function: Function, inputs: Sequence[Tensor], key: Hashable = None) -> Tensor:
        """Call a function with tensors that may still be on the CPU.

        Parameters
        ----------
        function : callable
            Takes the inputs, on the device, as positional arguments; returns a tensor.
        inputs : sequence of Tensor
        key : hashable
            Functions of equal keys do the same to tensors of the same shapes, at the same places in memory.
        """
        return function(*(to_device(tensor, self._device) for tensor in inputs))

    def forget(self) -> None:
        """To be called when what the functions work on has moved in memory."""


class Graphs(Eager):
    """Calls functions of tensors by CUDA graphs, from the fourth call of each on.

    What a call returns is overwritten by the next one. A function must not wait for the GPU, and whatever it keeps or
    changes must stay where it is in memory until :meth:`forget`. What cannot be recorded is called as it is, after a
    warning.

    Parameters
    ----------
    device : torch.device
        A GPU.
    """

    records = True

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self._aside = torch.cuda.Stream(device)
        self._calls: Counter[Hashable] = Counter()
        self._recorded: dict[Hashable, _Recorded] = {}
        self._given_up = False

    def __call__(self, function: Function, inputs: Sequence[Tensor], key: Hashable = None) -> Tensor:
        """As :meth:`Eager.__call__`."""
        if self._given_up:
            return super().__call__(function, inputs)
        key = (key, *((tensor.shape, tensor.dtype) for tensor in inputs))
        self._calls[key] += 1
        if self._calls[key] <= WARM_UP:
            return self._call_aside(function, inputs)
        if key not in self._recorded:
            try:
                self._recorded[key] = self._record(function, inputs)
            except RuntimeError as error:
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                self.forget()
                self._given_up = True
                warnings.warn(
                    f"a step could not be recorded as a CUDA graph ({str(error).splitlines()[0]}); training goes on "
                    "without, more slowly; pass cuda_graph=False to have no warning",
                    stacklevel=2,
                )
                return super().__call__(function, inputs)
        return self._recorded[key].replay(inputs)

    def forget(self) -> None:
        """Drop all recordings."""
        self._calls.clear()
        self._recorded.clear()

    def _record(self, function: Function, inputs: Sequence[Tensor]) -> _Recorded:
        # All recordings share their memory: they run one after the other, and each writes what it reads.
        pool = next((recorded.graph.pool() for recorded in self._recorded.values()), None)
        return _Recorded(function, inputs, self._device, self._aside, pool)

    def _call_aside(self, function: Function, inputs: Sequence[Tensor]) -> Tensor:
        """Call a function on the stream that it will be recorded on."""
        current = torch.cuda.current_stream(self._device)
        self._aside.wait_stream(current)
        with torch.cuda.stream(self._aside), warnings.catch_warnings():
            # Optimisers that can be recorded warn where they are not.
            warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
            result = super().__call__(function, inputs)
        current.wait_stream(self._aside)
        result.record_stream(current)
        return result


class _Recorded:
    """One function, recorded with tensors of its own as inputs."""

    def __init__(
        self, function: Function, inputs: Sequence[Tensor], device: torch.device, aside: torch.cuda.Stream, pool: Any
    ) -> None:
        self.graph = torch.cuda.CUDAGraph()
        self._inputs = [to_device(tensor, device).clone() for tensor in inputs]
        # Only this thread is kept from what would spoil the recording; others, such as one that writes a pool, are not.
        recording = torch.cuda.graph(self.graph, pool=pool, stream=aside, capture_error_mode="thread_local")
        with torch.cuda.device(device), recording:
            self._result = function(*self._inputs)

    def replay(self, inputs: Sequence[Tensor]) -> Tensor:
        for own, tensor in zip(self._inputs, inputs, strict=True):
            own.copy_(tensor.pin_memory() if tensor.device.type == "cpu" else tensor, non_blocking=True)
        self.graph.replay()
        return self._result


def runner_for(device: torch.device, *, cuda_graph: bool) -> Eager:
    """What calls functions on a device."""
    return Graphs(device) if cuda_graph and device.type == "cuda" else Eager(device)
