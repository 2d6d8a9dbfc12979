"""Several processes that train together, each on its share of every batch.

All of them draw the whole batch from equal generators and take their rows of it, so that the result is the same for any
number of processes, up to rounding. (Training amplifies rounding, as it does any change: where a unit crosses the kink
of its activation, the gradient of the penalty jumps.) Gradients are averaged as one flat vector just before an
optimiser uses them: the wrapper ``DistributedDataParallel`` would leave those of a pass that holds only a penalty
unreduced.

What the processes tell each other beside tensors of the networks (flags, checksums, figures) goes by gloo, on the CPU:
it waits for no GPU, and raises at once where a process is gone. Operations of NCCL's return before the others have
come, and if one never comes, the rest wait for it in whatever next waits for the GPU. So the processes confirm to each
other by gloo that all have started each of these operations.
"""

from __future__ import annotations

import atexit
import os
import weakref
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
        if self.count == 1:
            return
        if not dist.is_initialized():
            self._meet(device)
        _open_control()

    def _meet(self, device: torch.device) -> None:
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
        group = group_options(device, alone_on_gpu=alone_on_gpu)
        dist.init_process_group(**group, store=store, rank=rank, world_size=count)
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
        self._exchange(dist.all_reduce, flat)
        parts = flat.div_(self.count).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in any process."""
        return _reduced(int(flag), dist.ReduceOp.MAX) > 0 if self.count > 1 else flag

    def smallest(self, number: int) -> int:
        """Smallest of the numbers of all processes."""
        return _reduced(number, dist.ReduceOp.MIN) if self.count > 1 else number

    def together(self, call: Callable[[], object]) -> None:
        """Call a function in all processes; returns when all are done, and raises in all if it raises in one."""
        error = None
        try:
            call()
        except Exception as raised:
            error = raised
        failed = self.any(error is not None)
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
        _abandon()

    def check_alike(self, what: str) -> None:
        """Raise ``ValueError`` in all processes unless all pass the same text."""
        if self.count == 1:
            return
        number = int(sha256_of(what.encode())[:15], 16)
        lowest = _reduced(number, dist.ReduceOp.MIN)
        if self.any(number != lowest):
            raise ValueError(
                "the processes that train together must be given the same data, parameters and checkpoints; start all "
                "of them with one command, on folders that all of them see"
            )

    def agree(self, values: list[float]) -> list[float]:
        """Numbers of the first process."""
        if self.count == 1:
            return values
        tensor = torch.tensor(values)
        _talk(dist.broadcast, tensor, 0, group=_control_group())
        return tensor.tolist()

    def share_randomness(self, randomness: Generator) -> None:
        """Bring a generator into the state that it has in the first process."""
        if self.count > 1:
            state = randomness.get_state()
            _talk(dist.broadcast, state, 0, group=_control_group())
            randomness.set_state(state)

    def _broadcast(self, tensor: Tensor) -> None:
        whole = tensor.contiguous()
        self._exchange(dist.broadcast, whole, 0)
        tensor.copy_(whole)

    def _exchange(self, call: Callable[..., object], *arguments: Any) -> None:
        """Send or receive a tensor of the networks, and return when all processes do so."""
        _talk(call, *arguments)
        if _control_group() is not None:
            self.any(False)


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


def group_options(device: torch.device, *, alone_on_gpu: bool) -> dict[str, Any]:
    """What a process group is made with, for processes that train on such devices.

    NCCL is told the device, so that it connects the processes at once: otherwise it does so within the first operation,
    where it would wait for a process that failed before.

    Examples
    --------
    >>> group_options(torch.device("cuda", 1), alone_on_gpu=True)
    {'backend': 'nccl', 'device_id': device(type='cuda', index=1)}
    >>> group_options(torch.device("cuda", 1), alone_on_gpu=False)
    {'backend': 'gloo'}
    """
    return {"backend": "nccl", "device_id": device} if alone_on_gpu else {"backend": "gloo"}


def _nothing() -> None:
    return None


# The group of gloo beside one of another backend. Weak: held for longer than torch holds it, a group keeps threads that
# abort the process at its end.
_control: Callable[[], Any] = _nothing


def _control_group() -> Any:
    """Group of the messages on the CPU; None where it is the process group itself, or there is none."""
    return _control()


def _open_control() -> None:
    """Make the group of the messages on the CPU, in all processes, unless the process group will do."""
    global _control  # noqa: PLW0603 - as torch's process group, it is the process's
    backends = {part.partition(":")[2] for part in dist.get_backend_config().split(",")}
    if backends != {"gloo"} and _control_group() is None:
        _control = weakref.ref(dist.new_group(backend="gloo"))


def _reduced(number: int, how: Any) -> int:
    tensor = torch.tensor(number)
    _talk(dist.all_reduce, tensor, how, group=_control_group())
    return int(tensor)


def _talk(call: Callable[..., object], *arguments: Any, **options: Any) -> None:
    """Send or receive, and say in one sentence that another process is gone."""
    try:
        call(*arguments, **options)
    except RuntimeError as error:
        # Those of gloo have no class of their own.
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        if _control_group() is not None:
            _abandon()  # what was started and never will be done would hold up all that waits for the GPU
        raise OtherProcessError(
            "another of the processes that work together ran out of memory, failed otherwise or was ended; its own "
            "message says why"
        ) from error


def _abandon() -> None:
    """Leave the process group at once, whatever the others are at."""
    _leave_control()
    if "nccl" in dist.get_backend_config():
        # In the end of an NCCL group all processes of a machine take part, but in its abortion.
        from torch.distributed.distributed_c10d import _abort_process_group

        _abort_process_group()
    else:
        _leave()


def _leave() -> None:
    if dist.is_initialized():
        _leave_control()  # first, for through it the others hear of it
        dist.destroy_process_group()


def _leave_control() -> None:
    global _control
    control, _control = _control_group(), _nothing
    if control is not None:
        dist.destroy_process_group(control)
