"""Over-samplers of tables, from imbalanced-learn, from here and from anywhere."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from imblearn.over_sampling import ADASYN, SMOTE, SMOTEN, SMOTENC, BorderlineSMOTE, RandomOverSampler
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from ganaug.bench.inputs.datasets import TableData
from ganaug.bench.methods.cell_gates import CellFiller
from ganaug.bench.methods.cells import lacking_samples
from ganaug.bench.methods.classifiers import Columns
from ganaug.bench.methods.drawn import Rows, checked_rows, checked_table
from ganaug.bench.methods.gated import Gate
from ganaug.bench.methods.making import check_generator, find_generator, make_generator
from ganaug.bench.methods.peers import GENERATORS
from ganaug.bench.suite.plugins import Plugin, checked, construct, resolve
from ganaug.bench.suite.schema import TableArm, TableExperiment
from ganaug.curation import AdditiveTransfer
from ganaug.data.groups import cell_counts
from ganaug.data.json_values import short
from ganaug.generators.contract import takes
from ganaug.generators.registry import generator_names
from ganaug.resampling import GANOverSampler, SafeOverSampler

__all__ = [
    "SAMPLERS",
    "Rows",
    "check_amount",
    "check_filler",
    "check_sampler",
    "known_samplers",
    "make_gate",
    "resample",
    "table_generator",
]

NEIGHBOURS = 5
TRANSFER = "additive-transfer"  # fills cells of class and group
# What ADASYN says of tables whose classes lie too far apart or too close for it.
REFUSALS = ("Not any neigbours belong to the majority", "No samples will be generated")


def check_sampler(sampler: Plugin) -> None:
    """Find out whether there is such an over-sampler, and whether it can be made with its parameters.

    Raises
    ------
    ValueError
        With the nearest name, or what to install.
    """
    known = known_samplers()
    make = resolve("samplers", sampler.target, known)
    params, what = sampler.params, f"sampler {short(sampler.target)}"
    if sampler.target not in known:
        made = checked(what, make, params, random_state=0)
        if not hasattr(made, "fit_resample"):
            raise ValueError(f"{what} must have a method fit_resample, which {type(made).__name__} lacks")
        if getattr(made, "_sampling_type", "over-sampling") in ("under-sampling", "clean-sampling"):
            return
    _check_amount(what, params)
    if sampler.target in CLASSES:
        checked(what, CLASSES[sampler.target], params)
    elif sampler.target not in ("gan", "safe") and sampler.target in known:
        _check_generator(what, {"class": sampler.target, **params})
    elif sampler.target == "gan":
        _check_gan(what, params)
    elif sampler.target == "safe":
        inner = params.get("sampler", {})
        if not isinstance(inner, dict):
            raise ValueError(f"{what}: its sampler must be a table of parameters of 'gan', got {short(inner)}")
        checked(what, SafeOverSampler, {k: v for k, v in params.items() if k != "sampler"})
        _check_amount(f"{what}: its sampler", inner)
        _check_gan(f"{what}: its sampler", inner)


def check_amount(arm: TableArm) -> None:
    """Find out whether the sampler of an arm can add what the arm asks for.

    Raises
    ------
    ValueError
    """
    sampler = arm.sampler
    amounts = {f"fill_to = {arm.fill_to}": arm.fill_to, f"per_class = {arm.per_class}": arm.per_class}
    asked = "a gate" if arm.gate else next((text for text, n in amounts.items() if n), f"ratio = {arm.ratio:g}")
    known = known_samplers()
    if sampler is None or sampler.target in known or (asked == "ratio = 1" or arm.ratio == 0):
        return
    made = construct(resolve("samplers", sampler.target, known), sampler.params)
    if getattr(made, "_sampling_type", "over-sampling") in ("under-sampling", "clean-sampling"):
        raise ValueError(f"{asked} is for what adds rows, but sampler {short(sampler.target)} takes rows away")
    if "sampling_strategy" not in getattr(made, "get_params", dict)():
        raise ValueError(
            f"{asked} is for samplers with a parameter sampling_strategy, which {short(sampler.target)} lacks"
        )


def _check_amount(what: str, params: dict[str, Any]) -> None:
    if "sampling_strategy" in params:
        raise ValueError(f"{what} must have no sampling_strategy; set the ratio of the arm in its place")


def _check_gan(what: str, params: dict[str, Any]) -> None:
    _check_generator(f"{what}: its generator", params.get("generator", {}))
    checked(what, GANOverSampler, {k: v for k, v in params.items() if k != "generator"})


def _check_generator(what: str, asked: Any) -> None:
    """Check the name or import path of a generator, a table with its class, or parameters of TableGAN."""
    if not isinstance(asked, str | dict):
        raise ValueError(f"{what} must be a name or a table of parameters, got {short(asked)}")
    check_generator(what, table_generator(asked), "rows")


def table_generator(asked: Any) -> Plugin:
    """The generator that a sampler of a suite asks for; TableGAN with parameters alone."""
    return Plugin.of({"class": asked} if isinstance(asked, str) else {"class": "TableGAN", **(asked or {})})


def resample(arm: TableArm, data: TableData, encode: Columns, seed: int) -> tuple[Rows, str | None]:
    """Apply the sampler of an arm to training rows.

    Parameters
    ----------
    arm : TableArm
    data : TableData
        Training rows; labels are class indices.
    encode : Columns
        Learnt from the same rows.
    seed : int

    Returns
    -------
    rows : tuple of ndarray
        Encoded rows and class indices.
    note : str or None
        What could not be done as asked.
    """
    if arm.sampler is None or arm.ratio == 0:
        return (encode(data.X), data.y), None
    if arm.cells is not None:
        return _filled(arm, data, encode, seed)
    strategy = _strategy(arm, data)
    known = known_samplers()
    make = resolve("samplers", arm.sampler.target, known)
    if arm.sampler.target in known:
        return make(data, encode, strategy, seed, arm.sampler.params)
    sampler = construct(make, arm.sampler.params, random_state=seed)
    if strategy != "auto":
        sampler.set_params(sampling_strategy=strategy)
    what = f"sampler {short(arm.sampler.name)}"
    if arm.raw:
        # Its own copies: one that works in place must not change what is encoded and trained on after it.
        table, y = checked_table(what, sampler.fit_resample(data.X.copy(), data.y.copy()), data.X, data.y)
        return (encode(table), y), None
    X = encode(data.X)
    return checked_rows(what, sampler.fit_resample(X, data.y.copy()), X.shape[1], data.y), None


def check_filler(sampler: Plugin) -> None:
    """Find out whether there is such a generator of rows that learns groups.

    Raises
    ------
    ValueError
    """
    if sampler.target == "gan":
        check_sampler(sampler)
        return
    what = f"sampler {short(sampler.target)}"
    checked(what, cls := _filler(sampler), sampler.params)
    if not takes(cls.fit, "groups"):
        raise ValueError(f"{what} learns no groups, which an arm with cells needs; name another one")


def _filler(sampler: Plugin) -> Any:
    return AdditiveTransfer if sampler.target == TRANSFER else find_generator(sampler.target, "rows")


def _filled(arm: TableArm, data: TableData, encode: Columns, seed: int) -> tuple[Rows, str | None]:
    """Training rows, and those of a generator for the cells that its arm fills."""
    assert arm.sampler is not None
    assert arm.cells is not None
    assert data.groups is not None
    counts = cell_counts(data.y, data.groups)
    lacking = lacking_samples(counts.to_numpy(), arm.cells, arm.ratio)
    if not lacking.any():
        return (encode(data.X), data.y), "no cell lacked rows"
    classes, groups, wanted = counts.index.tolist(), counts.columns.tolist(), counts.to_numpy() + lacking
    strategy = {(classes[c], groups[g]): int(wanted[c, g]) for c, g in np.argwhere(lacking)}
    sampler = _cell_sampler(arm.sampler, data, seed).set_params(sampling_strategy=strategy)
    own = sampler.fit_resample(data.X.copy(), data.y.copy(), groups=data.groups)
    table, y = checked_table(f"sampler {short(arm.sampler.name)}", own, data.X, data.y)
    return (encode(table), y), None


def _strategy(arm: TableArm, data: TableData) -> str | dict[Any, int]:
    """How many samples each class is to have, as imbalanced-learn takes it."""
    classes, counts = np.unique(data.y, return_counts=True)
    if arm.per_class:
        return dict(zip(classes.tolist(), (counts + arm.per_class).tolist(), strict=True))
    most = max(counts.max(), arm.fill_to)
    if arm.ratio == 1 and most == counts.max():
        return "auto"
    sizes = zip(classes.tolist(), counts.tolist(), strict=True)
    return {c: n + round(arm.ratio * (most - n)) for c, n in sizes if n < most}


def make_gate(arm: TableArm, data: TableData, experiment: TableExperiment, seed: int) -> Gate:
    """The gate of an arm on training rows."""
    assert arm.sampler is not None
    if arm.cells is not None:
        return Gate(
            arm, _cell_sampler(arm.sampler, data, seed), data, experiment.components, experiment.metrics[0], seed
        )
    if arm.sampler.target == "gan":
        sampler: Any = _gan_sampler(data, "auto", seed, arm.sampler.params)
    else:
        make = resolve("samplers", arm.sampler.target, known_samplers())
        sampler = construct(make, arm.sampler.params, random_state=seed)
    return Gate(arm, sampler, data, experiment.components, experiment.metrics[0], seed, _strategy(arm, data))


def _cell_sampler(named: Plugin, data: TableData, seed: int) -> Any:
    """What fills cells, as an over-sampler."""
    if named.target == "gan":
        return _gan_sampler(data, "auto", seed, {"balance": "cells", **named.params})
    extra = {"nominal": data.nominal, "verbose": False}
    make = functools.partial(construct, _filler(named), named.params, **extra)
    return CellFiller(make, data.nominal, random_state=seed)


def _random(data: TableData, encode: Columns, strategy: Any, seed: int, params: dict[str, Any]) -> Any:
    sampler = RandomOverSampler(**{"sampling_strategy": strategy, "random_state": seed, **params})
    return sampler.fit_resample(encode(data.X), data.y), None


def _smoothed(data: TableData, encode: Columns, strategy: Any, seed: int, params: dict[str, Any]) -> Any:
    return _random(data, encode, strategy, seed, {"shrinkage": 1.0, **params})


def _interpolating(cls: Any, neighbours: str) -> Callable[..., Any]:
    """SMOTE or a relative of it, with as many neighbours as the smallest class allows."""

    def apply(data: TableData, encode: Columns, strategy: Any, seed: int, params: dict[str, Any]) -> Any:
        counts = np.bincount(data.y)
        few = max(1, min(NEIGHBOURS, int(counts.min()) - 1))
        places, note = _without_single_rows(data.y)
        X, y = encode(data.X)[places], data.y[places]
        options = {"sampling_strategy": strategy, "random_state": seed, neighbours: few, **params}
        try:
            sampler = cls(**options)
            resampled = sampler.fit_resample(X, y)
            return resampled, note or _not_filled(sampler, y, resampled[1])
        except (ValueError, RuntimeError) as error:
            # What is wrong with parameters is no reason to run another sampler under the name of this one.
            if cls is SMOTE or (params and not str(error).startswith(REFUSALS)):
                raise
            plain = SMOTE(sampling_strategy=strategy, random_state=seed, k_neighbors=few)
            return plain.fit_resample(X, y), f"SMOTE in its place, for it refused: {str(error).splitlines()[0]}"

    return apply


def _without_single_rows(y: NDArray[np.integer]) -> tuple[NDArray[np.intp], str | None]:
    """Positions of all rows, and of only rows of a class once more: between the two there is nothing but copies."""
    alone = np.flatnonzero(np.bincount(y)[y] == 1)
    places = np.concatenate([np.arange(len(y)), alone])
    return places, "classes of one row were duplicated" if len(alone) else None


def _not_filled(sampler: Any, before: NDArray[np.integer], after: NDArray[np.integer]) -> str | None:
    """What is to be said where some classes got none of the rows that were asked for, which is no error."""
    n_classes = int(before.max()) + 1
    added = np.bincount(after, minlength=n_classes) - np.bincount(before, minlength=n_classes)
    empty = [c for c, asked in sampler.sampling_strategy_.items() if asked and not added[c]]
    return f"classes that it found no rows to add to: {len(empty)}" if empty else None


def _smotenc(data: TableData, encode: Columns, strategy: Any, seed: int, params: dict[str, Any]) -> Any:
    if not data.nominal:
        return SAMPLERS["smote"](data, encode, strategy, seed, params)
    numeric = data.numeric
    few = max(1, min(NEIGHBOURS, int(np.bincount(data.y).min()) - 1))
    options = {"sampling_strategy": strategy, "random_state": seed, "k_neighbors": few, **params}
    places, note = _without_single_rows(data.y)
    y = data.y[places]
    # As SMOTE does it sees a missing number as the median, and a missing name as a name of its own.
    plain = encode.plain(data.X)[data.X.columns].iloc[places].reset_index(drop=True)
    if not numeric:
        X, y = SMOTEN(**options).fit_resample(plain, y)
        return (encode(pd.DataFrame(X, columns=data.X.columns)), y), note
    plain = plain.fillna(plain[numeric].median()).fillna(0.0)
    scaler = StandardScaler().fit(plain[numeric])
    plain[numeric] = scaler.transform(plain[numeric])
    X, y = SMOTENC(list(data.nominal), **options).fit_resample(plain, y)
    X[numeric] = scaler.inverse_transform(X[numeric])
    return (encode(X), y), note


def _generator_alone(name: str) -> Callable[..., Any]:
    def apply(data: TableData, encode: Columns, strategy: Any, seed: int, params: dict[str, Any]) -> Any:
        options = {"generator": {"class": name, **params}, "local_share": 0.0, "selection": False}
        return _gan(data, encode, strategy, seed, options)

    return apply


def _gan(data: TableData, encode: Columns, strategy: Any, seed: int, params: dict[str, Any]) -> Any:
    sampler = _gan_sampler(data, strategy, seed, params)
    X, y = sampler.fit_resample(data.X, data.y)
    note = None
    if sampler.fallback_:
        note = f"classes too small for a generator: {len(sampler.fallback_)}"
    return (encode(X), np.asarray(y)), note


def _gan_sampler(data: TableData, strategy: Any, seed: int, params: dict[str, Any]) -> GANOverSampler:
    """Read the parameters: `generator` is the name of one, a table with its class, or parameters of TableGAN."""
    options = dict(params)
    named = table_generator(options.pop("generator", None))
    generator = make_generator(named, "rows", nominal=data.nominal, verbose=False)
    return GANOverSampler(
        **{
            "generator": generator,
            "sampling_strategy": strategy,
            "categorical_features": list(data.nominal) or "auto",
            "random_state": seed,
            **options,
        }
    )


def _safe(data: TableData, encode: Columns, strategy: Any, seed: int, params: dict[str, Any]) -> Any:
    options = dict(params)
    inner = options.pop("sampler", {})
    safe = SafeOverSampler(
        _gan_sampler(data, "auto", seed, inner), **{"sampling_strategy": strategy, "random_state": seed, **options}
    )
    X, y = safe.fit_resample(data.X, data.y)
    return (encode(X), np.asarray(y)), f"ratio {safe.ratio_:g} chosen"


CLASSES = {
    "random": RandomOverSampler,
    "smoothed-bootstrap": RandomOverSampler,
    "smote": SMOTE,
    "borderline": BorderlineSMOTE,
    "adasyn": ADASYN,
    "smotenc": SMOTE,  # whose parameters SMOTENC and SMOTEN share
}
SAMPLERS: dict[str, Callable[..., Any]] = {
    "random": _random,
    "smoothed-bootstrap": _smoothed,
    "smote": _interpolating(SMOTE, "k_neighbors"),
    "borderline": _interpolating(BorderlineSMOTE, "k_neighbors"),
    "adasyn": _interpolating(ADASYN, "n_neighbors"),
    "smotenc": _smotenc,
    **{name: _generator_alone(name) for name in GENERATORS},
    "gan": _gan,
    "safe": _safe,
}


def known_samplers() -> dict[str, Callable[..., Any]]:
    """All samplers by their names: those of the harness, and each registered generator of rows, on its own."""
    return {**{name: _generator_alone(name) for name in generator_names("rows")}, **SAMPLERS}
