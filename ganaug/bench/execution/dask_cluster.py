"""Workers of a dask cluster."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

from ganaug.bench.execution.scheduling import WorkerDiedError
from ganaug.bench.suite.plugins import require

__all__ = ["Dask"]

SCHEDULER = "the dask scheduler was lost"


class Dask:
    """Workers of a dask cluster, which gives the calls of lost ones to others.

    Parameters
    ----------
    address : str or None
        Of the scheduler; None starts a cluster on this machine.
    patience : float
        Seconds in which a scheduler must answer.
    alone : float
        Seconds in which the cluster may have no workers: the first take a while, lost ones are often started again.
    look : float
        Seconds between two looks at that.

    Raises
    ------
    ValueError
        If the package is missing, or no scheduler answers.
    """

    deaths = 2  # a cluster loses workers for other reasons too: a cell is tried on a second one

    def __init__(self, address: str | None, *, patience: float = 30, alone: float = 30, look: float = 1) -> None:
        self._distributed = require("distributed", "dask")
        self._alone, self._look = alone, look
        own = {} if address else {"threads_per_worker": 1}
        try:
            self._client = self._distributed.Client(address, timeout=f"{patience}s", **own)
        except OSError as error:
            raise ValueError(f"no dask scheduler answers at {address}: {str(error).splitlines()[0]}") from None

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        """Raise ``ConnectionError`` where the scheduler does not answer."""
        lost = (OSError, self._distributed.CancelledError, self._distributed.client.ClosedClientError)
        try:
            if self._client.status != "running":  # even if it comes back, what was submitted does not
                raise _lost(SCHEDULER)
            yield
        except lost:
            raise _lost(SCHEDULER) from None

    def _n_workers(self) -> int:
        with self._connected():
            return len(self._client.nthreads())

    def size(self) -> int:
        """Workers that there are now, each of which computes one cell at a time, on however many threads."""
        return max(1, self._n_workers())

    def submit(self, work: Callable[..., Any], *args: Any) -> Hashable:
        """Start a call on a worker."""
        with self._connected():
            return self._client.submit(work, *args, pure=False)

    def wait(self, handles: list[Any]) -> Iterable[Any]:
        """Wait until at least one call is done; ``ConnectionError`` if the scheduler or all workers are lost."""
        seen = time.monotonic()
        while True:
            with self._connected(), contextlib.suppress(self._distributed.TimeoutError):
                return self._distributed.wait(handles, timeout=self._look, return_when="FIRST_COMPLETED").done
            if self._n_workers():
                seen = time.monotonic()
            elif time.monotonic() - seen > self._alone:
                raise _lost("the dask cluster has no worker")

    def result(self, handle: Any) -> Any:
        """Return the result of a call."""
        try:
            return handle.result()
        except self._distributed.KilledWorker:
            raise WorkerDiedError from None
        except self._distributed.CancelledError:
            raise _lost(SCHEDULER) from None

    def cancel(self, handles: list[Any]) -> None:
        """Stop calls that have not begun."""
        with contextlib.suppress(OSError, self._distributed.CancelledError):
            self._client.cancel(handles)

    def close(self) -> None:
        """Leave the cluster, or end the one that was started here."""
        self._client.close()


def _lost(what: str) -> ConnectionError:
    return ConnectionError(f"{what}; what is finished is kept, so start it again and run the same command again")
