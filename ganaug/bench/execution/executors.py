"""Who does tasks: processes of this machine, or workers of a dask or ray cluster, each of which may die."""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from typing import Any

import joblib
from joblib.externals.loky.process_executor import ProcessPoolExecutor, TerminatedWorkerError

from ganaug.bench.cases.case import Task, heading
from ganaug.bench.execution.workers import Made
from ganaug.bench.records.provenance import environment
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import require
from ganaug.data.suggestions import nearest

__all__ = ["BACKENDS", "DIED", "in_processes", "parallel"]

BACKENDS = ("processes", "dask", "ray")
PATIENCE = 30  # seconds in which a scheduler must answer
ALONE = 30  # seconds in which a cluster may have no workers: the first take a while, lost ones are often started again
LOOK = 1  # seconds between two looks at that
DEATHS = 2  # workers of a cluster, where one is easily lost, that a cell may be computed on when they die
SCHEDULER = "the dask scheduler was lost"
DIED = "its process died: killed, out of memory, or ended by what ran in it"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
Work = Callable[[Task, frozenset[str]], Made]
Waiting = Iterable[tuple[Task, frozenset[str]]]  # tasks, and the keys of their records that are to be made
Results = Generator[Made, None, None]
AtATime = Callable[[], int]  # how many tasks may run now


class _Died(Exception):  # noqa: N818 - it is caught here
    """Whatever did a task is no more."""


class _Pool(ABC):
    """Who does tasks; what is handed in has a handle until its result is taken."""

    deaths = DEATHS  # that a cell may cause

    @abstractmethod
    def submit(self, work: Work, task: Task, keys: frozenset[str]) -> Hashable:
        """Have a task done."""

    @abstractmethod
    def wait(self, handles: list[Any]) -> Iterable[Any]:
        """Handles of tasks that are done, at least one."""

    @abstractmethod
    def result(self, handle: Any) -> Made:
        """The result of a task, or ``_Died``."""

    @abstractmethod
    def close(self, handles: list[Any]) -> None:
        """Give up what is not done."""


def _handed_out(pool: _Pool, jobs: AtATime, store: Store, work: Work, waiting: Waiting) -> Results:
    """Do tasks, so many at a time; who dies takes nothing along but the cells that it was at."""
    waiting = list(waiting)
    asked = [key for _, keys in waiting for key in keys]
    store.forget_failures(asked)  # a failure that is found from here on is of this run, as where a result was lost
    if pool.deaths > 1:  # they are counted from here on
        store.ended(asked)
    queue: Iterator[tuple[Task, frozenset[str], dict[str, Any], int]] = iter([(*item, {}, 0) for item in waiting])
    running: dict[Any, tuple[Task, frozenset[str], dict[str, Any], int]] = {}
    try:
        while True:
            most = jobs()
            while len(running) < most and (item := next(queue, None)) is not None:
                running[pool.submit(work, *item[:2])] = item
            if not running:
                return
            finished = []
            for handle in pool.wait(list(running)):
                task, keys, before, died = running.pop(handle)
                try:
                    made = {**before, **pool.result(handle)[1]}
                except _Died:
                    made = {**before, **_after_death(store, task, keys, pool.deaths, died + 1)}
                    if left := keys - made.keys():
                        queue = itertools.chain([(task, left, made, died + 1)], queue)
                        continue
                finished.append((task, made))
            del handle  # a result that a handle is left of would be made again, were the worker that holds it lost
            yield from finished
    finally:
        pool.close(list(running))


def _after_death(store: Store, task: Task, keys: frozenset[str], deaths: int, died: int) -> dict[str, dict[str, Any]]:
    """Records after whatever did a task has died, which it has done so often."""
    made, marked = _so_far(store, task, keys, deaths)
    if died >= (deaths * len(task.keys) if marked else deaths):  # no mark tells where, or none that is true
        left = [key for key in task.keys if key in keys and key not in made]
        made |= _fallen(store, task, left)
    return made


