"""Doing a task: with a time-out, on one thread, on one of several GPUs."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

import torch
from threadpoolctl import threadpool_limits

from ganaug.bench.cases.case import Case, Task, case_specs, heading
from ganaug.bench.records.provenance import environment
from ganaug.bench.records.store import Store
from ganaug.bench.suite.schema import Suite
from ganaug.data.host_states import plain_states
from ganaug.engine.host import threads_limited

__all__ = ["Made", "execute", "lease", "make_case", "tasks_per_gpu"]

CASES_KEPT = 2
GPU_SHARED_BY = 4  # tasks at most: each is small and computes on one thread, which leaves a GPU idle most of the time
MOST_PLACES = 64  # processes on one GPU that are counted
GPU_MEMORY = 6 * 2**30  # bytes for each of them
_cases: dict[tuple[Path, int, str], Case] = {}  # of this process: data and GANs serve one task after another
_alone = threading.Lock()  # the number of threads and torch's random state are the process's: one cell at a time
Made = tuple[Task, dict[str, dict[str, Any]]]
_lease: tuple[int, IO[str] | None] | None = None


def make_case(suite: Suite, index: int, store: Store) -> Case:
    """Make the case of an index."""
    from ganaug.bench.cases.images import ImageCase
    from ganaug.bench.cases.tables import TableCase

    return {"images": ImageCase, "tables": TableCase}[case_specs(suite)[index].kind](suite, index, store)


@plain_states()
def execute(suite: Suite, root: Path, task: Task, keys: frozenset[str], path: tuple[str, ...] = ()) -> Made:
    """Do a task in any process and store its records; what runs meanwhile is marked in the store.

    Parameters
    ----------
    suite : Suite
    root : Path
        Folder of the run; on other machines it must be the same one.
    task : Task
    keys : frozenset of str
        Records of it that are missing.
    path : tuple of str
        Where modules are found that a suite names, besides where this process looks.

    Returns
    -------
    task : Task
    records : dict
        By key.
    """
    sys.path += [folder for folder in path if folder not in sys.path]
    store = Store(root)
    if not (root / "suite.json").is_file():
        raise RuntimeError(f"{root} is not there for this worker: all need one folder, on a disk that they share")
    # What waits for another task of this process is not marked: it does not die in that.
    with _alone:
        return task, _kept(suite, store, task, keys)


def _kept(suite: Suite, store: Store, task: Task, keys: frozenset[str]) -> dict[str, dict[str, Any]]:
    """Records of a task, stored as they are made."""
    made = {}
    left = [key for key in task.keys if key in keys]
    shared = False  # whether what the cells have in common is there
    root = store.root
    timed = _with_timeout(suite, root, task, keys, suite.timeout) if suite.timeout else _do(suite, root, task, keys)
    store.started(left)
    try:
        for result in timed:
            if result is None:
                shared = True
                store.ended(left[1:])
                continue
            key, record = result
            made[key] = {**record, "environment": environment()}
            store.write(key, made[key])
            left.remove(key)
            store.ended([key])
            if shared:
                store.started(left[:1])
    finally:
        store.ended(left)
    return made


def _do(suite: Suite, root: Path, task: Task, keys: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]] | None]:
    with _one_thread():
        case = _case(suite, root, task)
        if case.spec.kind == "images":
            _take_gpu()
        yield from case.execute(task, keys)


def _case(suite: Suite, root: Path, task: Task) -> Case:
    place = (root, task.case, repr(suite))
    known = _cases.pop(place, None)
    # The key of a task is the hash of all that it depends on, data included.
    if known is None or task not in known.declared:
        known = make_case(suite, task.case, Store(root))
        if task not in known.declared:
            raise ValueError(
                f"dataset {known.spec.dataset.name!r}, or code that an arm or a classifier runs, has changed since the "
                "run began: run the suite again, or if a function makes the data, let it make the same each time"
            )
    _cases[place] = known
    while len(_cases) > CASES_KEPT:
        del _cases[next(iter(_cases))]
    return known


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let a cell compute on one thread, so that its result does not depend on the number of jobs."""
    with threads_limited(1), threadpool_limits(1):
        yield


