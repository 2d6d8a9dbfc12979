"""Finished work on disk: one atomic, checksummed file per cell."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from ganaug.bench.suite import Suite, digest
from ganaug.data.files import write_atomically

__all__ = ["Store"]


class Store:
    """The folder of one benchmark run.

    Parameters
    ----------
    root : path-like
        Made by :meth:`open`.

    Notes
    -----
    ``suite.json`` declares the whole grid and is written before the first cell runs; ``cells/KEY.json`` holds a cell's
    record, its key being the hash of everything the cell depends on; ``gans/KEY/`` holds fitted GANs.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def open(self, suite: Suite, keys: list[str]) -> None:
        """Declare the grid of a suite, or check that the same one is declared already.

        Raises
        ------
        ValueError
            If the folder holds the run of another suite, or of the same one on other data or with other code.
        """
        declared = {"suite": suite.to_dict(), "grid": digest(keys), "cells": len(keys)}
        path = self.root / "suite.json"
        if path.is_file():
            if self.declaration() != json.loads(json.dumps(declared)):
                raise ValueError(
                    f"{self.root} holds a run of another suite, data set or version of ganaug; pass another "
                    "folder or delete it"
                )
            return
        if self.root.is_file():
            raise ValueError(f"{self.root} is a file; pass the name of a folder for the run")
        write_atomically(path, json.dumps(declared, indent=1))

    def declaration(self) -> dict[str, Any]:
        """Content of ``suite.json``."""
        path = self.root / "suite.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise ValueError(f"{self.root} holds no benchmark run: there is no suite.json in it") from None
        except ValueError:
            raise ValueError(f"{path} is damaged: it is not valid JSON; delete the folder and run again") from None

    def read(self, key: str) -> dict[str, Any] | None:
        """The record of a cell, or None if there is none or its file is damaged."""
        path = self._path(key)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["sha256"] == digest(content["record"]):
                return content["record"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            pass
        warnings.warn(f"{path} is damaged and counts as not run", UserWarning, stacklevel=2)
        return None

    def write(self, key: str, record: dict[str, Any]) -> None:
        """Keep the record of a finished cell."""
        write_atomically(self._path(key), json.dumps({"sha256": digest(record), "record": record}))

    def gan_folder(self, key: str) -> Path:
        """Where the fitted GAN of a key is kept."""
        return self.root / "gans" / key[:20]

    def _path(self, key: str) -> Path:
        return self.root / "cells" / f"{key[:20]}.json"