def _so_far(store: Store, task: Task, keys: frozenset[str], deaths: int) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Records that this run has made, with those of cells that died so often; marked cells."""
    ordered = [key for key in task.keys if key in keys]
    made = {key: record for key in ordered if (record := store.read(key, heading(task, key))) is not None}
    marked = [key for key in ordered if key not in made and store.starts(key)]
    return made | _fallen(store, task, [key for key in marked if store.starts(key) >= deaths]), marked


def _fallen(store: Store, task: Task, fallen: list[str]) -> dict[str, dict[str, Any]]:
    """Keep records of cells whose processes died, and take their marks away."""
    made = {}
    for key in fallen:
        made[key] = {**heading(task, key), "status": "failed", "reason": DIED, "environment": environment()}
        store.write(key, made[key])
    store.ended(fallen)
    return made


class _Processes(_Pool):
    """Processes of this machine, started when they are needed."""

    deaths = 1

    def __init__(self) -> None:
        self._all: set[ProcessPoolExecutor] = set()
        self._idle: list[ProcessPoolExecutor] = []
        self._at: dict[Any, ProcessPoolExecutor] = {}

    def submit(self, work: Work, task: Task, keys: frozenset[str]) -> Hashable:
        # Of one process each: in a pool of several, the death of one is the end of all.
        worker = self._idle.pop() if self._idle else self._another()
        try:
            future = worker.submit(_nested, work, task, keys)
        except TerminatedWorkerError:  # it died while it had nothing to do
            self._drop(worker)
            return self.submit(work, task, keys)
        self._at[future] = worker
        return future

    def _another(self) -> ProcessPoolExecutor:
        worker = ProcessPoolExecutor(1, env=ONE_THREAD)
        self._all.add(worker)
        return worker

    def _drop(self, worker: ProcessPoolExecutor) -> None:
        self._all.remove(worker)
        worker.shutdown(kill_workers=True)

    def wait(self, handles: list[Any]) -> Iterable[Any]:
        return wait(handles, return_when=FIRST_COMPLETED).done

    def result(self, handle: Any) -> Made:
        worker = self._at.pop(handle)
        try:
            made = handle.result()
        except TerminatedWorkerError:
            self._drop(worker)
            raise _Died from None
        self._idle.append(worker)
        return made

    def close(self, handles: list[Any]) -> None:
        for worker in self._all:
            worker.shutdown(kill_workers=True)


def _nested(work: Work, task: Task, keys: frozenset[str]) -> Made:
    # What a classifier does in parallel itself, it does in threads.
    with joblib.parallel_config(backend="threading"):
        return work(task, keys)


def _on_a_cluster(work: Work, store: Store, task: Task, keys: frozenset[str]) -> Made:
    """Do a task on a worker, less what workers did that were lost since it was handed out, and what they died in."""
    made, _ = _so_far(store, task, keys, DEATHS)
    left = keys - made.keys()
    return task, made | (_nested(work, task, left)[1] if left else {})


class _Dask(_Pool):
    """Workers of a dask cluster, which hands the tasks of lost ones to others."""

    def __init__(self, address: str | None, store: Store) -> None:
        self._distributed = require("distributed", "dask")
        self._store = store
        own = {} if address else {"threads_per_worker": 1}
        try:
            self.client = self._distributed.Client(address, timeout=f"{PATIENCE}s", **own)
        except OSError as error:
            raise ValueError(f"no dask scheduler answers at {address}: {str(error).splitlines()[0]}") from None

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        """Raise ``ConnectionError`` where the scheduler does not answer."""
        lost = (OSError, self._distributed.CancelledError, self._distributed.client.ClosedClientError)
        try:
            if self.client.status != "running":  # even if it comes back, what was handed in does not
                raise _lost(SCHEDULER)
            yield
        except lost:
            raise _lost(SCHEDULER) from None

    def _n_workers(self) -> int:
        with self._asked():
            return len(self.client.nthreads())

    def size(self) -> int:
        """Workers that there are now, each of which computes one cell at a time, on however many threads."""
        return max(1, self._n_workers())

    def submit(self, work: Work, task: Task, keys: frozenset[str]) -> Hashable:
        with self._asked():
            return self.client.submit(_on_a_cluster, work, self._store, task, keys, pure=False)

    def wait(self, handles: list[Any]) -> Iterable[Any]:
        seen = time.monotonic()
        while True:
            with self._asked(), contextlib.suppress(self._distributed.TimeoutError):
                return self._distributed.wait(handles, timeout=LOOK, return_when="FIRST_COMPLETED").done
            if self._n_workers():
                seen = time.monotonic()
            elif time.monotonic() - seen > ALONE:
                raise _lost("the dask cluster has no worker")

    def result(self, handle: Any) -> Made:
        try:
            return handle.result()
        except self._distributed.KilledWorker:
            raise _Died from None
        except self._distributed.CancelledError:
            raise _lost(SCHEDULER) from None

    def close(self, handles: list[Any]) -> None:
        with contextlib.suppress(OSError, self._distributed.CancelledError):
            self.client.cancel(handles)


class _Ray(_Pool):
    """Workers of a ray cluster."""

    def __init__(self, address: str | None, store: Store) -> None:
        self._ray = require("ray", "ray")
        self._store = store
        try:
            self._ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
        except (ConnectionError, ValueError) as error:
            raise ValueError(f"no ray cluster answers at {address}: {str(error).splitlines()[0]}") from None
        self._call = self._ray.remote(max_retries=DEATHS - 1)(_on_a_cluster)

    def size(self) -> int:
        """Cores of the nodes that there are now."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def submit(self, work: Work, task: Task, keys: frozenset[str]) -> Hashable:
        return self._call.remote(work, self._store, task, keys)

    def wait(self, handles: list[Any]) -> Iterable[Any]:
        return self._ray.wait(handles)[0]

    def result(self, handle: Any) -> Made:
        errors = self._ray.exceptions
        try:
            return self._ray.get(handle)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError):
            raise _Died from None

    def close(self, handles: list[Any]) -> None:
        for handle in handles:
            self._ray.cancel(handle)


