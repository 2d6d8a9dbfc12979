"""Processes of this machine, by ``loky``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from loky import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from loky.process_executor import TerminatedWorkerError

from ganaug.bench.execution.scheduling import WorkerDiedError

__all__ = ["Processes"]

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Processes:
    """Processes of this machine, started when they are needed and kept until :meth:`close`.

    Unlike those of the standard library, workers of ``loky`` do not import the program's script again, and take what is
    defined in it or in a notebook.

    Parameters
    ----------
    jobs : int
        Processes at a time.

    Examples
    --------
    >>> pool = Processes(1)
    >>> handle = pool.submit(divmod, 7, 2)
    >>> [pool.result(done) for done in pool.wait([handle])]
    [(3, 1)]
    >>> pool.close()
    """

    deaths = 1

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._idle: list[ProcessPoolExecutor] = []
        self._busy: dict[Future, ProcessPoolExecutor] = {}

    def size(self) -> int:
        """Processes at a time."""
        return self._jobs

    def submit(self, work: Callable[..., Any], *args: Any) -> Future:
        """Start a call in a process that has none."""
        # Of one process each: in a pool of several, the death of one is the end of all.
        worker = self._idle.pop() if self._idle else ProcessPoolExecutor(1, env=ONE_THREAD)
        try:
            future = worker.submit(work, *args)
        except TerminatedWorkerError:  # it died while it had nothing to do
            worker.shutdown(kill_workers=True)
            return self.submit(work, *args)
        self._busy[future] = worker
        return future

    def wait(self, handles: list[Future]) -> Iterable[Future]:
        """Wait until at least one call is done; return the handles of those that are."""
        return wait(handles, return_when=FIRST_COMPLETED).done

    def result(self, handle: Future) -> Any:
        """Return the result of a call; its process is free for another one."""
        worker = self._busy.pop(handle)
        try:
            made = handle.result()
        except TerminatedWorkerError:
            worker.shutdown(kill_workers=True)
            raise WorkerDiedError from None
        except BaseException:
            self._idle.append(worker)
            raise
        self._idle.append(worker)
        return made

    def cancel(self, handles: list[Future]) -> None:
        """Kill the processes of these calls."""
        for handle in handles:
            self._busy.pop(handle).shutdown(kill_workers=True)

    def close(self) -> None:
        """Kill all processes."""
        self.cancel(list(self._busy))
        while self._idle:
            self._idle.pop().shutdown(kill_workers=True)
