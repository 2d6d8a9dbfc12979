"""Workers of a ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from ganaug.bench.execution.scheduling import CLUSTER_DEATHS, WorkerDiedError
from ganaug.bench.suite.plugins import require

__all__ = ["Ray"]


class Ray:
    """Workers of a ray cluster, one for each core.

    Parameters
    ----------
    address : str or None
        Of the cluster; None takes the one that this process is connected to, or else starts one on this machine.

    Raises
    ------
    ValueError
        If the package is missing, or no cluster answers.
    """

    deaths = CLUSTER_DEATHS

    def __init__(self, address: str | None) -> None:
        self._ray = require("ray", "ray")
        self._connected_here = not self._ray.is_initialized()
        try:
            self._ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
        except (ConnectionError, ValueError) as error:
            raise ValueError(f"no ray cluster answers at {address}: {str(error).splitlines()[0]}") from None
        self._call = self._ray.remote(max_retries=self.deaths - 1)(_call)

    def size(self) -> int:
        """Cores of the nodes that there are now."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def submit(self, work: Callable[..., Any], *args: Any) -> Hashable:
        """Start a call on a core."""
        return self._call.remote(work, *args)

    def wait(self, handles: list[Any]) -> Iterable[Any]:
        """Wait until at least one call is done."""
        return self._ray.wait(handles)[0]

    def result(self, handle: Any) -> Any:
        """Return the result of a call."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(handle)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError):
            raise WorkerDiedError from None

    def cancel(self, handles: list[Any]) -> None:
        """Stop calls that are not done."""
        for handle in handles:
            self._ray.cancel(handle)

    def close(self) -> None:
        """Leave the cluster, or end the one that was started here."""
        if self._connected_here:
            self._ray.shutdown()


def _call(work: Callable[..., Any], *args: Any) -> Any:  # ray takes functions, but no partial ones
    return work(*args)
