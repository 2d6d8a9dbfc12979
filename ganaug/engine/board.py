"""TensorBoard's files, written while the caller waits.

``torch.utils.tensorboard.SummaryWriter`` writes them from a thread of its own, and a full disk ends that thread with a
traceback which nothing can catch.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

__all__ = ["Board"]


class Board:
    """One file of scalars and pictures for TensorBoard; needs the package ``tensorboard``.

    Parameters
    ----------
    folder : path-like
        Where the file is made.
    purge_step : int or None
        What other files in the folder say of this step and later ones is ignored.

    Raises
    ------
    OSError
        Here and in :meth:`add`, if the file cannot be written.
    """

    def __init__(self, folder: str | Path, purge_step: int | None = None) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event = Event
        now = time.time()
        # TensorBoard reads the files of a folder in the order of their names.
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{time.perf_counter_ns()}"
        self._file = (Path(folder) / name).open("wb")
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        if purge_step is not None:
            self._write(step=purge_step, session_log=SessionLog(status=SessionLog.START))
        self._file.flush()

    def add(self, step: int, scalars: Mapping[str, float], grid: Tensor | None = None) -> None:
        """Write numbers by name, and a picture (channels, height, width), uint8, as "samples"."""
        from torch.utils.tensorboard.summary import image, scalar

        for name, value in scalars.items():
            self._write(step=step, summary=scalar(name, value))
        if grid is not None:
            self._write(step=step, summary=image("samples", grid, dataformats="CHW"))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, **what: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **what).SerializeToString())