def _with_timeout(
    suite: Suite, root: Path, task: Task, keys: frozenset[str], timeout: float
) -> Iterator[tuple[str, dict[str, Any]] | None]:
    """Do a task in a process of its own, which is killed when a record takes too long."""
    if multiprocessing.current_process().daemon:
        raise RuntimeError(
            "time-outs need workers that may start processes; set DASK_DISTRIBUTED__WORKER__DAEMON=False for dask"
        )
    left = [key for key in task.keys if key in keys]
    while left:
        child, receiver = _start(suite, root, task, frozenset(left))
        given_up: list[str] = []
        outcome = {"status": "timed out", "reason": f"not finished after {timeout:g} s"}
        shared = False  # whether what the cells have in common is there
        try:
            receiver.recv()  # the process has started and read the data
            while left:
                if not receiver.poll(timeout):
                    # A sampler that is too slow for one classifier is so for all.
                    given_up = left[:1] if shared else left[:]
                    break
                made = receiver.recv()
                if isinstance(made, Exception):
                    raise made
                if made is None:
                    shared = True
                    yield None
                else:
                    left.remove(made[0])
                    yield made
        except EOFError:
            child.join()
            given_up = left[:1] if shared else left[:]
            outcome = {"status": "failed", "reason": f"its process ended with status {child.exitcode}"}
        finally:
            child.kill()
            child.join()
            receiver.close()
        for key in given_up:
            yield key, {**heading(task, key), **outcome}
            left.remove(key)


def _start(suite: Suite, root: Path, task: Task, keys: frozenset[str]) -> tuple[Any, Connection]:
    context = multiprocessing.get_context("forkserver")
    preloaded = [__name__, "ganaug.bench.cases.images", "ganaug.bench.cases.tables"]
    if suite.images is not None:
        # They take longer to import than a small cell to run.
        preloaded += ["torchvision.transforms.v2", "torchmetrics.image.fid", "torchmetrics.image.kid"]
    context.set_forkserver_preload(preloaded)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(suite, root, task, keys, sender))
    child.start()
    sender.close()
    return child, receiver


def _child(suite: Suite, root: Path, task: Task, keys: frozenset[str], sender: Connection) -> None:
    try:
        _case(suite, root, task)
        sender.send(None)
        for made in _do(suite, root, task, keys):
            sender.send(made)
    except Exception as error:
        sender.send(error)


def _take_gpu() -> None:
    """Of several GPUs, compute on one that the fewest processes of this machine have taken."""
    global _lease  # noqa: PLW0603
    if _lease is None and torch.cuda.is_available() and torch.cuda.device_count() > 1:
        _lease = lease(torch.cuda.device_count(), Path(tempfile.gettempdir()))
        torch.cuda.set_device(_lease[0])


def tasks_per_gpu(memory: int) -> int:
    """How many tasks share a GPU by default: four, fewer where it has less than 6 GiB of memory for each.

    Parameters
    ----------
    memory : int
        Bytes of the GPU.

    Examples
    --------
    >>> [tasks_per_gpu(gigabytes * 2**30) for gigabytes in (4, 8, 16, 80)]
    [1, 1, 2, 4]
    """
    return max(1, min(GPU_SHARED_BY, memory // GPU_MEMORY))


def lease(n_devices: int, folder: Path) -> tuple[int, IO[str] | None]:
    """Take a device that the fewest others have taken, the first of those. It is free again when the file is closed.

    Parameters
    ----------
    n_devices : int
    folder : Path
        Where the files are that stand for the devices of this machine, and the places on each.

    Returns
    -------
    device : int
    file : file or None

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     taken = [lease(2, Path(folder)) for _ in range(5)]
    ...     closed = [file.close() for _, file in taken]
    >>> [device for device, _ in taken]
    [0, 1, 0, 1, 0]
    """
    for place, device in itertools.product(range(MOST_PLACES), range(n_devices)):
        file = open(folder / f"ganaug-gpu-{device}-{place}.lock", "a")  # noqa: SIM115 - held until the process ends
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            continue
        return device, file
    return os.getpid() % n_devices, None
