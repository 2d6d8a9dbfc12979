"""What may be wrong with the types and values of a suite, found before anything runs.

What only the registries can tell, such as whether there is a sampler of some name, is found out where they are, in
:mod:`ganaug.bench.cases.checking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import ValidationError

from ganaug.bench.suite.schema import (
    DEFAULT_GENERATOR,
    SUITES,
    Experiment,
    ImageArm,
    ImageExperiment,
    Sizes,
    Suite,
    TableArm,
    TableExperiment,
)
from ganaug.bench.suite.source_location import SourceLocation
from ganaug.classifiers.image_classifier import ClassifierConfig
from ganaug.data.json_values import short
from ganaug.data.suggestions import nearest

__all__ = ["OF_RUNS", "SUITE", "VARIANTS", "check_values", "located", "unknown_key", "validated"]

SUITE = SourceLocation("suite")
VARIANTS = "weighted_variants"  # of [images] in files: asks for more arms, and is none of the experiment's own
OF_RUNS = ("budget", "reduced")  # set when a run is reduced to a time, not by who writes a suite
PARTS = {
    "images": ImageExperiment,
    "tables": TableExperiment,
    "sizes": Sizes,
    "training": ClassifierConfig,
}  # by the keys that they stand under; arms by those of their experiment
UNKNOWN = "unexpected_keyword_argument"
NO_TEXT = "must be a string that is not blank"
WORDS = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "dataclass_type": "must be a table",
    "literal_error": "must be one of {expected}",
    "greater_than": "must be more than {gt:g}",
    "less_than": "must be less than {lt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "string_pattern_mismatch": NO_TEXT,
    "value_error": "{error}",
}  # for the messages of pydantic, in which a value is an "input", and names are of Python's types
NAME_OF_SUITE = "must hold letters, digits and the signs . + - _ only, at most 100"
EXAMPLES = {"sizes": " such as { n_per_class = [5, 20] }"}


def validated(values: Any, where: SourceLocation = SUITE) -> Suite:
    """Check the types and ranges of a suite, or of the plain values of one, and return it.

    Raises
    ------
    ValueError
        Of one sentence: the place, the key, what is expected and what is there, of the first mistake.
    """
    try:
        return SUITES.validate_python(values)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
    first = min(mistakes, key=lambda mistake: (mistake["type"] != UNKNOWN, mistake["type"] == "missing"))
    keys, kind = first["loc"], first["type"]
    if kind == UNKNOWN:
        raise unknown_key(where, keys, values)
    if kind == "missing":
        lacking = [str(m["loc"][-1]) for m in mistakes if m["type"] == kind and m["loc"][:-1] == keys[:-1]]
        whole = _called(keys[:-1], values) or "the suite"
        raise ValueError(f"{where.at(*keys[:-1])}: {whole} is incomplete: it lacks {', '.join(lacking)}")
    words = NAME_OF_SUITE if keys == ("name",) and kind != "string_type" else WORDS.get(kind)
    words = words or first["msg"].replace("Input should be", "must be")
    said = words.format(**first.get("ctx", {})) + (EXAMPLES.get(_last(keys), "") if kind == "dataclass_type" else "")
    got = "" if kind == "value_error" else f", got {short(first['input'])}"
    raise ValueError(f"{_at(where, keys)}: {_subject(keys, values)} {said}{got}")


def unknown_key(where: SourceLocation, keys: tuple[int | str, ...], values: Any) -> ValueError:
    """What is wrong with a key of a suite that there is none of."""
    what, part = _called(keys[:-1], values), _part(keys[:-1])
    known = [f.name for f in fields(part) if f.name not in OF_RUNS] + ([VARIANTS] if part is ImageExperiment else [])
    has = f"{what} has an " if what else ""
    return ValueError(f"{where.at(*keys)}: {has}unknown key {short(keys[-1])}{nearest(keys[-1], known)}")


def _part(keys: tuple[int | str, ...]) -> Any:
    """The class that stands at some keys."""
    if _last(keys) == "arms":
        return PARTS[str(keys[0])].arm_type  # type: ignore[attr-defined]
    return PARTS.get(_last(keys), Suite)


def _last(keys: tuple[int | str, ...]) -> str:
    return next((key for key in reversed(keys) if isinstance(key, str)), "")


def _called(keys: tuple[int | str, ...], values: Any) -> str:
    """What messages call a table of a suite."""
    last = _last(keys)
    if last == "arms":
        for key in keys:
            values = getattr(values, str(key)) if is_dataclass(values) else values[key]
        return f"arm {short(values.get('name', '') if isinstance(values, Mapping) else values.name)}"
    return f"[{'.'.join(map(str, keys))}]" if last in ("images", "tables", "training") else last


def _at(where: SourceLocation, keys: tuple[int | str, ...]) -> SourceLocation:
    place = where.at(*keys)
    return place.saying(str(keys[0])) if len(keys) > 1 else place


def _subject(keys: tuple[int | str, ...], values: Any) -> str:
    """The key that a sentence is about, within images or tables."""
    if "arms" in keys[:-2]:
        return f"{_last(keys)} of {_called(keys[:3], values)}"
    return ".".join(key for key in keys[min(1, len(keys) - 1) :] if isinstance(key, str)) or "the suite"


def check_values(suite: Suite, where: SourceLocation = SUITE) -> Suite:
    """Find out whether the parts of a suite agree with each other; its types are checked first, by :func:`validated`.

    Raises
    ------
    ValueError
    """
    suite = validated(suite, where)
    if not suite.experiments:
        raise ValueError(f"{where}: there is neither [images] nor [tables]; declare what is compared in one of them")
    for experiment in suite.experiments:
        _check_experiment(where.at(experiment.kind).saying(experiment.kind), experiment)
    return suite


def _check_experiment(where: SourceLocation, experiment: Experiment) -> None:
    _check_sizes(where, experiment)
    _check_split(where, experiment)
    for key in ("datasets", "classifiers", "metrics", "imbalance", "arms"):
        names = [getattr(value, "name", value) for value in getattr(experiment, key)]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"{where.at(key)}: {key} must be there and have different names, got {short(names, 200)}")
    names = [arm.name for arm in experiment.arms]
    for name in experiment.baselines:
        if name not in names:
            raise ValueError(
                f"{where.at('baselines')}: baseline {short(name)} is not among the arms{nearest(name, names)}"
            )
    if isinstance(experiment, ImageExperiment):
        _check_generators(where, experiment)
    for i, arm in enumerate(experiment.arms):
        _check_arm(where.at("arms", i), arm, [name for name in names if name != arm.name])


def _check_generators(where: SourceLocation, experiment: ImageExperiment) -> None:
    names = [DEFAULT_GENERATOR, *(plugin.name for plugin in experiment.generators)]
    if len(set(names)) < len(names):
        raise ValueError(
            f"{where.at('generators')}: generators must have different names, none of them {DEFAULT_GENERATOR!r}, "
            f"which is that of the table gan, got {short(names[1:], 200)}"
        )
    for i, arm in enumerate(experiment.arms):
        for name in arm.sources:
            if name not in names:
                raise ValueError(
                    f"{where.at('arms', i, 'generator')}: arm {short(arm.name)} has an unknown generator "
                    f"{short(name)}{nearest(name, names)}"
                )


def _check_sizes(where: SourceLocation, experiment: Experiment) -> None:
    if experiment.n_samples:
        _check_n_samples(where, experiment)
    if experiment.sizes:
        for key, default in (("n_per_class", ()), ("imbalance", (1.0,))):
            if getattr(experiment, key) != default:
                raise ValueError(f"{where.at(key)}: {key} belongs into sizes where there are sizes; leave it out here")
        for i, some in enumerate(experiment.sizes):
            _check_different(where.at("sizes", i), some)
            if not some.n_per_class or not some.imbalance:
                raise ValueError(f"{where.at('sizes', i)}: sizes must each have n_per_class and imbalance, got none")
    else:
        _check_different(where, experiment)
        if experiment.imbalance != (1.0,) and not experiment.n_per_class:
            raise ValueError(f"{where.at('imbalance')}: imbalance needs n_per_class, the samples of the largest class")
    known: dict[tuple[int | None, int], float] = {}
    for n, ratio in experiment.drawn_sizes():
        smallest = max(1, round((n or 0) / ratio))
        if (other := known.setdefault((n, smallest), ratio)) != ratio:
            raise ValueError(
                f"{where.at('imbalance')}: imbalance must have ratios that differ in samples, but {other:g} and "
                f"{ratio:g} of n_per_class = {n} leave the smallest class {smallest}"
            )
    if len(known) < len(experiment.drawn_sizes()):
        raise ValueError(f"{where.at('sizes')}: sizes must differ, got {short(experiment.drawn_sizes(), 200)}")


def _check_n_samples(where: SourceLocation, experiment: Experiment) -> None:
    for key, default in (("n_per_class", ()), ("sizes", ()), ("imbalance", (1.0,))):
        if getattr(experiment, key) != default:
            raise ValueError(
                f"{where.at(key)}: {key} cannot be beside n_samples, which spreads samples over classes equally; leave "
                "one of them out"
            )
    _check_different(where, experiment, "n_samples")


def _check_split(where: SourceLocation, experiment: Experiment) -> None:
    """Find out whether the keys of a split by groups are there together."""
    split = experiment.split
    if split != "samples" and (experiment.n_per_class or experiment.sizes or experiment.n_samples):
        key = next(key for key in ("sizes", "n_samples", "n_per_class") if getattr(experiment, key))
        raise ValueError(
            f"{where.at(key)}: {key} draws samples, but split = {short(split)}; leave one of them out"
            + (", or set n_per_cell" if split == "cells" else "")
        )
    for key, default in (("group_share", 0.5), ("class_share", 0.5), ("n_per_cell", None)):
        if split != "cells" and getattr(experiment, key) != default:
            raise ValueError(f'{where.at(key)}: {key} needs split = "cells", got {short(split)}; leave it out')
    for metric in ("unseen cells", "seen cells"):
        if metric in experiment.metrics and split != "cells":
            raise ValueError(
                f'{where.at("metrics")}: the metric {short(metric)} needs split = "cells", got {short(split)}; name '
                "another metric"
            )


def _check_different(where: SourceLocation, sizes: Experiment | Sizes, key: str = "n_per_class") -> None:
    found = getattr(sizes, key)
    if len(set(found)) < len(found):
        raise ValueError(f"{where.at(key)}: {key} must have different sizes, got {short(found)}")


def _check_arm(where: SourceLocation, arm: ImageArm | TableArm, others: list[str]) -> None:
    for name in arm.against:
        if name not in others:
            raise ValueError(
                f"{where.at('against')}: arm {short(arm.name)} is against {short(name)}, no other arm"
                f"{nearest(name, others)}"
            )
    if isinstance(arm, ImageArm):
        _check_image_arm(where, arm)
    else:
        _check_table_arm(where, arm)


def _check_image_arm(where: SourceLocation, arm: ImageArm) -> None:
    if arm.gate and arm.cells is not None:
        _check_cell_gate(where, arm)
    elif arm.gate and not 0 < arm.synthetic < 1:
        raise ValueError(
            f"{where}: arm {short(arm.name)} has a gate; its synthetic, the most that is tried, must be in (0, 1), "
            f"got {arm.synthetic:g}"
        )
    elif arm.gate and (arm.by_cells or len(arm.sources) > 1):
        raise ValueError(
            f"{where}: arm {short(arm.name)} has a gate, which knows one generator, and cells only where it fills "
            "them; leave it out"
        )
    if arm.cells is not None and arm.synthetic == 0:
        raise ValueError(f"{where}: arm {short(arm.name)} fills cells but has no synthetic, how far; set it to 1")
    if arm.by_cells and arm.cells is None and arm.synthetic > 0:
        raise ValueError(
            f"{where}: arm {short(arm.name)} goes by cells, so that its synthetic images must be of cells too; set "
            'cells to "empty" or "balance"'
        )
    if arm.by_cells and arm.mix is not None and arm.class_weight:
        raise ValueError(f"{where}: arm {short(arm.name)} must either mix images or weigh them; leave one of them out")


def _check_cell_gate(where: SourceLocation, arm: ImageArm) -> None:
    """The gate by cells validates classifiers that see classes equally often, and empty cells filled or not."""
    if arm.cells != "empty" or arm.balanced != "cells" or arm.synthetic != 1:
        raise ValueError(
            f"{where}: arm {short(arm.name)} has a gate by cells, which decides if empty ones are filled; set cells "
            'to "empty", balanced to "cells" and synthetic to 1'
        )
    for key in ("keep", "mix", "class_weight", "adapt"):
        if getattr(arm, key):
            raise ValueError(
                f"{where}: arm {short(arm.name)} has a gate by cells, which does not try {key}; leave one of them out"
            )


def _check_table_arm(where: SourceLocation, arm: TableArm) -> None:
    if arm.fill_to and arm.sampler is None:
        raise ValueError(
            f"{where.at('fill_to')}: arm {short(arm.name)} has a fill_to but no sampler that could fill; name one"
        )
    if arm.per_class and (arm.sampler is None or arm.fill_to or arm.ratio != 1 or arm.cells is not None):
        raise ValueError(
            f"{where.at('per_class')}: arm {short(arm.name)} adds {arm.per_class} rows to each class, which takes a "
            "sampler and neither ratio, fill_to nor cells; name one and leave the others out"
        )
    if arm.cells is not None and (arm.sampler is None or arm.raw or arm.fill_to or arm.ratio == 0):
        raise ValueError(
            f"{where}: arm {short(arm.name)} fills cells, which takes a sampler with a ratio above 0 and neither "
            "raw nor fill_to"
        )
    if arm.class_weight == "cells" and (arm.sampler is not None or arm.threshold):
        raise ValueError(
            f"{where}: arm {short(arm.name)} weighs the cells of real rows; leave its sampler and threshold out"
        )
    if arm.gate and arm.cells is not None and (arm.cells != "empty" or arm.ratio != 1):
        raise ValueError(
            f"{where}: arm {short(arm.name)} has a gate by cells, which decides how far these are filled; set cells "
            'to "empty" and ratio to 1'
        )
    if arm.gate and arm.cells is None and (arm.sampler is None or not (arm.sampler.target == "gan" or arm.raw)):
        raise ValueError(
            f"{where}: arm {short(arm.name)} has a gate, which takes the sampler 'gan', or one by its import path with "
            "raw = true"
        )
    if arm.class_weight is True and arm.prior_correction:
        raise ValueError(f"{where}: arm {short(arm.name)} must either weigh classes or correct for priors, not both")
    if arm.threshold and arm.prior_correction:
        raise ValueError(f"{where}: arm {short(arm.name)} must either tune a threshold or correct for priors")
    if arm.threshold and arm.sampler is not None:
        raise ValueError(
            f"{where}: arm {short(arm.name)} tunes a threshold on rows of its sampler, but only real ones can tell it"
        )


def located(where: SourceLocation, find: Any, *arguments: Any) -> None:
    """Call something that may raise ``ValueError``, and say where in the suite its argument is from.

    Raises
    ------
    ValueError
    """
    try:
        find(*arguments)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
