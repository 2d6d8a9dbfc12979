"""Which executor does the tasks of a run: processes of this machine, a dask cluster, or one of the user's."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator

import joblib

from ganaug.bench.execution.dask_cluster import Dask
from ganaug.bench.execution.processes import Processes
from ganaug.bench.execution.scheduling import AtATime, Executor, Results, Waiting, Work, hand_out
from ganaug.bench.records.store import Store
from ganaug.data.suggestions import nearest

__all__ = ["in_processes", "parallel"]

BACKENDS = ("processes", "dask")


def in_processes(jobs: int, store: Store, work: Work, waiting: Waiting) -> Results:
    """Do tasks in processes of this machine, as :func:`~ganaug.bench.execution.scheduling.hand_out` does."""
    with contextlib.closing(Processes(jobs)) as processes:
        yield from hand_out(processes, processes.size, store, work, waiting)


@contextlib.contextmanager
def parallel(
    backend: str | Executor, jobs: int | None, scheduler: str | None, store: Store, *, apart: bool = False
) -> Iterator[tuple[Callable[[Work, Waiting], Results], AtATime]]:
    """Workers that do tasks.

    Parameters
    ----------
    backend : {"processes", "dask"} or Executor
        An executor is not closed.
    jobs : int or None
        Processes on this machine; with other backends, tasks that run at a time at most. None for one for each core
        here, or each worker of dask, of all that the cluster has at the time.
    scheduler : str or None
        Address of a dask scheduler; None starts one here.
    store : Store
        Of the run.
    apart : bool
        Whether a single process is to be another one than this too.

    Yields
    ------
    run : callable
        Takes what does a task, and the tasks with their keys; yields the results as they are finished. A cell of which
        the process died is a record with that reason; on a cluster it is tried on another worker first. It raises
        ``ConnectionError`` where a cluster has no worker, or its scheduler is lost.
    at_a_time : callable
        Returns how many tasks may run now.

    Raises
    ------
    ValueError
        If the backend is unknown, its package is missing, or nobody answers at the address.
    """
    if not isinstance(backend, Executor) and backend not in BACKENDS:
        raise ValueError(f"there is no backend {backend!r}{nearest(backend, BACKENDS)}")
    if scheduler is not None and backend != "dask":
        raise ValueError("scheduler is the address of a dask scheduler; pass backend='dask' with it")
    with contextlib.ExitStack() as stack:
        if isinstance(backend, Executor):
            executor = backend
        elif backend == "dask":
            executor = stack.enter_context(contextlib.closing(Dask(scheduler)))
        else:
            jobs = jobs or joblib.cpu_count()
            if jobs == 1 and not apart:
                yield _here, lambda: 1
                return
            executor = stack.enter_context(contextlib.closing(Processes(jobs)))
        at_a_time = executor.size if jobs is None else lambda: jobs
        yield functools.partial(hand_out, executor, at_a_time, store), at_a_time


def _here(work: Work, waiting: Waiting) -> Results:
    yield from itertools.starmap(work, waiting)
