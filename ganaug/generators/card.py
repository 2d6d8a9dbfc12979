"""The card of a saved model: a ``README.md`` as model hubs show it, by ``huggingface_hub``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import torch

from ganaug._text import visible
from ganaug._version import __version__
from ganaug.data.labels import listed
from ganaug.generators.contract import has_groups

__all__ = ["LIBRARY", "NO_LICENSE", "check_facts", "escaped", "facts_from_json", "facts_to_json", "model_card"]

TEMPLATE = Path(__file__).with_name("card.md")
LIBRARY = "library_name: ganaug"  # only cards of this package have this line
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
    "groups": "groups are named by",
    "spectrogram": "images of sounds, by log-mel spectrograms",
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
    """What a card says besides the model, as JSON holds it.

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
    """Describe a fitted generator in Markdown.

    The same generator and arguments give the same text: there is no date in it.

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
    from huggingface_hub import ModelCard, ModelCardData

    name, config = type(gan).__name__, gan._description()
    images = "image_shape" in config["architecture"]
    data = ModelCardData(
        license=license,
        library_name="ganaug",
        pipeline_tag="unconditional-image-generation" if images else None,  # unconditional: without a prompt
        tags=[
            gan.family.lower().removesuffix(" model"),
            "class-conditional",
            "data-augmentation",
            "image" if images else "tabular",
        ],
    )
    facts = ((TRAINED_ON.get(k, k), _shown(v)) for k, v in gan.training_data_.items())
    settings = ((k.replace("_", " "), _shown(v)) for k, v in _settings(gan, config).items())
    card = ModelCard.from_template(
        data,
        template_path=str(TEMPLATE),
        what=f"{'An' if images else 'A'} `{name}`",
        name=name,
        family=gan.family,
        drawn="images" if images else "rows of a table",
        n_classes=f"{len(gan.classes_):,}",
        source=repr(source),
        first_class=repr(gan.classes_.tolist()[0]),
        classes=_classes(gan),
        groups=has_groups(gan) and _groups(gan),
        first_group=has_groups(gan) and repr(gan.groups_.tolist()[0]),
        training_data=_table(("what", "value"), facts),
        configuration=_table(("setting", "value"), settings),
        figures=figures and _table(("figure", "value"), ((k, f"{v:.6g}") for k, v in figures.items())),
        findings=gan.health_ and _findings(gan.health_),
        keeps_values="columns" in config.get("encoder", {}),
        version=__version__,
        torch_version=torch.__version__,
    )
    return card.content + "\n"


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


def _groups(gan: Any) -> str:
    names = list(gan.names().values())
    rows = []
    for place, (group, counts) in enumerate(zip(gan.groups_.tolist(), gan.cell_counts_.T, strict=True)):
        empty = [name for name, count in zip(names, counts, strict=True) if count == 0]
        rows.append((str(place), repr(group), f"{counts.sum():,}", listed(empty) or "none"))
    more = "" if len(rows) <= MAX_CLASSES else f"\n\nAnd {len(rows) - MAX_CLASSES:,} more, in `config.json`."
    return _table(("position", "group", "samples", "classes without samples"), rows[:MAX_CLASSES]) + more


def _settings(gan: Any, config: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if "image_shape" in config["architecture"]:
        settings["channels_height_width"] = " x ".join(map(str, config["architecture"]["image_shape"]))
        if "operations" in config:  # of a GAN
            settings |= {"preset": config["preset"], "augment": ", ".join(config["operations"])}
    weights = sum(weight.numel() for weight in next(iter(gan.networks_.values())).parameters())
    return {**settings, **config.get("training", {}), "weights_of_the_generator": weights}


def _findings(health: list[dict[str, Any]]) -> str:
    columns = ("step", "class", "value", "threshold", "action")
    rows = (
        [str(found.get("finding", "")).replace("_", " "), *(_shown(found.get(column, "")) for column in columns)]
        for found in health
    )
    return _table(("finding", *columns), rows)
