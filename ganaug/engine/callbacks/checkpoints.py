"""A folder of checkpoints: written so that a crash at any moment loses none that was there, verified when read.

A checkpoint is one safetensors file; its header holds the rest of the state and a description of the run as JSON.
Nothing in it is pickled. The name of the file ends in the beginning of its SHA-256, so that content and checksum
appear together, in one rename.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
from torch import Tensor

from ganaug.data.files import read_regular, sha256_of, user_path, write_atomically
from ganaug.data.json_values import clip, parsed, short
from ganaug.engine.callback import Callback
from ganaug.engine.interrupts import Interrupts
from ganaug.engine.state import TrainingState

__all__ = ["Checkpoints", "newest_valid"]

FORMAT, FORMAT_VERSION = "ganaug.checkpoint", 2
KEEP = 3
AGREE_EVERY = 10  # steps between two times that several processes ask each other for signals, which a GPU waits for
MOST = 2**34  # bytes: weights, their averages, optimisers and the last good state
AUTO_SECONDS = 60.0  # between two checkpoints at least
AUTO_SHARE = 0.02  # of the time may be spent on writing them
NAME = re.compile(r"checkpoint-(\d{6,})-step\d+-([0-9a-f]{16})\.safetensors")
SEED = "random_state"  # the part of a run's description that may be left open
MOST_NAMED = 3  # changed options in one sentence


class Checkpoints(Callback):
    """The checkpoints of one training run.

    While it lasts, SIGINT and SIGTERM wait until the step at hand is done and a checkpoint is written; with several
    processes, up to ten steps.

    Parameters
    ----------
    folder : path-like
        Made if need be. Other files in it are left alone.
    every : int or "auto", default="auto"
        Steps between two checkpoints. "auto" writes one a minute or less often, so that it takes no more than a
        fiftieth of the time.
    resume : bool, default=True
        Whether a run that the folder already holds may be resumed.

    Attributes
    ----------
    run : dict
        The description of the run that the folder holds, empty if there is none, and then what :meth:`describe` was
        given.
    found : tuple of dict, or None
        Tensors and values of the newest checkpoint that is not damaged.

    Raises
    ------
    ValueError
        If the folder cannot be written to, or holds a run though `resume` is false.

    Examples
    --------
    >>> import tempfile, torch
    >>> folder = tempfile.mkdtemp()
    >>> checkpoints = Checkpoints(folder)
    >>> checkpoints.describe({"width": 8})
    >>> checkpoints.save(5, {"x": torch.ones(2)}, {"step": 5})
    True
    >>> again = Checkpoints(folder)
    >>> again.describe({"width": 9})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: checkpoint_dir ... holds a run with width 8, which is 9 now; ...
    >>> tensors, values = again.found
    >>> tensors["x"].tolist(), values
    ([1.0, 1.0], {'step': 5})
    """

    name = "checkpoints"

    def __init__(self, folder: str | Path, *, every: int | Literal["auto"] = "auto", resume: bool = True) -> None:
        self.folder = user_path(folder)
        self._every = every
        _check_folder(self.folder)
        if not resume and _numbered(self.folder):
            raise ValueError(
                f"checkpoint_dir {self.folder} holds a run already; resume it by resume=True (--resume), or choose "
                "another folder"
            )
        header, tensors, self._damaged = newest_valid(self.folder)
        self.run: dict[str, Any] = {} if header is None else header["run"]
        self.found: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        if header is not None:
            self.found = tensors, header["values"]
        self._last, self._took = time.monotonic(), 0.0
        self._interrupts = Interrupts()

    def describe(self, run: dict[str, Any]) -> None:
        """Say what is trained, before anything is saved.

        Parameters
        ----------
        run : dict
            JSON values: two runs with equal ones continue alike from the same state.

        Raises
        ------
        ValueError
            If the folder holds a run that is described otherwise; names what changed.
        """
        run = json.loads(json.dumps(run))
        if run.get(SEED) is None and SEED in self.run:
            run[SEED] = self.run[SEED]  # who leaves the seed open also takes that of the run that is there
        then, now = _flat(self.run), _flat(run)
        changed = [name for name in {**then, **now} if then.get(name) != now.get(name)]
        if changed and self.found is not None:
            changes = [_change(clip(name), then.get(name), now.get(name)) for name in changed]
            more = f" and {len(changes) - MOST_NAMED} more changes" if len(changes) > MOST_NAMED else ""
            raise ValueError(
                f"checkpoint_dir {self.folder} holds a run with {', '.join(changes[:MOST_NAMED])}{more}; pass what it "
                "was started with, or choose another folder"
            )
        self.run = run

    def on_resume(self, state: TrainingState) -> None:
        """Load the state that was found, if there is one."""
        if self.found is None:
            return
        try:
            state.load(*self.found)
        except (LookupError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise ValueError(
                f"checkpoint_dir {self.folder} holds a state that this training cannot load ({clip(str(error), 300)}); "
                "choose another folder"
            ) from error

    def on_begin(self, state: TrainingState) -> None:
        """Find out before the training whether its state can be saved, and put off signals from now on."""
        state.dump()
        self._interrupts.__enter__()

    def on_step(self, state: TrainingState) -> None:
        """Write a checkpoint if one is due or a signal waits, which then has its effect."""
        processes, reading = state.processes, state.step == state.good_step
        due = self.due(state.step, reading=reading) or state.ended
        # Processes differ in what is due at readings only, by their clocks; the first one's counts.
        if due or reading or processes.count == 1 or state.step % AGREE_EVERY == 0:
            if processes.any((due and processes.first) or self._interrupts.caught):
                processes.average([state.sums])
                if processes.first:
                    self.save(state.step, *state.dump())
            self._interrupts.deliver()

    def on_end(self, state: TrainingState) -> None:
        """Let signals act at once again."""
        self._interrupts.__exit__(None, None, None)

    def due(self, step: int, *, reading: bool) -> bool:
        """Whether a checkpoint is to be written after this step, which a reading was or was not taken at."""
        if self._every != "auto":
            return step % self._every == 0
        # At a reading the state to go back to is the state itself, and need not be written too.
        return reading and time.monotonic() - self._last >= max(AUTO_SECONDS, self._took / AUTO_SHARE)

    def save(self, step: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> bool:
        """Write a checkpoint and drop all but the last three; if that fails, warn and let the training continue.

        Returns
        -------
        bool
            Whether it was written.
        """
        started = time.monotonic()
        numbers = _numbered(self.folder)
        header = {"format": FORMAT, "format_version": FORMAT_VERSION, "run": self.run, "values": values}
        content = safetensors.torch.save(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            metadata={"ganaug": json.dumps(header)},
        )
        name = f"checkpoint-{max(numbers, default=0) + 1:06d}-step{step}-{sha256_of(content)[:16]}.safetensors"
        try:
            write_atomically(self.folder / name, content)
            _flush(self.folder)
            self._drop_old()
        except OSError as error:
            warnings.warn(
                f"no checkpoint could be written to {self.folder} after step {step} ({error.strerror or error}); "
                "training continues without, those written before stay",
                stacklevel=2,
            )
            return False
        finally:
            self._last = time.monotonic()
            self._took = self._last - started
        return True

    def _drop_old(self) -> None:
        numbered = _numbered(self.folder)
        old = [path for _, path in sorted(numbered.items()) if path not in self._damaged][:-KEEP]
        for path in (*old, *self._damaged, *self.folder.glob(".checkpoint-*.safetensors.*")):
            path.unlink(missing_ok=True)
        self._damaged = []


def newest_valid(folder: Path) -> tuple[dict[str, Any] | None, dict[str, Tensor], list[Path]]:
    """Find the newest checkpoint in a folder that is not damaged.

    Returns
    -------
    header : dict or None
        With the description of the run under "run" and the values of the state under "values"; None if there is none.
    tensors : dict
    damaged : list of Path
        Newer ones that could not be used; each was warned of.
    """
    damaged: list[Path] = []
    for _, path in sorted(_numbered(folder).items(), reverse=True):
        try:
            header, tensors = _read(path)
        except OSError as error:
            warnings.warn(f"{path} cannot be read ({error.strerror or error}); it is skipped", stacklevel=3)
            continue
        except (LookupError, ValueError, TypeError, RecursionError, safetensors.SafetensorError) as error:
            damaged.append(path)
            warnings.warn(f"{path} is damaged ({clip(str(error), 200)}); it is skipped", stacklevel=3)
            continue
        version = header.get("format_version")
        if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= FORMAT_VERSION:
            raise ValueError(
                f"{path} has format version {short(version)}, this ganaug reads up to {FORMAT_VERSION}; upgrade ganaug"
            )
        if version < FORMAT_VERSION:
            raise ValueError(
                f"{path} is of an earlier ganaug (format version {version}), which this one cannot resume; choose "
                "another folder"
            )
        return header, tensors, damaged
    return None, {}, damaged


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    content = read_regular(path, MOST)
    if not path.stem.endswith(sha256_of(content)[:16]):
        raise ValueError("its checksum differs from the one in its name")
    # A safetensors file starts with the length of its JSON header.
    length = int.from_bytes(content[:8], "little")
    header = parsed(parsed(content[8 : 8 + length])["__metadata__"]["ganaug"])
    if header["format"] != FORMAT:
        raise ValueError(f"its format is {short(header['format'])}")
    for part in ("run", "values"):
        if not isinstance(header[part], dict):
            raise ValueError(f"its {part} is {short(header[part])}")
    _flat(header["run"])  # a RecursionError belongs here
    return header, safetensors.torch.load(content)


def _numbered(folder: Path) -> dict[int, Path]:
    """Checkpoints by their number."""
    if not folder.is_dir():
        return {}
    matches = ((NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return {int(match[1]): path for match, path in matches if match}


def _check_folder(folder: Path) -> None:
    """Find out before the training, not in its midst, that checkpoints cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        raise ValueError(
            f"checkpoint_dir {folder} must be a folder that can be written to ({error.strerror or error}); choose "
            "another one"
        ) from None


def _flush(folder: Path) -> None:
    """Bring a rename to the disk, before older files go."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _change(name: str, then: Any, now: Any) -> str:
    """Say what of an option is different."""
    if isinstance(then, list) and isinstance(now, list):
        gone, new = [part for part in then if part not in now], [part for part in now if part not in then]
        if gone and new:
            return f"{name} with {short(gone, 48)}, in place of which is {short(new, 48)} now"
        if gone:
            return f"{name} with {short(gone, 48)}, which is not there now"
        if new:
            return f"{name} without {short(new, 48)}, which is there now"
    return f"{name} {short(then, 24)}, which is {short(now, 24)} now"


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
