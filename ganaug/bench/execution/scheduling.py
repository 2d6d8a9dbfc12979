"""How tasks are given to an executor, and what becomes of a cell whose process dies."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import joblib

from ganaug.bench.cases.case import Task, heading
from ganaug.bench.execution.workers import Made
from ganaug.bench.records.provenance import environment
from ganaug.bench.records.store import Store

__all__ = ["DIED", "AtATime", "Executor", "Results", "Waiting", "Work", "WorkerDiedError", "hand_out"]

DIED = "its process died: killed, out of memory, or ended by what ran in it"
Work = Callable[[Task, frozenset[str]], Made]
Waiting = Iterable[tuple[Task, frozenset[str]]]  # tasks, and the keys of their records that are to be made
Results = Generator[Made, None, None]
AtATime = Callable[[], int]  # how many tasks may run now


class WorkerDiedError(Exception):
    """The process that ran a task is gone."""


@runtime_checkable
class Executor(Protocol):
    """Runs calls in other processes, each of which may die. A call has a handle until its result is taken.

    Attributes
    ----------
    deaths : int
        Processes that may die in a cell before it counts as failed.
    """

    deaths: int

    def size(self) -> int:
        """Calls that may run at a time now, at least 1."""

    def submit(self, work: Callable[..., Any], *args: Any) -> Hashable:
        """Start a call and return its handle."""

    def wait(self, handles: list[Any]) -> Iterable[Any]:
        """Wait until at least one call is done; return the handles of those that are.

        Raises
        ------
        ConnectionError
            If nothing is left that could do them.
        """

    def result(self, handle: Any) -> Any:
        """Return the result of a call that is done, or raise what it raised.

        Raises
        ------
        WorkerDiedError
            If its process died.
        """

    def cancel(self, handles: list[Any]) -> None:
        """Stop calls that are not done."""

    def close(self) -> None:
        """End the processes that this executor has started."""


def hand_out(executor: Executor, at_a_time: AtATime, store: Store, work: Work, waiting: Waiting) -> Results:
    """Do tasks, so many at a time; a process that dies takes nothing along but the cell that it was at.

    Parameters
    ----------
    executor : Executor
    at_a_time : callable
        Returns how many tasks may run now.
    store : Store
        Where :func:`~ganaug.bench.execution.workers.execute` marks what runs.
    work : callable
        Does a task; it can be pickled.
    waiting : iterable of (task, keys)

    Yields
    ------
    tuple of (task, records)
        As they are finished. A cell whose processes died is a record with that reason.
    """
    deaths = executor.deaths
    waiting = list(waiting)
    asked = [key for _, keys in waiting for key in keys]
    store.forget_failures(asked)  # a failure that is found from here on is of this run, as where a result was lost
    if deaths > 1:  # they are counted from here on
        store.ended(asked)
    call = (
        functools.partial(_less_what_is_done, store, deaths, work) if deaths > 1 else functools.partial(_nested, work)
    )
    queue = deque(_Job(*item) for item in waiting)
    running: dict[Any, _Job] = {}
    try:
        while queue or running:
            most = at_a_time()
            while queue and len(running) < most:
                job = queue.popleft()
                running[executor.submit(call, job.task, job.keys)] = job
            finished = []
            for handle in executor.wait(list(running)):
                job = running.pop(handle)
                try:
                    job.made |= executor.result(handle)[1]
                except WorkerDiedError:
                    job.take_death(store, deaths)
                    if job.keys:
                        queue.appendleft(job)
                        continue
                finished.append((job.task, job.made))
            del handle  # a result that a handle is left of would be made again, were the worker that holds it lost
            yield from finished
    finally:
        executor.cancel(list(running))


@dataclass
class _Job:
    """A task, the keys of it that are left, what was made before its process died, and how often one has."""

    task: Task
    keys: frozenset[str]
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    died: int = 0

    def take_death(self, store: Store, deaths: int) -> None:
        """Keep what is there after the process of the task has died, and give up cells that may have ended it."""
        self.died += 1
        made, marked = _so_far(store, self.task, self.keys, deaths)
        if self.died >= (deaths * len(self.task.keys) if marked else deaths):  # no mark says where, or none is true
            left = [key for key in self.task.keys if key in self.keys and key not in made]
            made |= _fallen(store, self.task, left)
        self.made |= made
        self.keys -= made.keys()


def _nested(work: Work, task: Task, keys: frozenset[str]) -> Made:
    # What a classifier does in parallel itself, it does in threads.
    with joblib.parallel_config(backend="threading"):
        return work(task, keys)


def _less_what_is_done(store: Store, deaths: int, work: Work, task: Task, keys: frozenset[str]) -> Made:
    """Do a task on a worker, less what workers did that were lost since it was submitted, and what they died in."""
    made, _ = _so_far(store, task, keys, deaths)
    left = keys - made.keys()
    return task, made | (_nested(work, task, left)[1] if left else {})


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