def _lost(what: str) -> ConnectionError:
    return ConnectionError(f"{what}; what is finished is kept, so start it again and run the same command again")


def in_processes(jobs: int, store: Store, work: Work, waiting: Waiting) -> Results:
    """Do tasks in processes of this machine, each of which may die and take nothing with it but the cell it was at.

    Parameters
    ----------
    jobs : int
        Processes at a time.
    store : Store
        Where :func:`~ganaug.bench.execution.workers.execute` marks what runs.
    work : callable
        Does a task; it can be pickled.
    waiting : iterable of (task, keys)

    Yields
    ------
    tuple of (task, records)
        As they are finished. A cell whose process died is a record with that reason.
    """
    return _handed_out(_Processes(), lambda: jobs, store, work, waiting)


@contextlib.contextmanager
def parallel(
    backend: str, jobs: int | None, scheduler: str | None, store: Store, *, apart: bool = False
) -> Iterator[tuple[Callable[[Work, Waiting], Results], AtATime]]:
    """Workers to hand tasks to.

    Parameters
    ----------
    backend : {"processes", "dask", "ray"}
    jobs : int or None
        Processes on this machine; with dask or ray, tasks that run at a time at most. None for one for each core here,
        each worker of dask, each core of ray, of all that the cluster has at the time.
    scheduler : str or None
        Address of a dask scheduler or a ray cluster; None starts one here.
    store : Store
        Of the run.
    apart : bool
        Whether a single process is to be another one than this too.

    Yields
    ------
    hand_out : callable
        Takes what does a task, and the tasks with their keys; yields the results as they are finished. A cell of which
        the process died is a record with that reason; on a cluster it is tried on another worker first. It raises
        ``ConnectionError`` where a cluster has no worker, or its scheduler is lost.
    at_a_time : callable
        Says how many tasks may run now.

    Raises
    ------
    ValueError
        If the backend is unknown, its package is missing, or nobody answers at the address.
    """
    if backend == "processes":
        if scheduler is not None:
            raise ValueError("scheduler is the address of a cluster; pass backend='dask' or backend='ray' with it")
        processes = jobs or joblib.cpu_count()
        here = processes == 1 and not apart
        yield _here if here else functools.partial(in_processes, processes, store), lambda: processes
    elif backend == "dask":
        dask = _Dask(scheduler, store)
        most = dask.size if jobs is None else lambda: jobs
        with dask.client:
            yield functools.partial(_handed_out, dask, most, store), most
    elif backend == "ray":
        ray = _Ray(scheduler, store)
        most = ray.size if jobs is None else lambda: jobs
        yield functools.partial(_handed_out, ray, most, store), most
    else:
        raise ValueError(f"there is no backend {backend!r}{nearest(backend, BACKENDS)}")


def _here(work: Work, waiting: Waiting) -> Results:
    yield from itertools.starmap(work, waiting)
