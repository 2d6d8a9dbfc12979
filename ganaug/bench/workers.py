"""Doing tasks: in this process, in others, with time-outs, on several GPUs."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import itertools
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

import joblib
import torch
from joblib.externals.loky.process_executor import ProcessPoolExecutor, TerminatedWorkerError
from threadpoolctl import threadpool_limits

from ganaug.bench.cases import Case, Task, case_specs, heading
from ganaug.bench.plugins import nearest, require
from ganaug.bench.provenance import environment
from ganaug.bench.store import Store
from ganaug.bench.suite import Suite

__all__ = ["BACKENDS", "DIED", "execute", "in_processes", "lease", "make_case", "parallel"]

BACKENDS = ("processes", "dask", "ray")
PATIENCE = 30  # seconds in which a scheduler must answer
BATCH = 8  # tasks for each process of ray at a time
CASES_KEPT = 2
DIED = "its process died: killed, out of memory, or ended by what ran in it"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_cases: dict[tuple[Path, int, str], Case] = {}  # of this process: data and GANs serve one task after another
Waiting = Iterable[tuple[Task, frozenset[str]]]  # tasks, and the keys of their records that are to be made
Made = tuple[Task, dict[str, dict[str, Any]]]
Results = Generator[Made, None, None]
_lease: tuple[int, IO[str] | None] | None = None


def make_case(suite: Suite, index: int, store: Store) -> Case:
    """Make the case of an index."""
    from ganaug.bench.images import ImageCase
    from ganaug.bench.tables import TableCase

    return {"images": ImageCase, "tables": TableCase}[case_specs(suite)[index].kind](suite, index, store)


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
    made = {}
    left = [key for key in task.keys if key in keys]
    shared = False  # whether what the cells have in common is there
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


def in_processes(jobs: int, store: Store, work: Callable[[Task, frozenset[str]], Made], waiting: Waiting) -> Results:
    """Do tasks in processes of this machine, each of which may die and take nothing with it but the cell it was at.

    Parameters
    ----------
    jobs : int
        Processes at a time.
    store : Store
        Where :func:`execute` marks what runs.
    work : callable
        Does a task; it can be pickled.
    waiting : iterable of (task, keys)

    Yields
    ------
    tuple of (task, records)
        As they are finished. A cell whose process died is a record with that reason.
    """
    queue: Iterator[tuple[Task, frozenset[str], dict[str, Any]]] = iter([(*item, {}) for item in waiting])
    workers: set[ProcessPoolExecutor] = set()
    idle: list[ProcessPoolExecutor] = []
    running: dict[Future[Made], tuple[ProcessPoolExecutor, Task, frozenset[str], dict[str, Any]]] = {}
    try:
        while True:
            while len(running) < jobs and (item := next(queue, None)) is not None:
                # Of one process each: in a pool of several, the death of one is the end of all.
                worker = idle.pop() if idle else ProcessPoolExecutor(1, env=ONE_THREAD)
                workers.add(worker)
                running[worker.submit(_nested, work, *item[:2])] = (worker, *item)
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                worker, task, keys, before = running.pop(future)
                try:
                    made = {**before, **future.result()[1]}
                    idle.append(worker)
                except TerminatedWorkerError:
                    workers.remove(worker)
                    worker.shutdown(kill_workers=True)
                    made = {**before, **_after_death(store, task, keys)}
                    if left := keys - made.keys():
                        queue = itertools.chain([(task, left, made)], queue)
                        continue
                yield task, made
    finally:
        for worker in workers:
            worker.shutdown(kill_workers=True)


def _nested(work: Callable[[Task, frozenset[str]], Made], task: Task, keys: frozenset[str]) -> Made:
    # What a classifier does in parallel itself, it does in threads.
    with joblib.parallel_config(backend="threading"):
        return work(task, keys)


def _after_death(store: Store, task: Task, keys: frozenset[str]) -> dict[str, dict[str, Any]]:
    """Records that were made before the process of a task died, and those of the cells that it died in."""
    ordered = [key for key in task.keys if key in keys]
    fallen = [key for key in ordered if store.starts(key)] or ordered
    made = {}
    for key in ordered[: ordered.index(fallen[0])]:
        if (record := store.read(key, heading(task, key))) is not None:
            made[key] = record
    for key in fallen:
        made[key] = {**heading(task, key), "status": "failed", "reason": DIED, "environment": environment()}
        store.write(key, made[key])
    store.ended(ordered)
    return made


@contextlib.contextmanager
def parallel(
    backend: str, jobs: int, scheduler: str | None, store: Store
) -> Iterator[Callable[[Callable[..., Made], Waiting], Results]]:
    """Workers to hand tasks to.

    Parameters
    ----------
    backend : {"processes", "dask", "ray"}
    jobs : int
        Processes on this machine; with dask or ray, tasks that run at a time at most.
    scheduler : str or None
        Address of a dask scheduler or a ray cluster; None starts one here.
    store : Store
        Of the run.

    Yields
    ------
    callable
        Takes a function and the arguments of each call of it, and yields the results as they are finished.

    Raises
    ------
    ValueError
        If the backend is unknown, its package is missing, or nobody answers at the address.
    """
    if backend == "processes":
        if scheduler is not None:
            raise ValueError("scheduler is the address of a cluster; pass backend='dask' or backend='ray' with it")
        yield _here if jobs == 1 else functools.partial(in_processes, jobs, store)
    elif backend == "dask":
        client = _dask_client(scheduler)
        with client, joblib.parallel_config(backend="dask"):
            pool = joblib.Parallel(n_jobs=jobs, pre_dispatch=2 * jobs, return_as="generator_unordered")
            yield lambda work, waiting: pool(itertools.starmap(joblib.delayed(work), waiting))
    elif backend == "ray":
        _start_ray(scheduler)
        with joblib.parallel_config(backend="ray"):
            pool = joblib.Parallel(n_jobs=jobs)
            yield lambda work, waiting: _in_batches(
                pool, itertools.starmap(joblib.delayed(work), waiting), BATCH * jobs
            )
    else:
        raise ValueError(f"there is no backend {backend!r}{nearest(backend, BACKENDS)}")


def _here(work: Callable[..., Made], waiting: Waiting) -> Results:
    yield from itertools.starmap(work, waiting)


def _in_batches(parallel: joblib.Parallel, calls: Iterable[Any], size: int) -> Results:
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
