"""Whether what a suite names is there, and can be made, found before anything runs."""

from __future__ import annotations

from pathlib import Path

from ganaug.bench.methods.arms import MIXES, find_filter, find_transform, transform_name
from ganaug.bench.methods.classifiers import check_classifier
from ganaug.bench.methods.group_scores import GROUP_METRICS
from ganaug.bench.methods.making import check_generator, find_generator
from ganaug.bench.methods.samplers import check_amount, check_filler, check_sampler
from ganaug.bench.methods.scores import METRICS, MINORITY
from ganaug.bench.suite.checking import SUITE, check_values, located
from ganaug.bench.suite.plugins import Plugin, resolve, unknown_parameter
from ganaug.bench.suite.reading import read_suite
from ganaug.bench.suite.schema import DEFAULT_GENERATOR, Experiment, ImageArm, ImageExperiment, Suite, TableArm
from ganaug.bench.suite.source_location import SourceLocation
from ganaug.classifiers.networks import NETWORKS
from ganaug.curation import DiscriminatorRank
from ganaug.data.json_values import short
from ganaug.data.suggestions import nearest
from ganaug.generators.contract import takes

__all__ = ["check_suite", "load_suite"]


def load_suite(name: str | Path) -> Suite:
    """Read a suite by the name of one that comes with the package, or from a TOML file, and check it.

    Parameters
    ----------
    name : str or path-like
        A name out of :func:`~ganaug.bench.available_suites`, or a path that ends in ``.toml``.

    Returns
    -------
    Suite

    Raises
    ------
    ValueError
        Naming the file, line and key that is wrong.

    Examples
    --------
    >>> [arm.name for arm in load_suite("quick").images.arms]
    ['real', 'classical', 'mixup', 'cutmix', 'synthetic only', 'gan', 'gan+classical']
    """
    return check_suite(*read_suite(name))


def check_suite(suite: Suite, where: SourceLocation = SUITE) -> Suite:
    """Find what is wrong with a suite before anything runs: types and values first, then what it names.

    Returns
    -------
    Suite
        The same one, with tuples in the place of lists, and plug-ins in that of their names.

    Raises
    ------
    ValueError
    """
    suite = check_values(suite, where)
    for experiment in suite.experiments:
        _check_named(where.at(experiment.kind).saying(experiment.kind), experiment)
    return suite


def _check_named(where: SourceLocation, experiment: Experiment) -> None:
    known = [*METRICS, *(MINORITY if experiment.kind == "tables" else ()), *GROUP_METRICS]
    for metric in experiment.metrics:
        if metric not in known:
            raise ValueError(f"{where.at('metrics')}: there is no metric {short(metric)}{nearest(metric, known)}")
    if isinstance(experiment, ImageExperiment):
        _check_generators(where, experiment)
    for i, arm in enumerate(experiment.arms):
        check_arm = _check_image_arm if isinstance(arm, ImageArm) else _check_table_arm
        check_arm(where.at("arms", i), arm)
    if isinstance(experiment, ImageExperiment):
        _check_ranks(where, experiment)
    check_one = _check_network if experiment.kind == "images" else check_classifier
    for classifier in experiment.classifiers:
        located(where.at("classifiers"), check_one, classifier)


def _check_generators(where: SourceLocation, experiment: ImageExperiment) -> None:
    located(where.at("gan"), check_generator, "gan", experiment.generator(DEFAULT_GENERATOR), "images")
    for i, named in enumerate(experiment.generators):
        located(where.at("generators", i), check_generator, f"generator {short(named.name)}", named, "images")


def _check_ranks(where: SourceLocation, experiment: ImageExperiment) -> None:
    """Refuse filters by ``score_samples`` for arms whose generator lacks it."""
    for i, arm in enumerate(experiment.arms):
        _check_fills(where.at("arms", i), experiment, arm)
        lacking = [
            name
            for name in arm.sources
            if not callable(getattr(find_generator(experiment.generator(name).target, "images"), "score_samples", None))
        ]
        # The gate tries the rank where no other filters are named, but none for cells.
        tried = (DiscriminatorRank.name,) if arm.gate and arm.cells is None else ()
        filters = [find_filter(name) for name in arm.keep or tried]
        if lacking and any(isinstance(one, DiscriminatorRank) for one in filters):
            raise ValueError(
                f"{where.at('arms', i)}: arm {short(arm.name)}: the filter {DiscriminatorRank.name!r} needs a "
                f"generator with score_samples, which {lacking[0]} lacks; name other filters in keep, or another "
                "generator"
            )


def _check_fills(where: SourceLocation, experiment: ImageExperiment, arm: ImageArm) -> None:
    """Refuse generators that learn no groups for arms that fill cells of class and group."""
    for name in arm.sources if arm.cells is not None else ():
        cls = find_generator(experiment.generator(name).target, "images")
        if not takes(cls.fit, "groups"):
            raise ValueError(
                f"{where}: arm {short(arm.name)} fills cells, but the generator {short(name)} learns no groups; name "
                "another one"
            )


def _check_network(network: Plugin) -> None:
    # It is not made: its size depends on the images.
    make = resolve("networks", network.target, NETWORKS)
    if not callable(make):
        raise ValueError(f"network {short(network.target)} must be a class or a function, got {type(make).__name__}")
    if unknown := unknown_parameter(make, network.params):
        raise ValueError(f"network {short(network.target)} has {unknown}")


def _check_image_arm(where: SourceLocation, arm: ImageArm) -> None:
    for transform in arm.transforms:
        named = transform if isinstance(transform, Plugin) else str(transform)
        located(where.at("transform").saying(f"arm {short(arm.name)}"), find_transform, named)
    if isinstance(arm.transform, tuple) and len(set(map(transform_name, arm.transform))) < max(2, len(arm.transform)):
        raise ValueError(
            f"{where.at('transform')}: arm {short(arm.name)} must choose among two transforms at least, all "
            f"of different names, got {short([transform_name(one) for one in arm.transform], 200)}"
        )
    for step in arm.keep:
        named = step if isinstance(step, Plugin) else str(step)
        located(where.at("keep").saying(f"arm {short(arm.name)}"), find_filter, named)
    if arm.mix is not None and (not isinstance(arm.mix, str) or arm.mix not in MIXES):
        raise ValueError(
            f"{where.at('mix')}: arm {short(arm.name)} has an unknown mix {short(arm.mix)}{nearest(arm.mix, MIXES)}"
        )


def _check_table_arm(where: SourceLocation, arm: TableArm) -> None:
    if arm.sampler is not None:
        check = check_sampler if arm.cells is None else check_filler
        located(where.at("sampler").saying(f"arm {short(arm.name)}"), check, arm.sampler)
    if arm.sampler is not None and arm.cells is None:
        key = "fill_to" if arm.fill_to else "ratio"
        located((where if arm.gate else where.at(key)).saying(f"arm {short(arm.name)}"), check_amount, arm)
