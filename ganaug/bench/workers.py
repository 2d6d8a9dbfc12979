"""Doing tasks: in this process, in others, with time-outs, on several GPUs."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

import joblib
import torch
from threadpoolctl import threadpool_limits

from ganaug.bench.cases import Case, Task, case_specs, heading
from ganaug.bench.plugins import nearest, require
from ganaug.bench.store import Store
from ganaug.bench.suite import Suite

__all__ = ["BACKENDS", "execute", "lease", "make_case", "parallel"]

BACKENDS = ("processes", "dask", "ray")
PATIENCE = 30  # seconds in which a scheduler must answer
BATCH = 8  # tasks for each process of ray at a time
CASES_KEPT = 2
_cases: dict[tuple[Path, int, str], Case] = {}  # of this process: data and GANs serve one task after another
_lease: tuple[int, IO[str] | None] | None = None


def make_case(suite: Suite, index: int, store: Store) -> Case:
    """Make the case of an index."""
    from ganaug.bench.images import ImageCase
    from ganaug.bench.tables import TableCase

    return {"images": ImageCase, "tables": TableCase}[case_specs(suite)[index].kind](suite, index, store)


def execute(
    suite: Suite, root: Path, task: Task, keys: frozenset[str], path: tuple[str, ...] = ()
) -> tuple[Task, dict[str, dict[str, Any]]]:
    """Do a task in any process and store its records.

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
    made = {}
    timed = _with_timeout(suite, root, task, keys, suite.timeout) if suite.timeout else _do(suite, root, task, keys)
    for result in timed:
        if result is not None:
            key, record = result
            store.write(key, record)
            made[key] = record
    return task, made


def _do(suite: Suite, root: Path, task: Task, keys: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]] | None]:
    case = _case(suite, root, task)
    with _one_thread():
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
                f"dataset {known.spec.dataset.name!r} has changed since the run began: run the suite again, or if a "
                "function makes it, let it make the same each time"
            )
    _cases[place] = known
    while len(_cases) > CASES_KEPT:
        del _cases[next(iter(_cases))]
    return known


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let a cell compute on one thread, so that its result does not depend on the number of jobs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


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
    context.set_forkserver_preload([__name__, "ganaug.bench.images", "ganaug.bench.tables"])
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
    """Of several GPUs, compute on one that no other process of this machine has taken."""
    global _lease  # noqa: PLW0603
    if _lease is None and torch.cuda.is_available() and torch.cuda.device_count() > 1:
        _lease = lease(torch.cuda.device_count(), Path(tempfile.gettempdir()))
        torch.cuda.set_device(_lease[0])


def lease(n_devices: int, folder: Path) -> tuple[int, IO[str] | None]:
    """Take the first device that is free; without one, any. It is free again when the file is closed.

    Parameters
    ----------
    n_devices : int
    folder : Path
        Where the files are that stand for the devices of this machine.

    Returns
    -------
    device : int
    file : file or None

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (first, file), (second, other) = lease(2, Path(folder)), lease(2, Path(folder))
    ...     file.close(), other.close()
    ...     first, second
    (None, None)
    (0, 1)
    """
    for device in range(n_devices):
        file = open(folder / f"ganaug-gpu-{device}.lock", "a")  # noqa: SIM115 - it is held until the process ends
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            continue
        return device, file
    return os.getpid() % n_devices, None


@contextlib.contextmanager
def parallel(backend: str, jobs: int, scheduler: str | None) -> Iterator[Callable[..., Iterator[Any]]]:
    """Workers to hand tasks to.

    Parameters
    ----------
    backend : {"processes", "dask", "ray"}
    jobs : int
        Processes on this machine; with dask or ray, tasks that run at a time at most.
    scheduler : str or None
        Address of a dask scheduler or a ray cluster; None starts one here.

    Yields
    ------
    callable
        Takes calls made by ``joblib.delayed`` and yields their results as they are finished.

    Raises
    ------
    ValueError
        If the backend is unknown, its package is missing, or nobody answers at the address.
    """
    options: dict[str, Any] = {"return_as": "generator_unordered"}
    if backend == "processes":
        if scheduler is not None:
            raise ValueError("scheduler is the address of a cluster; pass backend='dask' or backend='ray' with it")
        yield joblib.Parallel(n_jobs=jobs, **options)
    elif backend == "dask":
        client = _dask_client(scheduler)
        with client, joblib.parallel_config(backend="dask"):
            yield joblib.Parallel(n_jobs=jobs, pre_dispatch=2 * jobs, **options)
    elif backend == "ray":
        _start_ray(scheduler)
        with joblib.parallel_config(backend="ray"):
            yield lambda calls: _in_batches(joblib.Parallel(n_jobs=jobs), calls, BATCH * jobs)
    else:
        raise ValueError(f"there is no backend {backend!r}{nearest(backend, BACKENDS)}")


def _in_batches(parallel: joblib.Parallel, calls: Iterable[Any], size: int) -> Iterator[Any]:
    """Hand calls out in batches, where a backend of joblib can only return all results at once."""
    waiting = iter(calls)
    while batch := list(itertools.islice(waiting, size)):
        yield from parallel(batch)


def _dask_client(scheduler: str | None) -> Any:
    distributed = require("distributed", "dask")
    try:
        return distributed.Client(scheduler, timeout=f"{PATIENCE}s", set_as_default=True)
    except OSError as error:
        raise ValueError(f"no dask scheduler answers at {scheduler}: {str(error).splitlines()[0]}") from None


def _start_ray(address: str | None) -> None:
    ray = require("ray", "ray")
    joblib_of_ray = require("ray.util.joblib", "ray")
    try:
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
    except (ConnectionError, ValueError) as error:
        raise ValueError(f"no ray cluster answers at {address}: {str(error).splitlines()[0]}") from None
    joblib_of_ray.register_ray()
