"""What made a cell: the code of the user's own that it ran, and the libraries and the machine that ran it."""

from __future__ import annotations

import ast
import functools
import os
import platform
import sys
import sysconfig
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from ganaug.bench.suite.plugins import resolve
from ganaug.bench.suite.schema import digest
from ganaug.data.files import sha256_of

__all__ = ["code_of", "environment"]

PACKAGES = (
    "ganaug",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "imbalanced-learn",
    "lightgbm",
    "xgboost",
    "catboost",
)
INSTALLED = {"site-packages", "dist-packages"}
_sources: dict[str, tuple[ModuleSpec | None, tuple[str, list[str]]]] = {}


@functools.cache
def environment() -> dict[str, str]:
    """Versions and machine that this process computes with.

    They are kept beside each cell and are no part of its key: shards on machines that differ in a patch release must
    end in one report, and an upgrade half-way must not throw days of work away; the report says where they differ.
    """
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return {
        "python": platform.python_version(),
        **{name: found for name in PACKAGES if (found := _version(name))},
        "platform": platform.platform(),
        "device": device,
        "cpus": str(os.cpu_count()),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def code_of(group: str, target: str, built_in: Mapping[str, Any]) -> dict[str, str]:
    """The hash of the source behind a name of a suite, if that is the user's own.

    It is that of the file which the import path names, of the one where the class or function stands, and of all that
    these have imported at their top and that is neither installed nor part of Python.

    Parameters
    ----------
    group, target, built_in
        As for :func:`~ganaug.bench.suite.plugins.resolve`.

    Returns
    -------
    dict
        Of one item, from `target` to the hash; empty for names of the harness and for what is installed, whose
        version is part of the environment.
    """
    if target in built_in:
        return {}
    path, _, attribute = target.rpartition(".")
    found = getattr(sys.modules.get(path), attribute, None) or resolve(group, target, built_in)
    waiting = [path, getattr(found, "__module__", "")]
    sources: dict[str, str] = {}
    while waiting:
        module = sys.modules.get(waiting.pop())
        if module is not None and module.__name__ not in sources and _is_own(module):
            sources[module.__name__], imported = _source(module)
            waiting += imported
    return {target: digest(sources)} if sources else {}


def _is_own(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if file is None or module.__name__.partition(".")[0] == "ganaug":
        return False
    path = Path(file)
    return INSTALLED.isdisjoint(path.parts) and not path.is_relative_to(sysconfig.get_path("stdlib"))


def _source(module: ModuleType) -> tuple[str, list[str]]:
    """Hash, and what is imported at the top, of a module as it was imported, whatever its file has become since."""
    spec, found = _sources.get(module.__name__, (None, None))
    if found is None or spec is not module.__spec__:  # importing it anew makes a new one
        content = Path(str(module.__file__)).read_bytes()
        found = sha256_of(content), _imported(content, module.__package__ or "")
        _sources[module.__name__] = module.__spec__, found
    return found


def _imported(content: bytes, package: str) -> list[str]:
    try:
        statements = ast.parse(content).body
    except (SyntaxError, ValueError):  # compiled
        return []
    names = []
    for statement in statements:
        if isinstance(statement, ast.Import):
            names += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            home = resolve_name("." * statement.level + (statement.module or ""), package)
            names += [home, *(f"{home}.{alias.name}" for alias in statement.names)]
    return names
