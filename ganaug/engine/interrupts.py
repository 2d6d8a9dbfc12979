"""Signals that end a program, put off until the work at hand is safe."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts"]


class Interrupts:
    """Notes SIGINT and SIGTERM in place of acting on them, until they are delivered.

    Only in the main thread, where Python lets signals be handled; elsewhere it does nothing. A signal that is ignored,
    or handled outside of Python, is left alone. A second one while the first is put off acts at once.

    Parameters
    ----------
    enabled : bool, default=True
        Whether signals are noted at all.

    Examples
    --------
    >>> import signal
    >>> with Interrupts() as interrupts:
    ...     signal.raise_signal(signal.SIGINT)
    ...     print(interrupts.caught)
    True
    """

    def __init__(self, enabled: bool = True) -> None:
        self._enabled = enabled
        self._previous: dict[int, Any] = {}
        self._number: int | None = None

    @property
    def caught(self) -> bool:
        """Whether a signal is waiting."""
        return self._number is not None

    def __enter__(self) -> Interrupts:
        if self._enabled and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                previous = signal.getsignal(number)
                if previous is not None and previous is not signal.SIG_IGN:
                    self._previous[number] = previous
                    signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.caught:
            self._act(number, frame)
        self._number = number

    def deliver(self) -> None:
        """Let the waiting signal, if there is one, have its usual effect; returns if that does not end the program."""
        number, self._number = self._number, None
        if number is not None:
            self._act(number, None)

    def _act(self, number: int, frame: FrameType | None) -> None:
        previous = self._previous[number]
        if callable(previous):
            previous(number, frame)
        else:
            signal.signal(number, previous)
            signal.raise_signal(number)
