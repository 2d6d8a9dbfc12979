"""Fitted generators of networks as what their ``config.json`` says and their weights, and back; all is checked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.data.json_values import short, whole
from ganaug.data.typed_values import from_json, to_json
from ganaug.engine.layers import DrawnFrom
from ganaug.engine.run_options import RunOptions
from ganaug.generators.card import facts_from_json, facts_to_json
from ganaug.generators.model_folder import labels_from_json, labels_to_json, named_classes

__all__ = ["config_of", "model_of", "networks_of", "weights_of"]

RUN_OPTIONS = {f"run__{name}": default for name, default in RunOptions().get_params().items()}
# Whoever loads a model chooses these: paths and devices of others are not used.
NOT_SAVED = {"device", "run", *RUN_OPTIONS} - {"run__health", "run__validation_fraction", "run__precision"}
MOST_SAMPLES = 2**53
MOST_WEIGHT = 1e6  # in magnitude; rows and pixels are of the size of one


def config_of(model: Any, license: str, figures: Mapping[str, float]) -> dict[str, Any]:
    """What ``config.json`` says of a fitted generator, as JSON values.

    Parameters
    ----------
    model : SavedNetworks
    license, figures
        For the card.

    Returns
    -------
    dict
    """
    params = model.get_params()
    groups = {}
    if model.groups_ is not None:
        groups = {"groups": labels_to_json(model.groups_), "cell_counts": model.cell_counts_.tolist()}
    return {
        "params": {name: _plain(value) for name, value in sorted(params.items()) if name not in NOT_SAVED},
        "classes": labels_to_json(model.classes_),
        "class_names": [model.class_names_.get(label) for label in model.classes_.tolist()],
        **groups,
        "training_data": model.training_data_,
        **facts_to_json(license, figures),
        **model._description(),
        "history": model.history_,
        "health": model.health_,
        "validation": model.validation_,
    }


def model_of(
    cls: type, config: Mapping[str, Any], params: Mapping[str, Any]
) -> tuple[Any, Callable[[], dict[str, nn.Module]]]:
    """Inverse of :func:`config_of`.

    Parameters
    ----------
    cls : type
        Derives from :class:`SavedNetworks`.
    config : dict
        JSON values of any origin.
    params : dict
        Parameters by name in place of saved ones.

    Returns
    -------
    model : SavedNetworks
        Fitted, but for its networks.
    build : callable
        Gives these by name, with any weights.

    Raises
    ------
    LookupError, ArithmeticError, ValueError, TypeError, RuntimeError, AttributeError
        Where `config` describes no such model.
    """
    saved = {name: _given(value) for name, value in config["params"].items() if name not in NOT_SAVED}
    # Where all options are the default ones, `run` stays None.
    changed = {name: v for name, v in saved.items() if name not in RUN_OPTIONS or v != RUN_OPTIONS[name]}
    model: Any = cls().set_params(**{**changed, **params})
    model._validate_params()
    model.classes_ = labels_from_json(config["classes"])
    model.class_names_ = named_classes(model.classes_, config["class_names"])
    model.groups_, model.cell_counts_ = _groups_from_json(config, len(model.classes_))
    model.history_ = _records(config["history"])
    model.health_ = _records(config["health"])
    model.validation_ = _records(config["validation"])
    (model.training_data_,) = _records([config["training_data"]])
    model.license_, model.figures_ = facts_from_json(config)
    build = model._restore(config)
    if model.config_.architecture.n_classes != len(model.classes_):
        raise ValueError(f"there are {len(model.classes_)} classes, not those of the networks")
    n_groups = 0 if model.groups_ is None else len(model.groups_)
    if getattr(model.config_.architecture, "n_groups", 0) != n_groups:
        raise ValueError(f"there are {n_groups} groups, not those of the networks")
    return model, build


def networks_of(build: Callable[[], dict[str, nn.Module]], tensors: Mapping[str, Tensor]) -> dict[str, nn.Module]:
    """Build networks with given weights, named as by :func:`weights_of`; ``ValueError`` unless they fit."""
    with DrawnFrom(torch.Generator()):
        # Without memory at first, which is only taken if the weights are of the sizes that are declared.
        with torch.device("meta"):
            _check_weights(build(), tensors)
        networks = build()
    for part, network in networks.items():
        prefix = f"{part}."
        network.load_state_dict({k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)})
    return networks


def weights_of(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """All weights of networks by the name of the network, a dot and their own name."""
    return {
        f"{part}.{name}": tensor for part, network in networks.items() for name, tensor in network.state_dict().items()
    }


def _check_weights(networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Raise ``ValueError`` unless these are numbers such as training makes, for all weights of the networks."""
    expected = weights_of(networks)
    for name in {**expected, **tensors}:
        shapes = [tuple(of[name].shape) if name in of else None for of in (tensors, expected)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"weights {short(name)} have shape {shapes[0]} in place of {shapes[1]}")
        tensor, dtype = tensors[name], expected[name].dtype
        if tensor.dtype != dtype:
            raise ValueError(f"weights {name} have dtype {tensor.dtype} in place of {dtype}")
        if tensor.is_floating_point() and not (tensor.abs() <= MOST_WEIGHT).all():
            raise ValueError(f"weights {name} are not finite numbers of magnitude {MOST_WEIGHT:g} at most")


def _records(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise ValueError(f"a list of records was expected, got {short(value)}")
    return value


def _groups_from_json(
    description: Mapping[str, Any], n_classes: int
) -> tuple[NDArray[Any] | None, NDArray[np.int64] | None]:
    """Groups and counts of cells out of a model folder; both None where there are none."""
    if "groups" not in description:
        return None, None
    groups, counts = labels_from_json(description["groups"], "groups"), description["cell_counts"]
    if len(counts) != n_classes or any(len(row) != len(groups) or sum(row) < 1 for row in counts):
        raise ValueError("the counts of the cells are not those of the classes and groups")
    for count in itertools.chain.from_iterable(counts):
        whole(count, "a count of a cell", 0, MOST_SAMPLES)
    return groups, np.array(counts, dtype=np.int64)


def _plain(value: Any) -> Any:
    """A parameter as JSON can hold it; a random generator, which it cannot, becomes None."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Integral | float | str | bool | None):
        return value
    if isinstance(value, Path | torch.device):
        return str(value)
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return None
    return [to_json(entry) for entry in (value.tolist() if hasattr(value, "tolist") else value)]


def _given(value: Any) -> Any:
    """Inverse of :func:`_plain`."""
    return [from_json(entry) for entry in value] if isinstance(value, list) else value
