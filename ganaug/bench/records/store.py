"""Finished work on disk: one atomic, checksummed file per cell."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ganaug._version import __version__
from ganaug.bench.suite.schema import Suite, digest
from ganaug.data.files import UnreadableFileError, write_atomically
from ganaug.data.json_values import clip, read_json, short

__all__ = ["Store"]

WRITTEN = (
    "grid.json",
    "summary.json",
    "report.*",
    "cells*",
    "gans",
    "running",
    "samples-*.png",
)  # by a run, at its top


class Store:
    """The folder of one benchmark run.

    Parameters
    ----------
    root : path-like
        Made by :meth:`open`.

    Notes
    -----
    ``suite.json`` declares the whole grid, and ``grid.json`` lists it; both are written before the first cell runs.
    ``cells/KEY.json`` holds a cell's record, its key being the hash of everything the cell depends on; ``gans/KEY/``
    holds fitted GANs. ``running/KEY`` is there while a cell runs: where it is left over, a process died in the cell.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def open(
        self, suite: Suite, keys: list[str], data: dict[str, str], code: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Declare the grid of a suite, or check that the same one is declared already.

        Where code of the user's own has been edited since, the grid is declared anew: the keys of the cells that run it
        have changed, so that they run again and the others do not. The time-out belongs to how a suite is run, not to
        what it is: it may change.

        Parameters
        ----------
        suite : Suite
        keys : list of str
            Of all records.
        data : dict
            Hash of the data of each case.
        code : mapping, optional
            Hash of each piece of the user's own code.

        Raises
        ------
        ValueError
            If the folder holds the run of another suite, or of the same one on other data or with other code.
        """
        declared = {
            "version": __version__,
            "suite": _identity(suite.to_dict()),
            "data": data,
            "code": dict(code),
            "grid": digest(keys),
            "cells": len(keys),
        }
        path = self.root / "suite.json"
        if path.exists():
            found = self.declaration()
            found["suite"] = _identity(found["suite"])
            if found == declared:
                return
            known = found["code"] if isinstance(found.get("code"), dict) else {}
            edited = [name for name in {**known, **code} if known.get(name) != code.get(name)]
            if edited and all(found.get(key) == declared[key] for key in ("version", "suite", "data")):
                names = ", ".join(map(short, edited))
                warnings.warn(f"{names}: edited since {self.root} was run; its cells run again", stacklevel=3)
                self._write(path, json.dumps(declared, indent=1))
                return
            name = found["suite"].get("name")
            if name != suite.name:
                other = f"the run of another suite, {short(name)}"
            else:
                version = clip(str(found.get("version")))
                content = "other options" if name == "custom" else "another content of its file"
                words = {"version": f"another version of ganaug, {version}", "suite": content}
                key = next((key for key in ("version", "suite", "data") if found.get(key) != declared[key]), "data")
                other = f"a run of suite {name!r} with {words.get(key, 'another data set')}"
            raise ValueError(f"{self.root} holds {other}; pass another folder, or delete it")
        if self.root.is_file():
            raise ValueError(f"{self.root} is a file; pass the name of a folder for the run")
        foreign = next((found.name for pattern in WRITTEN for found in self.root.glob(pattern)), None)
        if foreign is not None and not path.exists():  # or another part of this run was faster
            raise ValueError(
                f"{self.root} holds no run but {foreign!r}, which a run would replace; pass another folder"
            )
        self._write(path, json.dumps(declared, indent=1))

    def plan(self, tasks: Iterable[Any], data: list[dict[str, Any]], command: str | None) -> None:
        """Keep what a report needs besides the records, so that one can be made at any time, without the data.

        Parameters
        ----------
        tasks : iterable of Task
            All of them, in the order they are reported in.
        data : list of dict
            Of each case: name, classes, sizes and hash.
        command : str or None
            What to type for the same run.
        """
        planned = {"command": command, "data": data, "tasks": [asdict(task) for task in tasks]}
        self._write(self.root / "grid.json", json.dumps(planned))

    def planned(self) -> dict[str, Any]:
        """Content of ``grid.json``: what :meth:`plan` was called with, as plain values."""
        path = self.root / "grid.json"
        try:
            return read_json(path, finite=False)
        except (OSError, ValueError):
            raise ValueError(f"{path} is damaged or not there; run 'ganaug bench run' on the folder again") from None

    def declaration(self) -> dict[str, Any]:
        """Content of ``suite.json``."""
        path = self.root / "suite.json"
        try:
            declared = read_json(path, finite=False)
            if not isinstance(declared, dict) or not isinstance(declared.get("suite"), dict):
                raise ValueError("it declares no suite")
            return declared
        except UnreadableFileError:
            raise
        except OSError:
            raise ValueError(f"{self.root} holds no benchmark run: there is no suite.json in it") from None
        except (ValueError, RecursionError):
            raise ValueError(f"{path} is damaged: it declares no suite; delete the folder and run again") from None

    def read(self, key: str, heading: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any] | None:
        """The record of a cell, or None if there is none, its file is damaged, or it is not under this heading."""
        path = self._path(key)
        try:
            content = read_json(path, finite=False)
            if content["sha256"] == digest(content["record"]) and _is_record(content["record"], heading):
                return content["record"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        warnings.warn(f"{path} is damaged and counts as not run", UserWarning, stacklevel=2)
        return None

    def write(self, key: str, record: dict[str, Any]) -> None:
        """Keep the record of a finished cell."""
        self._write(self._path(key), json.dumps({"sha256": digest(record), "record": record}))

    def forget_failures(self, keys: Iterable[str]) -> None:
        """Delete the records of cells that failed, so that those found later are new."""
        for key in keys:
            if (record := self.read(key)) is not None and record["status"] != "done":
                self._path(key).unlink(missing_ok=True)

    def started(self, keys: Iterable[str]) -> None:
        """Mark cells as running, once more for each time that a process died in them."""
        for key in keys:
            path = self._mark(key)
            try:
                path.parent.mkdir(exist_ok=True)
                with path.open("a") as file:
                    file.write(".")
            except OSError as error:
                raise self._cannot_write(path, error) from error

    def ended(self, keys: Iterable[str]) -> None:
        """Take marks away."""
        for key in keys:
            self._mark(key).unlink(missing_ok=True)

    def starts(self, key: str) -> int:
        """How often a cell has been started since it last ended: more than none if it runs, or a process died in it."""
        try:
            return self._mark(key).stat().st_size
        except FileNotFoundError:
            return 0

    def gan_folder(self, key: str) -> Path:
        """Where the fitted GAN of a key is kept."""
        return self.root / "gans" / key[:20]

    def sheet(self, case: int, generator: int = 0) -> Path:
        """Where the picture of a case's samples is kept, from one of its generators."""
        return self.root / f"samples-{case + 1}{f'-{generator + 1}' if generator else ''}.png"

    def _write(self, path: Path, content: str) -> None:
        try:
            write_atomically(path, content)
        except OSError as error:
            raise self._cannot_write(path, error) from error

    def _cannot_write(self, path: Path, error: OSError) -> OSError:
        return OSError(
            f"cannot write {path}: {error.strerror or error}; what is finished is kept, so make room or give "
            "permission and run the same command again"
        )

    def _mark(self, key: str) -> Path:
        return self.root / "running" / key[:20]

    def _path(self, key: str) -> Path:
        return self.root / "cells" / f"{key[:20]}.json"


def _identity(suite: dict[str, Any]) -> dict[str, Any]:
    """What a suite is, less how it is run."""
    return {key: value for key, value in suite.items() if key != "timeout"}


def _is_record(record: Any, heading: Mapping[str, Any]) -> bool:
    """Whether a record is of the cell, or the GAN, that a heading says, and holds what a report is made of."""
    if not isinstance(record, dict) or any(record.get(name) != value for name, value in heading.items()):
        return False
    environment = record.get("environment", {})
    if not isinstance(environment, dict) or not all(isinstance(value, str) for value in environment.values()):
        return False
    if record.get("status") != "done":
        return isinstance(record.get("status"), str) and isinstance(record.get("reason"), str)
    if record.get("kind") != "cell":
        return "consistency" not in record or _is_number(record.get("fit_seconds"))
    figures, unseen = record.get("metrics"), record.get("metrics_unseen")
    lists = isinstance(record.get("recall"), list) and isinstance(record.get("calibration"), list)
    if not lists or not isinstance(figures, dict) or not isinstance(unseen, dict | None):
        return False
    return all(map(_is_number, [*figures.values(), *(unseen or {}).values(), record.get("seconds")]))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
