"""The card of a saved model: a ``README.md`` as model hubs show it, readable and with facts on top in YAML."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import torch

from ganaug._text import visible
from ganaug._version import __version__

__all__ = ["LIBRARY", "NO_LICENSE", "check_facts", "escaped", "facts_from_json", "facts_to_json", "model_card"]

LIBRARY = "library_name: ganaug"  # the line that tells a card of this package from any other README.md
NO_LICENSE = "unknown"
NOT_FINITE = ("nan", "inf", "-inf")  # numbers that JSON has no words for
MAX_CLASSES = 200  # listed by name
TRAINED_ON = {
    "n_images": "images",
    "n_rows": "rows",
    "n_unlabelled": "of them without a label",
    "n_pseudo_labelled": "of these with a class guessed",
    "unlabelled": "class taken for no label",
    "sha256": "SHA-256 of the data",
    "target": "column of the classes",
}


def escaped(text: str) -> str:
    r"""Text as Markdown shows it, on one line and inside a table.

    Examples
    --------
    >>> print(escaped("a|b <i>\n# c"))
    a\|b \<i\> \# c
    """
    line = visible(" ".join("".join(c if c.isprintable() else " " for c in text).split()))
    return re.sub(r"([\\`*_{}\[\]()<>#|~&$!@:])", r"\\\1", line)


def check_facts(license: str, figures: Mapping[str, float] | None = None) -> None:
    """Refuse what cannot stand in a card.

    Raises
    ------
    ValueError, TypeError
    """
    if not isinstance(license, str) or not license.strip() or not license.isprintable():
        raise ValueError(f"license must be a name on one line such as 'cc-by-4.0', got {license!r}")
    if figures is None:
        return
    if not isinstance(figures, Mapping):
        raise TypeError(f"figures must be a dict of numbers by name, got {type(figures).__name__}")
    for name, value in figures.items():
        if not isinstance(name, str) or isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"figures must be numbers by name, got {name!r}: {value!r}; leave it out")
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise ValueError(f"figures must have names that UTF-8 can hold, got {name!r}; rename it")


def facts_to_json(license: str, figures: Mapping[str, float]) -> dict[str, Any]:
    """Describe what a card is told beside the model.

    Examples
    --------
    >>> facts_to_json("mit", {"FID": float("inf")})
    {'license': 'mit', 'figures': {'FID': 'inf'}}
    """
    numbers = {name: float(value) for name, value in figures.items()}
    plain = {name: value if math.isfinite(value) else str(value) for name, value in numbers.items()}
    return {"license": license, "figures": plain}


def facts_from_json(description: Mapping[str, Any]) -> tuple[str, dict[str, float]]:
    """Inverse of :func:`facts_to_json`; models that were saved without have no figures and no known license.

    Raises
    ------
    ValueError, TypeError
    """
    license, figures = description.get("license", NO_LICENSE), description.get("figures", {})
    if isinstance(figures, dict):
        figures = {name: float(value) if value in NOT_FINITE else value for name, value in figures.items()}
    check_facts(license, figures)
    return license, {name: float(value) for name, value in figures.items()}


def model_card(gan: Any, license: str, figures: Mapping[str, float] | None, source: str = "path/of/this/folder") -> str:
    """Describe a fitted GAN in Markdown.

    The same GAN and arguments give the same text: there is no date in it.

    Parameters
    ----------
    gan : NeuralGenerator
        Fitted.
    license : str
        Of the model, by its identifier.
    figures : mapping of str to float or None
        Such as those of a quality report.
    source : str
        Where it is loaded from.

    Returns
    -------
    str
    """
    name, config = type(gan).__name__, gan._description()
    images = "image_shape" in config["architecture"]
    tags = ["gan", "class-conditional", "data-augmentation", "image" if images else "tabular"]
    front = ["---", f"license: {json.dumps(license, ensure_ascii=False)}", LIBRARY]
    front += ["pipeline_tag: unconditional-image-generation"] if images else []  # unconditional: without a prompt
    front += ["tags:", *(f"- {tag}" for tag in tags), "---"]
    loading = [
        "```python",
        f"from ganaug import {name}",
        f"gan = {name}.from_pretrained({source!r})",
        f"samples = gan.sample([{gan.classes_.tolist()[0]!r}] * 10)",
        "```",
    ]
    drawn = "images" if images else "rows of a table"
    parts = [
        "\n".join(front),
        "# Class-conditional GAN",
        f"{'An' if images else 'A'} `{name}` of the Python package ganaug. It draws synthetic {drawn} of "
        f"{len(gan.classes_):,} classes, to be added to real training data.",
        "\n".join(loading),
        "## Classes",
        _classes(gan),
        "## Training data",
        _table(("what", "value"), ((TRAINED_ON.get(k, k), _shown(v)) for k, v in gan.training_data_.items())),
        "## Configuration",
        _table(("setting", "value"), ((k.replace("_", " "), _shown(v)) for k, v in _settings(gan, config).items())),
        "## Figures",
        _table(("figure", "value"), ((k, f"{v:.6g}") for k, v in figures.items())) if figures else "None were given.",
        "## Findings of the training",
        _findings(gan.health_),
        "## Use and limits",
        _limits(config),
        "## Provenance",
        f"Saved by ganaug {__version__} with torch {torch.__version__}. `config.json` holds all parameters, the "
        "losses, and the SHA-256 of the weights.",
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[Sequence[str]]) -> str:
    """Rows as a table in Markdown."""
    body = [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *body])


def _shown(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _classes(gan: Any) -> str:
    names = list(gan.names().items())
    rows = [(str(place), repr(label), name) for place, (label, name) in enumerate(names[:MAX_CLASSES])]
    more = "" if len(names) <= MAX_CLASSES else f"\n\nAnd {len(names) - MAX_CLASSES:,} more, in `config.json`."
    return _table(("position", "label", "name"), rows) + more


def _settings(gan: Any, config: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if "image_shape" in config["architecture"]:
        settings["channels_height_width"] = " x ".join(map(str, config["architecture"]["image_shape"]))
        settings |= {"preset": config["preset"], "augment": ", ".join(config["operations"])}
    weights = sum(weight.numel() for weight in next(iter(gan.networks_.values())).parameters())
    return {**settings, **config["training"], "weights_of_the_generator": weights}


def _findings(health: list[dict[str, Any]]) -> str:
    if not health:
        return "None."
    columns = ("step", "class", "value", "threshold", "action")
    rows = (
        [str(found.get("finding", "")).replace("_", " "), *(_shown(found.get(column, "")) for column in columns)]
        for found in health
    )
    return _table(("finding", *columns), rows)


def _limits(config: dict[str, Any]) -> str:
    lines = [
        "Made to augment training data of these classes. Whether it helps is to be measured, on real data that neither "
        "the GAN nor the classifier has seen.",
        "Not for testing a model in the place of real data, not for telling how often something occurs, and not for "
        "decisions about people.",
        "Samples have the gaps and biases of the training data, and may resemble or copy training samples: "
        "`ganaug audit FOLDER --train DATA --holdout OTHERS` tests it. Training is not differentially private, so that "
        "neither samples nor weights are anonymous.",
    ]
    if "columns" in config.get("encoder", {}):
        lines.append(
            "`config.json` holds values of the training data as they are: the texts and categories of each column, and "
            "up to 1,000 of its numbers."
        )
    return "\n".join(f"- {line}" for line in lines)
