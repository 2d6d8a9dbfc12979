"""The folder a fitted GAN is saved in: ``config.json``, ``model.safetensors`` and a card, never a pickle."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug._version import __version__
from ganaug.data.files import (
    MOST_WEIGHTS,
    UnreadableFileError,
    read_regular,
    sha256_of,
    user_path,
    write_atomically,
)
from ganaug.data.json_values import clip, distinct, json_text, read_json, short
from ganaug.generators.card import LIBRARY

__all__ = [
    "CARD",
    "CONFIG",
    "FORMAT_VERSION",
    "WEIGHTS",
    "check_folder",
    "check_version",
    "kind_of",
    "labels_from_json",
    "labels_to_json",
    "named_classes",
    "read_bundle",
    "read_config",
    "weights_checksum",
    "write_bundle",
]

FORMAT_VERSION = 2
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
PLAIN_TYPES = (str, bool, int, float)
LABEL_DTYPE = re.compile(r"object|[<>|][biufU]\d{1,8}")
MOST_LABEL_BYTES = 2**26
BESIDE = re.compile(r"\..*|README\.md|metrics\.jsonl|events\.out\.tfevents\..*|checkpoint-\d+-.*\.safetensors")
CHECKSUM = re.compile(r"[0-9a-f]{64}")


def labels_to_json(labels: NDArray[Any]) -> dict[str, Any]:
    """Describe an array of labels by its dtype and plain values.

    Examples
    --------
    >>> labels_to_json(np.array(["cat", "dog"]))
    {'dtype': '<U3', 'values': ['cat', 'dog']}
    """
    values = labels.tolist()
    if not all(isinstance(value, PLAIN_TYPES) for value in values):
        kinds = sorted({type(value).__name__ for value in values})
        raise ValueError(
            f"only str, int, float and bool labels can be saved, got {', '.join(kinds)}; convert them first"
        )
    return {"dtype": labels.dtype.str if labels.dtype != object else "object", "values": values}


def labels_from_json(description: dict[str, Any], called: str = "classes") -> NDArray[Any]:
    """Inverse of :func:`labels_to_json`, for classes; ``ValueError`` unless they are sorted and distinct."""
    values, dtype = distinct(description["values"], called), description["dtype"]
    if not isinstance(dtype, str) or LABEL_DTYPE.fullmatch(dtype) is None:
        raise ValueError(f"the dtype of labels cannot be {short(dtype)}")
    # A string dtype says how much memory each label takes, whatever its length.
    if not 0 < np.dtype(dtype).itemsize * len(values) <= MOST_LABEL_BYTES:
        raise ValueError(f"{len(values)} {called} of dtype {dtype} cannot be")
    labels = np.array(values, dtype=dtype)
    if labels.tolist() != values or np.unique(labels).tolist() != values:
        raise ValueError(f"{called} must be sorted and of dtype {dtype}, got {short(values)}")
    return labels


def named_classes(classes: NDArray[Any], names: Any) -> dict[Any, str]:
    """Display names of classes out of a JSON list, null in which stands for none."""
    if not isinstance(names, list) or not all(isinstance(name, str | None) for name in names):
        raise ValueError(f"class names must be a list of strings and nulls, got {short(names)}")
    return {label: name for label, name in zip(classes.tolist(), names, strict=True) if name is not None}


def write_bundle(path: str | Path, kind: str, config: dict[str, Any], tensors: dict[str, Tensor], card: str) -> None:
    """Write a model folder.

    Parameters
    ----------
    path : path-like
        Made if need be; another model in it is replaced. Errors as of :func:`check_folder`.
    kind : str
        Name of the class that can load it.
    config : dict
        JSON values.
    tensors : dict
        Written contiguous, from the CPU.
    card : str
        Text of ``README.md``. One that is there and is no card of this package stays, with a warning.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> from ganaug.generators import read_bundle, write_bundle
    >>> folder = tempfile.mkdtemp()
    >>> write_bundle(folder, "MyGenerator", {"classes": [0, 1]}, {"means": torch.tensor([0.5, 2.0])}, "# My model")
    >>> config, tensors = read_bundle(folder, "MyGenerator")
    >>> config["classes"], tensors["means"]
    ([0, 1], tensor([0.5000, 2.0000]))
    """
    path = user_path(path)
    check_folder(path, overwrite=True, beside_others=True)
    weights = _serialised(tensors)
    checksum = sha256_of(weights)
    header = {
        "format": f"ganaug.{kind}",
        "format_version": FORMAT_VERSION,
        "ganaug_version": __version__,
        "weights_sha256": checksum,
    }
    # The new configuration takes over from the old one in a single rename, and names its weights by their hash:
    # whenever this is killed, the folder holds the old model or the new one.
    pending = _pending(path, checksum)
    write_atomically(pending, weights)
    carded = _takes_card(path / CARD)
    if carded:
        (path / CARD).unlink(missing_ok=True)  # no model is described by the card of another
    write_atomically(path / CONFIG, json_text({**header, **config}, indent=1))
    pending.replace(path / WEIGHTS)
    for left in path.glob(_pending(path, "*").name):
        left.unlink()
    if carded:
        write_atomically(path / CARD, card)


def check_folder(path: Path, *, overwrite: bool, beside_others: bool = False) -> None:
    """Refuse a place where a model would replace or be mixed into what is not ganaug's own.

    Parameters
    ----------
    path : Path
        May hold a model, which is replaced with its files alone; or logs and checkpoints of a training, a README.md and
        hidden files.
    overwrite : bool
        Whether a model may be replaced.
    beside_others : bool
        Whether other files, which stay as they are, may be there too.

    Raises
    ------
    ValueError
    """
    if os.path.lexists(path) and not path.is_dir():
        raise ValueError(f"{path} is a file; pass the name of a folder to save the model in")
    if os.path.lexists(path / CONFIG):
        if not _is_own(path):
            raise ValueError(f"{path} holds a {CONFIG} that ganaug has not written; choose another folder")
        if not overwrite:
            raise ValueError(f"{path} holds a model already; pass overwrite=True, or choose another folder")
        return
    others = sorted(file.name for file in path.iterdir() if not _beside_a_model(file)) if path.exists() else []
    if others and not (beside_others and WEIGHTS not in others):
        raise ValueError(
            f"{path} holds {short(others[0])}, which belongs to no model of ganaug; choose an empty or a new folder"
        )


def _is_own(path: Path) -> bool:
    """Whether a configuration is of this package, or was before it was damaged: its card still is."""
    if kind_of(path):
        return True
    try:
        return LIBRARY in read_regular(path / CARD).decode().splitlines()
    except (OSError, ValueError):
        return False


def _beside_a_model(file: Path) -> bool:
    if file.name == "log" and file.is_dir():
        return all(map(_beside_a_model, file.iterdir()))
    return BESIDE.fullmatch(file.name) is not None


def _takes_card(place: Path) -> bool:
    """Whether nothing is lost by writing the card there."""
    try:
        free = not os.path.lexists(place) or LIBRARY in read_regular(place).decode().splitlines()
    except (OSError, ValueError):
        free = False
    if not free:
        warnings.warn(
            f"{place} is no card of ganaug and stays as it is; save to another folder to have one",
            stacklevel=6,
        )
    return free


def weights_checksum(tensors: dict[str, Tensor]) -> str:
    """The SHA-256 that a model folder with these weights has in its configuration."""
    return sha256_of(_serialised(tensors))


def _serialised(tensors: dict[str, Tensor]) -> bytes:
    return safetensors.torch.save({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()})


def _pending(path: Path, checksum: str) -> Path:
    """Where weights wait until their configuration is written."""
    return path / f".{WEIGHTS}.{checksum[:16]}"


def kind_of(path: str | Path) -> str:
    """Name of the class that a model folder was saved by; empty if that is not known."""
    try:
        written_as = str(read_json(user_path(path) / CONFIG)["format"])
        return written_as.removeprefix("ganaug.") if written_as.startswith("ganaug.") else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def read_config(path: str | Path, kind: str, called: str = "") -> dict[str, Any]:
    """Read and check the configuration in a model folder.

    Parameters
    ----------
    path : path-like
    kind : str
        Name of the class that is to load it.
    called : str
        What errors call the folder, in place of its path.

    Raises
    ------
    ValueError
        For a folder that is missing, not a ganaug model, of another kind, or of a newer version.
    """
    path, called = user_path(path), called or str(path)
    if not (path / CONFIG).exists():
        found = "does not exist" if not path.exists() else f"holds no {CONFIG}"
        raise ValueError(
            f"{called} is not a saved ganaug model: it {found}; pass a folder written by save() or 'ganaug fit'"
        )
    try:
        config = read_json(path / CONFIG)
    except UnreadableFileError:
        raise
    except ValueError as error:
        raise ValueError(f"{path / CONFIG} is damaged: {clip(str(error), 200)}; fit and save the model again") from None
    if not isinstance(config, dict) or not str(config.get("format", "")).startswith("ganaug."):
        raise ValueError(f"{called} was not written by ganaug; pass a folder written by save() or 'ganaug fit'")
    if config["format"] != f"ganaug.{kind}":
        found = clip(config["format"].removeprefix("ganaug."))
        raise ValueError(f"{called} holds a {found}, not a {kind}; load it with its own class")
    version: Any = config.get("format_version")
    check_version(called, version, FORMAT_VERSION)
    if version < FORMAT_VERSION:
        raise ValueError(
            f"{called} was saved by an earlier ganaug (format version {version}), whose models this one, "
            f"{__version__}, does not read; fit and save the model again"
        )
    return config


def check_version(called: str, version: Any, newest: int) -> None:
    """Raise ``ValueError`` for files that a newer ganaug has written."""
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(f"{called} has format version {short(version)}, which no ganaug has written; make it again")
    if version > newest:
        raise ValueError(
            f"{called} has format version {short(version)}, this ganaug {__version__} reads up to {newest}; "
            "upgrade ganaug"
        )


def read_bundle(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read and verify a model folder.

    Returns
    -------
    config, tensors : dict

    Raises
    ------
    ValueError
        As :func:`read_config`, and for weights that are missing or damaged.

    Examples
    --------
    >>> import tempfile
    >>> from ganaug import TableGAN
    >>> from ganaug.generators import read_bundle
    >>> folder = tempfile.mkdtemp()
    >>> X, y = [[0.1], [0.2], [1.0], [1.1]] * 5, [0, 0, 1, 1] * 5
    >>> _ = TableGAN(steps=2, width=8, random_state=0, verbose=False).fit(X, y).save(folder)
    >>> config, tensors = read_bundle(folder, "TableGAN")
    >>> config["params"]["steps"], len(tensors) > 0
    (2, True)
    """
    path, config = user_path(path), read_config(path, kind)
    checksum = config.get("weights_sha256")
    if not isinstance(checksum, str) or CHECKSUM.fullmatch(checksum) is None:
        raise ValueError(f"{path / CONFIG} is damaged: it holds no checksum; fit and save the model again")
    places = [place for place in (path / WEIGHTS, _pending(path, checksum)) if place.exists()]
    if not places:
        raise ValueError(f"{path} is incomplete: {WEIGHTS} is missing; fit and save the model again")
    contents = (read_regular(place, MOST_WEIGHTS) for place in places)
    weights = next((content for content in contents if sha256_of(content) == checksum), None)
    if weights is None:
        raise ValueError(
            f"{path / WEIGHTS} is damaged: its checksum differs from {CONFIG}; fit and save the model again"
        )
    try:
        return config, safetensors.torch.load(weights)
    except (safetensors.SafetensorError, LookupError, ValueError, RuntimeError) as error:
        # Of types that torch does not have, safetensors knows the names only.
        reason = clip(str(error), 200)
        raise ValueError(f"{path / WEIGHTS} is damaged: {reason}; fit and save the model again") from None
