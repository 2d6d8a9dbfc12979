"""Several processes that train together, each on its share of every batch.

All of them draw the whole batch from equal generators and take their rows of it, so that the result is the same for any
number of processes, up to rounding. (Training amplifies rounding, as it does any change: where a unit crosses the kink
of its activation, the gradient of the penalty jumps.) Gradients are averaged as one flat vector just before an
optimiser uses them: the wrapper ``DistributedDataParallel`` would leave those of a pass that holds only a penalty
unreduced.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
import torch.distributed as dist
from torch import Generator, Tensor, nn

from ganaug.data.files import sha256_of

__all__ = ["ALONE", "DistributedContext", "OtherProcessError", "current_context"]


class OtherProcessError(RuntimeError):
    """Another of the processes that work together failed."""


@dataclass(frozen=True)
class DistributedContext:
    """The process at hand among those that train together.

    Attributes
    ----------
    rank : int
        From 0 to `count` - 1. The process of rank 0 writes files and reports.
    count : int

    Examples
    --------
    >>> import torch
    >>> DistributedContext(rank=1, count=2).share(torch.arange(8))
    tensor([4, 5, 6, 7])
    >>> DistributedContext(rank=1, count=2).share(torch.arange(8), parts=2)
    tensor([2, 3, 6, 7])
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    def place(self, device: torch.device) -> torch.device:
        """Give each process of a machine a GPU of its own, if none was named."""
        if self.count == 1 or device.type != "cuda" or device.index is not None:
            return device
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)) % torch.cuda.device_count())

    def join(self, device: torch.device) -> None:
        """Meet the other processes, unless that is done already."""
        if self.count == 1 or dist.is_initialized():
            return
        local = int(os.environ.get("LOCAL_WORLD_SIZE", self.count))
        # NCCL refuses two processes on one GPU.
        alone_on_gpu = device.type == "cuda" and local <= torch.cuda.device_count()
        if alone_on_gpu:
            torch.cuda.set_device(device)
        from torch.distributed.rendezvous import rendezvous  # missing where torch was built without

        # What this module's functions have as default is the group of the time of its import, which it keeps for good.
        # Imported after the group is made (optimisers import it), it keeps threads that abort the process at its end.
        import_module("torch.distributed.nn.functional")
        store, rank, count = next(rendezvous("env://"))
        if os.environ.get("GROUP_WORLD_SIZE", "1") == "1":
            # On one machine torchrun keeps its store over restarts, and with it the addresses of processes that are
            # gone. (Over several machines it does not, and counts restarts on each of them by itself.)
            store = dist.PrefixStore(f"restart {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        backend = "nccl" if alone_on_gpu else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=count)
        atexit.register(_leave)

    def share(self, rows: Tensor, parts: int = 1) -> Tensor:
        """Take this process's rows of a batch that consists of so many equal parts, out of each of them."""
        if self.count == 1:
            return rows
        return rows.unflatten(0, (parts, self.count, -1))[:, self.rank].flatten(0, 1)

    def draw(self, sampler: Callable[[int], Tensor], n: int) -> Tensor:
        """Draw random numbers for the rows that the discriminator sees.

        Parameters
        ----------
        sampler : callable
            Takes a number of rows, returns random numbers for as many.
        n : int
            Rows of this process, half of them real and half of them generated.

        Returns
        -------
        Tensor of shape (n, ...)
            Its share of those for all processes.
        """
        return self.share(sampler(n * self.count), parts=2)

    def start_alike(self, networks: Iterable[nn.Module], optimizers: Iterable[torch.optim.Optimizer]) -> None:
        """Give all processes the networks of the first, and let them average all gradients from now on."""
        if self.count == 1:
            return
        for network in networks:
            for tensor in network.state_dict().values():
                self._broadcast(tensor)

        def average(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            weights = (weight for group in optimizer.param_groups for weight in group["params"])
            self.average([weight.grad for weight in weights if weight.grad is not None])

        for optimizer in optimizers:
            optimizer.register_step_pre_hook(average)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their means over all processes."""
        if self.count == 1:
            return
        tensors = list(tensors)
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        _talk(dist.all_reduce, flat)
        parts = flat.div_(self.count).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether a flag is set in any process."""
        return self._reduced(int(flag), device, dist.ReduceOp.MAX) > 0 if self.count > 1 else flag

    def smallest(self, number: int, device: torch.device) -> int:
        """Smallest of the numbers of all processes."""
        return self._reduced(number, device, dist.ReduceOp.MIN) if self.count > 1 else number

    def together(self, call: Callable[[], object], device: torch.device) -> None:
        """Call a function in all processes; returns when all are done, and raises in all if it raises in one."""
        error = None
        try:
            call()
        except Exception as raised:
            error = raised
        failed = self.any(error is not None, device)
        if error is not None:
            raise error
        if failed:
            raise OtherProcessError("another of the processes that work together failed; its own message says why")

    def abandon(self) -> None:
        """Leave the others in the midst of what they wait for this process for, so that they fail and wait no longer.

        Also leaves a process group that the caller has made: what the others have sent last would be taken for the
        answer to something else.
        """
        if self.count == 1 or not dist.is_initialized():
            return
        if dist.get_backend() == dist.Backend.NCCL:
            # In the end of an NCCL group all processes of a machine take part, but in its abortion.
            from torch.distributed.distributed_c10d import _abort_process_group

            _abort_process_group()
        else:
            _leave()

    def check_alike(self, what: str, device: torch.device) -> None:
        """Raise ``ValueError`` in all processes unless all pass the same text."""
        if self.count == 1:
            return
        number = int(sha256_of(what.encode())[:15], 16)
        lowest = self._reduced(number, device, dist.ReduceOp.MIN)
        if self.any(number != lowest, device):
            raise ValueError(
                "the processes that train together must be given the same data, parameters and checkpoints; start all "
                "of them with one command, on folders that all of them see"
            )

    def agree(self, values: list[float], device: torch.device) -> list[float]:
        """Numbers of the first process."""
        if self.count == 1:
            return values
        tensor = torch.tensor(values, device=device)
        self._broadcast(tensor)
        return tensor.tolist()

    def share_randomness(self, randomness: Generator, device: torch.device) -> None:
        """Bring a generator into the state that it has in the first process."""
        if self.count > 1:
            state = randomness.get_state().to(device)
            self._broadcast(state)
            randomness.set_state(state.cpu())

    def _reduced(self, number: int, device: torch.device, how: Any) -> int:
        tensor = torch.tensor(number, device=device)
        _talk(dist.all_reduce, tensor, how)
        return int(tensor)

    def _broadcast(self, tensor: Tensor) -> None:
        whole = tensor.contiguous()
        _talk(dist.broadcast, whole, 0)
        tensor.copy_(whole)


ALONE = DistributedContext()


def current_context(distributed: bool) -> DistributedContext:
    """Return the place of this process among those of its process group, or of ``torchrun`` if there is none yet.

    Examples
    --------
    >>> current_context(False)
    DistributedContext(rank=0, count=1)
    """
    if not distributed or not dist.is_available():
        return ALONE
    if dist.is_initialized():
        return DistributedContext(dist.get_rank(), dist.get_world_size())
    return DistributedContext(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def _talk(call: Callable[..., object], *arguments: Any) -> None:
    """Send or receive, and say in one sentence that another process is gone."""
    try:
        call(*arguments)
    except RuntimeError as error:
        # Those of gloo have no class of their own.
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise OtherProcessError(
            "another of the processes that work together ran out of memory, failed otherwise or was ended; its own "
            "message says why"
        ) from error


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
