"""Functions of tensors that a GPU records once and then replays.

A training step of small networks is a thousand small operations, and starting them takes longer than the GPU needs for
them. A CUDA graph starts all at once, with the same arguments, at the same places in memory: only what tensors hold may
change. See "CUDA Graphs" in the notes of torch's documentation.
"""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from ganaug.engine.errors import may_be_out_of_memory
from ganaug.engine.transfer import to_device

__all__ = ["Eager", "Graphs", "runner_for"]

WARM_UP = 3  # calls before one is recorded, in which libraries and optimisers set up what they keep

Function = Callable[..., Tensor]
_recording = threading.Lock()  # what another thread's recording waits for would spoil this one's


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
    warning, and so is everything where recordings leave too little memory.

    Parameters
    ----------
    device : torch.device
        A GPU.
    """

    records = True
    spoilt = False  # in this process: a recording that failed leaves torch in a state in which none succeeds

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self._aside = torch.cuda.Stream(device)
        self._calls: Counter[Hashable] = Counter()
        self._recorded: dict[Hashable, _Recorded] = {}
        self._given_up = Graphs.spoilt

    def __call__(self, function: Function, inputs: Sequence[Tensor], key: Hashable = None) -> Tensor:
        """As :meth:`Eager.__call__`."""
        if not self._given_up:
            key = (key, *((tensor.shape, tensor.dtype) for tensor in inputs))
            self._calls[key] += 1
            try:
                if self._calls[key] <= WARM_UP:
                    return self._call_aside(function, inputs)
                if key not in self._recorded:
                    self._recorded[key] = self._record(function, inputs)
                return self._recorded[key].replay(inputs)
            except RuntimeError as error:
                if self._calls[key] <= WARM_UP and not self._recorded:
                    raise
                self._give_up(error)
        return super().__call__(function, inputs)

    def _give_up(self, error: RuntimeError) -> None:
        """Continue without recordings where memory is short beside them, or one failed."""
        if may_be_out_of_memory(error):
            reason = "leaves too little memory"
        elif self._recorded.keys() >= {key for key, n in self._calls.items() if n > WARM_UP}:
            raise error  # of a step that was not being recorded
        else:
            Graphs.spoilt = True
            reason = f"failed ({str(error).splitlines()[0]}), which it may do to all CUDA graphs of this process"
        self.forget()
        self._given_up = True
        warnings.warn(
            f"recording training steps as CUDA graphs {reason}; they are taken one by one instead, more slowly, as "
            "with cuda_graph=False",
            stacklevel=4,
        )

    def forget(self) -> None:
        """Drop all recordings."""
        self._calls.clear()
        self._recorded.clear()

    def _record(self, function: Function, inputs: Sequence[Tensor]) -> _Recorded:
        # All recordings share their memory: they run one after the other, and each writes what it reads.
        pool = next((recorded.graph.pool() for recorded in self._recorded.values()), None)
        # A recording that fails stays on its stream.
        with _recording, torch.cuda.stream(torch.cuda.current_stream(self._device)):
            return _Recorded(function, inputs, self._device, self._aside, pool)

    def _call_aside(self, function: Function, inputs: Sequence[Tensor]) -> Tensor:
        """Call a function on the stream that it will be recorded on."""
        current = torch.cuda.current_stream(self._device)
        self._aside.wait_stream(current)
        with torch.cuda.stream(self._aside):
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
        # Other threads may use the GPU meanwhile, though not wait for it.
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
