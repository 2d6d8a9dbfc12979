"""Making the generators that suites name."""

from __future__ import annotations

from typing import Any

from ganaug.bench.methods.histograms import HistogramMatching
from ganaug.bench.methods.peers import GENERATORS as PEERS
from ganaug.bench.methods.peers import require_package
from ganaug.bench.suite.plugins import Plugin, checked, construct
from ganaug.curation import AdditiveTransfer, FlowTransfer
from ganaug.data.json_values import short
from ganaug.data.suggestions import nearest
from ganaug.generators.registry import generator_class, generator_names

__all__ = ["check_generator", "find_generator", "make_generator"]

#: What fills cells of class and group with real images of other groups.
TRANSFERS = {
    "additive-transfer": AdditiveTransfer,
    "flow-transfer": FlowTransfer,
    "histogram-matching": HistogramMatching,
}


def find_generator(name: str, kind: str) -> Any:
    """The class of a peer, of a registered generator, or at an import path.

    Parameters
    ----------
    name : str
    kind : {"images", "rows"}

    Raises
    ------
    ValueError
        If there is none, or it draws something else.
    """
    if kind == "rows" and name in PEERS:
        require_package(name)
        return PEERS[name]
    if kind == "images" and name in TRANSFERS:
        return TRANSFERS[name]
    try:
        return generator_class(name, kind)
    except (TypeError, ValueError) as error:
        if kind == "rows" and "." not in name and name not in generator_names():
            known = [*PEERS, *generator_names(kind)]
            raise ValueError(f"there is no generator {short(name)}{nearest(name, known)}") from None
        raise ValueError(str(error)) from None


def make_generator(named: Plugin, kind: str, **extra: Any) -> Any:
    """Make a generator with its parameters, of which ``run__health`` is one of its parameter ``run``.

    Parameters
    ----------
    named : Plugin
    kind : {"images", "rows"}
    **extra
        Parameters for those that take them, unless the suite gives others.
    """
    flat, nested = _parameters(named)
    made = construct(find_generator(named.target, kind), flat, **extra)
    return made.set_params(**nested) if nested else made


def _parameters(named: Plugin) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those of its constructor, and those of its parameters."""
    nested = {key: value for key, value in named.params.items() if "__" in key}
    return {key: value for key, value in named.params.items() if key not in nested}, nested


def check_generator(what: str, named: Plugin, kind: str) -> None:
    """Find out whether there is such a generator, and whether it can be made with its parameters.

    Raises
    ------
    ValueError
    """
    flat, nested = _parameters(named)
    checked(what, find_generator(named.target, kind), flat)
    if nested:
        checked(what, lambda: make_generator(named, kind), {})
