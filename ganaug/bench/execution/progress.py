"""What a run shows of its progress: cells finished, failed and left, and the time that these will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ganaug._text import visible
from ganaug.bench.cases.case import Task
from ganaug.bench.execution.scheduling import AtATime

__all__ = ["RunProgress", "TimeLeft", "duration_text"]

LINE_EVERY = 30.0  # seconds, where there is no terminal to draw a bar on


class TimeLeft:
    """Estimates how long the tasks of a run that are left will take.

    What a task costs is taken from finished ones of its arm, or else from all. The estimate is scaled by how fast
    finished ones went by, so that it counts tasks that run side by side and what is done between them.

    Parameters
    ----------
    tasks : list of Task
        That are to be done.
    clock : callable
        Returns seconds.

    Examples
    --------
    >>> tasks = [Task(0, 1, split, "gan", 0, (str(split),), ("knn",)) for split in range(3)]
    >>> now = iter([0.0, 20.0])
    >>> left = TimeLeft(tasks, clock=lambda: next(now))
    >>> left.finished(tasks[0], {"0": {"seconds": 10.0}})
    >>> left.seconds()
    40.0
    """

    def __init__(self, tasks: list[Task], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = dict.fromkeys(tasks)
        self._costs: dict[tuple[int, str | None], list[float]] = {}
        self._started = clock()

    def finished(self, task: Task, made: dict[str, dict[str, Any]]) -> None:
        """Count a task and the seconds that its records hold."""
        self._left.pop(task, None)
        shared = max((record.get("fit_seconds", 0.0) for record in made.values()), default=0.0)
        cost = shared + sum(record.get("seconds", 0.0) for record in made.values())
        self._costs.setdefault((task.stage, task.arm), []).append(max(cost, 1e-3))

    def seconds(self) -> float | None:
        """Seconds that are left; None before the first task is finished."""
        if not self._costs:
            return None
        done = [cost for costs in self._costs.values() for cost in costs]
        means = {kind: sum(costs) / len(costs) for kind, costs in self._costs.items()}
        expected = sum(means.get((task.stage, task.arm), sum(done) / len(done)) for task in self._left)
        return (self._clock() - self._started) / sum(done) * expected


def duration_text(seconds: float) -> str:
    """A rounded time for people.

    Examples
    --------
    >>> [duration_text(s) for s in (7, 80, 400, 9000)]
    ['7 s', '80 s', '7 min', '2.5 h']
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class RunProgress:
    """Live progress on standard error: a bar on a terminal, else a line now and then.

    Parameters
    ----------
    name : str
        Of the suite.
    tasks : list of Task
    records : dict
        Those that there are, by key.
    at_a_time : callable
        Returns how many tasks run side by side.
    verbose : bool
        Whether anything is shown.
    """

    def __init__(
        self, name: str, tasks: list[Task], records: dict[str, Any], at_a_time: AtATime, verbose: bool
    ) -> None:
        self._name = name
        self._at_a_time = at_a_time
        self._waiting = 0
        self._done = {key for key, record in records.items() if record["status"] == "done"}
        self._failed = 0
        self._verbose = verbose
        console = Console(stderr=True)
        self._lines = verbose and not console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            console=console,
            disable=not verbose or self._lines,
        )
        keys = [key for task in tasks for key in task.keys]
        self._total, self._finished = len(keys), sum(key in self._done for key in keys)
        self._bar = self._progress.add_task(visible(name), total=self._total, completed=self._finished, state="")
        self._time_left = TimeLeft([task for task in tasks if self.missing(task)])
        self._last_line = -LINE_EVERY

    def missing(self, task: Task) -> frozenset[str]:
        """Records that are to be made."""
        return frozenset(key for key in task.keys if key not in self._done)

    def start(self, n_tasks: int, deadly: list[tuple[Task, frozenset[str]]]) -> None:
        """Show how many tasks are waiting, and which run in a process of their own."""
        self._waiting = n_tasks
        for task, _ in deadly:
            self._say(f"{task.name}: a process died in it; it gets one of its own")
        self._progress.update(self._bar, state=self._state())

    def finished(self, task: Task, made: dict[str, dict[str, Any]]) -> None:
        """Count the records of a task."""
        bad = [record for record in made.values() if record["status"] != "done"]
        self._failed += len(bad)
        self._finished += len(made)
        self._waiting -= 1
        self._time_left.finished(task, made)
        for record in bad:
            what = f"{task.name}{', ' if record['classifier'] else ''}{record['classifier']}"
            self._say(f"{what} {record['status']}: {record['reason']}")
        state = self._state()
        self._progress.update(
            self._bar, completed=self._finished, description=visible(f"{self._name}, {task.name} finished"), state=state
        )
        now = time.monotonic()
        if self._lines and now >= self._last_line + LINE_EVERY:
            self._last_line = now
            self._say(f"{self._name}: {self._finished} of {self._total} cells finished, {state}")

    def _state(self) -> str:
        parts = [f"{min(self._at_a_time(), self._waiting)} running"]
        if self._failed:
            parts.append(f"{self._failed} failed")
        if (left := self._time_left.seconds()) is not None:
            parts.append(f"about {duration_text(left)} left")
        return ", ".join(parts)

    def _say(self, text: str) -> None:
        if self._verbose:
            self._progress.console.print(visible(text), markup=False, emoji=False, soft_wrap=True)

    def __enter__(self) -> RunProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.update(self._bar, description=visible(self._name))
        self._progress.stop()
