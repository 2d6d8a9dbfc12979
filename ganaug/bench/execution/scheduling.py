"""How tasks are given to an executor, and what becomes of a cell whose process dies."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

import joblib

from ganaug.bench.cases.case import Task, heading
from ganaug.bench.execution.workers import Made
from ganaug.bench.records.provenance import environment
from ganaug.bench.records.store import Store

__all__ = ["CLUSTER_DEATHS", "DIED", "AtATime", "Executor", "Results", "Waiting", "Work", "WorkerDiedError", "hand_out"]

CLUSTER_DEATHS = 2  # a cluster loses workers for other reasons too: a cell is tried on a second one
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
    queue: Iterator[tuple[Task, frozenset[str], dict[str, Any], int]] = iter([(*item, {}, 0) for item in waiting])
    running: dict[Any, tuple[Task, frozenset[str], dict[str, Any], int]] = {}
    try:
        while True:
            most = at_a_time()
            while len(running) < most and (item := next(queue, None)) is not None:
                running[executor.submit(call, *item[:2])] = item
            if not running:
                return
            finished = []
            for handle in executor.wait(list(running)):
                task, keys, before, died = running.pop(handle)
                try:
                    made = {**before, **executor.result(handle)[1]}
                except WorkerDiedError:
                    made = {**before, **_after_death(store, task, keys, deaths, died + 1)}
                    if left := keys - made.keys():
                        queue = itertools.chain([(task, left, made, died + 1)], queue)
                        continue
                finished.append((task, made))
            del handle  # a result that a handle is left of would be made again, were the worker that holds it lost
            yield from finished
    finally:
        executor.cancel(list(running))


def _nested(work: Work, task: Task, keys: frozenset[str]) -> Made:
    # What a classifier does in parallel itself, it does in threads.
    with joblib.parallel_config(backend="threading"):
        return work(task, keys)


def _less_what_is_done(store: Store, deaths: int, work: Work, task: Task, keys: frozenset[str]) -> Made:
    """Do a task on a worker, less what workers did that were lost since it was submitted, and what they died in."""
    made, _ = _so_far(store, task, keys, deaths)
    left = keys - made.keys()
    return task, made | (_nested(work, task, left)[1] if left else {})


def _after_death(store: Store, task: Task, keys: frozenset[str], deaths: int, died: int) -> dict[str, dict[str, Any]]:
    """Records after the process of a task has died, which has happened `died` times."""
    made, marked = _so_far(store, task, keys, deaths)
    if died >= (deaths * len(task.keys) if marked else deaths):  # no mark says where, or none that is true
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
