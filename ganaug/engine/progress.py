"""How far a training is: a bar on a terminal or in a notebook, lines in a log file."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["LogLines", "NotebookBar", "Silent", "TerminalBar", "notebook_display", "progress_for"]

LINE_EVERY = 5.0  # seconds


class Silent:
    """Shows nothing; what the others derive from.

    Parameters
    ----------
    steps : int
        Length of the training.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def begin(self, step: int) -> None:
        """Start at a step, which is not 0 where a training is resumed."""

    def update(self, step: int, rate: str, losses: str) -> None:
        """Show a reading."""

    def note(self, text: str) -> None:
        """Show a line of text that stays."""

    def end(self) -> None:
        """Leave what was shown last."""


class TerminalBar(Silent):
    """A bar on standard error."""

    def begin(self, step: int) -> None:
        """Draw the bar."""
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("", total=self.steps, completed=step, rate="", losses="")
        self._bar.start()

    def update(self, step: int, rate: str, losses: str) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=step, rate=rate, losses=losses)

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(text, markup=False, emoji=False)

    def end(self) -> None:
        """Stop redrawing."""
        self._bar.stop()


class _Timed(Silent):
    """Knows how long the rest will take.

    Parameters
    ----------
    steps : int
    clock : callable
        Seconds since some moment.
    """

    def __init__(self, steps: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(steps)
        self._clock = clock

    def begin(self, step: int) -> None:
        """Start the clock."""
        self._first, self._began = step, self._clock()

    def _line(self, step: int, rate: str, losses: str) -> str:
        done = step - self._first
        left = (self._clock() - self._began) * (self.steps - step) / done if done > 0 else 0.0
        remaining = f"{int(left // 60)}:{int(left % 60):02d} left" if 0 < step < self.steps else ""
        parts = [f"step {step:,} of {self.steps:,} ({100 * step // max(1, self.steps)} %)", rate, remaining, losses]
        return ", ".join(part for part in parts if part)


class LogLines(_Timed):
    """A line every few seconds, for standard error that is a file or a pipe.

    Parameters
    ----------
    steps : int
    stream : file object
    clock : callable
        Seconds since some moment.

    Examples
    --------
    >>> lines = LogLines(100, sys.stdout, clock=iter([0.0, 6.0, 6.0, 7.0, 12.0, 12.0]).__next__)
    >>> lines.begin(0)
    >>> lines.update(50, "80 images/s", "")
    training: step 50 of 100 (50 %), 80 images/s, 0:06 left
    >>> lines.update(60, "80 images/s", "")
    >>> lines.update(100, "80 images/s", "")
    training: step 100 of 100 (100 %), 80 images/s
    """

    def __init__(self, steps: int, stream: Any, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(steps, clock)
        self._stream = stream

    def begin(self, step: int) -> None:
        """Start the clock."""
        super().begin(step)
        self._last = self._began

    def update(self, step: int, rate: str, losses: str) -> None:
        """Write a line if the last one was written a while ago, and at the end."""
        now = self._clock()
        if now - self._last >= LINE_EVERY or step == self.steps:
            self._last = now
            print(f"training: {self._line(step, rate, losses)}", file=self._stream, flush=True)

    def note(self, text: str) -> None:
        """Write the line at once."""
        print(text, file=self._stream, flush=True)


class NotebookBar(_Timed):
    """A bar of plain HTML, which needs no widgets.

    Parameters
    ----------
    steps : int
    display : callable
        ``IPython.display.display``.
    clock : callable
        Seconds since some moment.
    """

    def __init__(self, steps: int, display: Callable[..., Any], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(steps, clock)
        self._display = display

    def begin(self, step: int) -> None:
        """Draw the bar."""
        super().begin(step)
        self._notes: list[str] = []
        self._shown = step, f"step {step:,} of {self.steps:,}"
        self._handle = self._display(self._page(), raw=True, display_id=True)

    def update(self, step: int, rate: str, losses: str) -> None:
        """Draw the bar anew in its place."""
        self._shown = step, self._line(step, rate, losses)
        self._handle.update(self._page(), raw=True)

    def note(self, text: str) -> None:
        """Add a line below the bar."""
        self._notes.append(text)
        self._handle.update(self._page(), raw=True)

    def _page(self) -> dict[str, str]:
        step, line = self._shown
        bar = f'<progress value="{step}" max="{self.steps}" aria-label="training"></progress>'
        below = "".join(f"<br>{html.escape(note)}" for note in self._notes)
        return {
            "text/plain": "\n".join([f"training: {line}", *self._notes]),
            "text/html": f"<div>training {bar} {html.escape(line)}{below}</div>",
        }


def notebook_display() -> Callable[..., Any] | None:
    """``IPython.display.display`` in a notebook, None elsewhere; IPython is not imported for it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:  # on a terminal IPython has none
        return None
    from IPython.display import display

    return display


def progress_for(
    steps: int, verbose: bool | Literal["auto"], stream: Any, display: Callable[..., Any] | None
) -> Silent:
    """How a training is shown: bars on terminals and in notebooks, lines elsewhere if they are asked for.

    Parameters
    ----------
    steps : int
    verbose : bool or "auto"
    stream : file object or None
        Standard error.
    display : callable or None
        As :func:`notebook_display` returns it.

    Examples
    --------
    >>> import io
    >>> [type(progress_for(10, verbose, io.StringIO(), None)).__name__ for verbose in (True, False, "auto")]
    ['LogLines', 'Silent', 'Silent']
    """
    if not verbose or stream is None:
        return Silent(steps)
    if display is not None:
        return NotebookBar(steps, display)
    if stream.isatty():
        return TerminalBar(steps)
    return Silent(steps) if verbose == "auto" else LogLines(steps, stream)
