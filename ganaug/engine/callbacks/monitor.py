"""What a training run reports: progress bar, JSON lines, TensorBoard."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from ganaug._text import visible
from ganaug.data.files import read_regular, user_path, write_atomically
from ganaug.data.json_values import whole
from ganaug.engine.callback import Callback
from ganaug.engine.progress import Silent, notebook_display, progress_for
from ganaug.engine.state import TrainingState

__all__ = ["Monitor"]

GRID_EVERY = 500  # steps between two sample grids


class Monitor(Callback):
    """Reports a training run as it proceeds.

    Parameters
    ----------
    steps : int
        Length of the run.
    verbose : bool or "auto"
        Whether progress is shown: by a bar on a terminal or in a notebook, elsewhere by a line every few seconds on
        standard error. "auto" shows the bars only.
    log_dir : path-like or None
        Folder for ``metrics.jsonl`` (one JSON object a line: readings, and events with an "event" key) and, where
        the package ``tensorboard`` is installed, TensorBoard scalars and sample grids.
    sample_grid : callable or None
        Takes the moving averages by name and returns an image tensor (channels, height, width) uint8, for TensorBoard.

    Attributes
    ----------
    lines : int
        Readings and events in ``metrics.jsonl``, those before a checkpoint included.

    Notes
    -----
    A log that cannot be opened is an error; one that can no longer be written, to a disk that is full for example, is a
    warning, and training continues without.
    """

    name = "monitor"

    def __init__(
        self,
        steps: int,
        *,
        verbose: bool | Literal["auto"] = "auto",
        log_dir: str | Path | None = None,
        sample_grid: Callable[[Any], Tensor] | None = None,
    ) -> None:
        self._steps = steps
        self._progress = progress_for(steps, verbose, sys.stderr, notebook_display())
        self._log_dir = user_path(log_dir) if log_dir is not None else None
        self._sample_grid = sample_grid
        self._lines: Any = None
        self._board: Any = None
        self._last_grid = 0
        self.lines = 0

    def on_begin(self, state: TrainingState) -> None:
        """Open the log: empty, or with what it said up to the step that an earlier run is resumed from."""
        self._last_grid = state.step
        if self._log_dir is not None:
            try:
                self._log_dir.mkdir(parents=True, exist_ok=True)
                self._open(self._log_dir, state.step)
            except (FileExistsError, NotADirectoryError):
                raise ValueError(f"log_dir must be a folder, got {self._log_dir}, where there is a file") from None
            except OSError as error:
                raise _unwritable(self._log_dir, error) from None
        self._progress.begin(state.step)

    def on_end(self, state: TrainingState) -> None:
        """Close the log."""
        self._progress.end()
        self._close()

    def state_dict(self) -> dict[str, Any]:
        """Lines of the log so far, of which so many are kept when the run is resumed."""
        return {"lines": self.lines}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        self.lines = whole(state["lines"], "lines", 0, 2**53)

    def _open(self, folder: Path, step: int) -> None:
        path = folder / "metrics.jsonl"
        earlier = read_regular(path).decode().splitlines(keepends=True) if self.lines and path.exists() else []
        kept = [line for line in earlier[: self.lines] if line.endswith("\n")]  # the last may be half of one
        write_atomically(path, "".join(kept))
        self.lines = len(kept)
        self._lines = path.open("a", encoding="utf-8", buffering=1)
        if importlib.util.find_spec("tensorboard") is not None:
            from ganaug.engine.board import Board

            self._board = Board(folder, purge_step=step + 1 if step else None)

    def _close(self) -> None:
        for sink in (self._lines, self._board):
            if sink is not None:
                with contextlib.suppress(OSError):  # what could not be written before is tried once more
                    sink.close()
        self._lines = self._board = None

    def draws(self, state: TrainingState) -> bool:
        """Whether a sample grid is due."""
        due = state.step - self._last_grid >= GRID_EVERY or state.step == self._steps
        return due and self._board is not None and self._sample_grid is not None

    def on_reading(self, state: TrainingState) -> None:
        """Record one reading of the losses, and now and then a sample grid."""
        values = state.history[-1]
        rate = f"{values['images_per_second']:,.0f} images/s"
        self._progress.update(int(values["step"]), rate, state.objective.summary(values))
        self._write(values)
        if self._board is None:
            return
        step = int(values["step"])
        scalars = {name: value for name, value in values.items() if name not in ("step", "seconds")}
        grid = None
        if self._sample_grid is not None and self.draws(state):
            self._last_grid = step
            grid = self._sample_grid(state.objective.ema)
        try:
            self._board.add(step, scalars, grid)
        except OSError as error:
            self._give_up(step, error)

    def on_event(self, name: str, **values: Any) -> None:
        """Record something out of the ordinary, such as going back to an earlier state."""
        self._write({"event": name, **values})
        if type(self._progress) is not Silent:
            plain = {k: v for k, v in values.items() if not isinstance(v, dict)}  # not the values of all classes
            shown = (f"{k} {visible(v) if isinstance(v, str) else format(v, 'g')}" for k, v in plain.items())
            self._progress.note(f"{name}: " + ", ".join(shown))

    def _write(self, values: dict[str, Any]) -> None:
        if self._lines is None:
            return
        try:
            self._lines.write(json.dumps(values) + "\n")
        except OSError as error:
            self._give_up(int(values["step"]), error)
        else:
            self.lines += 1

    def _give_up(self, step: int, error: OSError) -> None:
        self._close()
        warnings.warn(
            f"the log in {self._log_dir} could not be written after step {step} ({error.strerror or error}); training "
            "continues without, what was written before stays",
            stacklevel=3,
        )


def _unwritable(folder: Path, error: OSError) -> ValueError:
    return ValueError(
        f"log_dir {folder} must be a folder that can be written to ({error.strerror or error}); choose another one"
    )
