"""The result of a run as JSON, CSV, Markdown and one self-contained HTML page."""

from __future__ import annotations

import base64
import contextlib
import html
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, UndefinedError

from ganaug._text import visible, visible_values
from ganaug.bench.cases.case import Task, heading
from ganaug.bench.execution.progress import duration_text
from ganaug.bench.inputs.datasets.sources import origin
from ganaug.bench.methods.group_scores import GROUP_METRICS
from ganaug.bench.methods.scores import METRICS, MINORITY
from ganaug.bench.records.store import Store
from ganaug.bench.results import palette
from ganaug.bench.results.aggregate import cell_table, generators_of, summarise
from ganaug.bench.results.figures import critical_difference, curve_chart, forest, forest_ticks, reliability
from ganaug.bench.results.records import CaseResult, DatasetsTest, ExperimentResult, LearningCurve
from ganaug.bench.results.svg_files import svg_files
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import Suite, digest
from ganaug.data.files import read_regular, user_path, write_atomically
from ganaug.data.json_values import parsed
from ganaug.metrics.paired import Difference

__all__ = ["absent", "difference_text", "finished_cells", "read_records", "read_summary", "write_report"]

# What values of other kinds than a run writes end in.
DAMAGES = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RecursionError, UndefinedError)
FIGURES = "figures"  # the folder of the charts as SVG files
MOST_NAMED = 3  # missing cells
OPEN_CASES = 3  # of more, Markdown holds no details
WITHOUT_CELLS = (
    "There are no cells beside this summary: its figures are printed as they stand, and none could be computed again."
)


def write_report(
    root: Path,
    suite: Suite,
    records: list[dict[str, Any]],
    data: list[dict[str, Any]],
    command: str | None = None,
    missing: Sequence[str] = (),
    *,
    unwritten: list[OSError] | None = None,
) -> dict[str, Any]:
    """Write ``summary.json``, ``cells.csv``, ``report.md``, ``report.html`` and ``figures`` into the folder of a run.

    Parameters
    ----------
    root : Path
    suite : Suite
    records : list of dict
        One per cell and GAN that is finished or has failed.
    data : list of dict
        Of each case: name, classes, sizes and hash.
    command : str, optional
        What to type for the same run; None if the suite was made in Python.
    missing : sequence of str
        Names of cells and GANs that are not done yet; the report says at its top that it is not final.
    unwritten : list, optional
        Filled with the errors of files that cannot be written, in place of raising them.

    Returns
    -------
    dict
        The summary.
    """
    cells = cell_table(records)
    cells["case"] = cells["case"].map(lambda index: data[index]["name"])
    cells[["split", "repeat"]] += 1
    if suite.images is not None and len(generators_of(suite.images)) > 1:
        drawn = {arm.name: " and ".join(arm.sources) for arm in suite.images.arms if arm.synthetic > 0}
        cells.insert(3, "generator", cells["arm"].map(drawn))
    environments = _environments(records)
    found = summarise(suite, records, data)
    summary = {
        "suite": suite.to_dict(),
        "grid": Store(root).declaration()["grid"],
        **found.to_dict(),
        "environments": environments,
        "command": command,
        "unfinished": len(missing),
        "cautions": [*_cautions(suite, missing, len(records) + len(missing), environments), *found.cautions],
    }
    _write(root / "cells.csv", cells.to_csv(index=False), unwritten)
    summary = _rounded(summary)
    _write(root / "summary.json", json.dumps(summary), unwritten)
    _render(root, summary, unwritten)
    return summary


def _write(path: Path, content: str, unwritten: list[OSError] | None) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        if unwritten is None:
            raise
        unwritten.append(OSError(error.errno, error.strerror or str(error), str(path)))


def _environments(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each environment that made cells, and how many, the busiest first."""
    counted = Counter(json.dumps(record["environment"]) for record in records if "environment" in record)
    return [{"cells": n, "made_by": json.loads(text)} for text, n in counted.most_common()]


def _cautions(suite: Suite, missing: Sequence[str], n_cells: int, environments: list[dict[str, Any]]) -> list[str]:
    """What must be known before anything else in a report is read."""
    found = []
    if suite.budget is not None and suite.reduced:
        found.append(
            f"Reduced for a budget of {duration_text(suite.budget)}: {', '.join(suite.reduced)}. A run without the "
            "budget sees more, and may say otherwise."
        )
    if missing:
        more = f"; and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        found.append(
            f"Not final: {len(missing)} of {n_cells} cells are not done yet. Every figure and every verdict may "
            f"change; 'ganaug bench run' resumes it. Missing are {'; '.join(missing[:MOST_NAMED])}{more}."
        )
    if len(environments) > 1:
        all_made_by = [environment["made_by"] for environment in environments]
        names = dict.fromkeys(name for made_by in all_made_by for name in made_by)
        values = {name: dict.fromkeys(made_by.get(name, "none") for made_by in all_made_by) for name in names}
        differing = [f"{name} ({', '.join(found)})" for name, found in values.items() if len(found) > 1]
        found.append(
            f"Cells come from {len(environments)} environments, which differ in {'; '.join(differing)}: what two arms "
            "differ by may come from that. A run in a new folder has one."
        )
    return found


def _rounded(value: Any) -> Any:
    """Plain values with six significant digits: more would only be rounding errors."""
    if isinstance(value, dict):
        return {key: _rounded(content) for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(content) for content in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def read_summary(root: str | Path) -> dict[str, Any]:
    """Make the summary of a run from the cells that there are, and write the pages anew.

    What an earlier summary says counts only where it was kept without its run, as in ``benchmarks/results``.

    Returns
    -------
    dict
        As in ``summary.json``; "unfinished" tells how many cells are not done yet. Where pages cannot be written it
        warns, and "unwritten" holds their paths.

    Raises
    ------
    ValueError
        If there is no run, none of its cells is done, or what it is read from is damaged.
    """
    root = user_path(root)
    unwritten: list[OSError] = []
    if (root / "suite.json").is_file() or not (root / "summary.json").is_file():
        summary = _so_far(root, unwritten)
    else:
        summary = _without_cells(root, unwritten)
    if unwritten:
        summary["unwritten"] = [error.filename for error in unwritten]
        warnings.warn(
            f"{' and '.join(summary['unwritten'])} could not be written ({unwritten[0].strerror}); copy the folder to "
            "where there is room and permission to have the pages anew",
            stacklevel=2,
        )
    return summary


def _without_cells(root: Path, unwritten: list[OSError]) -> dict[str, Any]:
    """A summary that was kept without its cells, rendered as it is."""
    path = root / "summary.json"
    try:
        summary = parsed(read_regular(path), finite=False)
        summary["cautions"] = [*summary.get("cautions", ()), WITHOUT_CELLS]
        _render(root, summary, unwritten)
    except DAMAGES:
        raise ValueError(
            f"{path} is damaged, or of an older version of ganaug; run its suite in a new folder"
        ) from None
    return summary


def _so_far(root: Path, unwritten: list[OSError]) -> dict[str, Any]:
    """The report of the cells that there are, whatever an earlier one says."""
    suite, done, planned, missing = finished_cells(root)
    try:
        return write_report(root, suite, done, planned["data"], planned["command"], missing, unwritten=unwritten)
    except DAMAGES:
        raise ValueError(_damaged(root)) from None


def finished_cells(root: str | Path) -> tuple[Suite, list[dict[str, Any]], dict[str, Any], list[str]]:
    """What there is of a run, finished or not; nothing is written.

    Parameters
    ----------
    root : path-like
        Folder of the run.

    Returns
    -------
    suite : Suite
    done : list of dict
        Records of cells and of what was fitted for them, failed ones included.
    planned : dict
        "data", what is known of each case, and "command".
    missing : list of str
        Names of cells that are not done yet.

    Raises
    ------
    ValueError
        If there is no run, none of its cells is done, or what it is read from is damaged.
    """
    root = user_path(root)
    store = Store(root)
    declared, planned = store.declaration(), store.planned()
    try:
        suite = Suite.from_dict(declared["suite"])
        tasks = [
            Task(**{**task, "keys": tuple(task["keys"]), "classifiers": tuple(task["classifiers"])})
            for task in planned["tasks"]
        ]
        keys = [key for task in tasks for key in task.keys]
        names = [
            f"{planned['data'][task.case]['name']}, {task.name}{f', {classifier}' if task.arm and classifier else ''}"
            for task in tasks
            for _, classifier in zip(task.keys, task.classifiers, strict=True)
        ]
        if digest(keys) != declared["grid"]:
            raise ValueError("the cells that are listed are not those that are declared")
        records = read_records(store, tasks)
    except DAMAGES:
        raise ValueError(_damaged(root)) from None
    done = [records[key] for key in keys if key in records]
    if not any(record["kind"] == "cell" for record in done):
        raise ValueError(f"no cell of {root} is done yet; resume it by 'ganaug bench run'")
    return suite, done, planned, [name for key, name in zip(keys, names, strict=True) if key not in records]


def _damaged(root: Path) -> str:
    return f"{root} is damaged; run 'ganaug bench run' on the folder again"


def read_records(store: Store, tasks: Iterable[Task]) -> dict[str, dict[str, Any]]:
    """The records of some tasks that there are, by key.

    Parameters
    ----------
    store : Store
    tasks : iterable of Task

    Returns
    -------
    dict
    """
    return {
        key: record
        for task in tasks
        for key in task.keys
        if (record := store.read(key, heading(task, key))) is not None
    }


def _render(root: Path, summary: dict[str, Any], unwritten: list[OSError] | None = None) -> None:
    summary = _visible(summary)
    templates = Environment(
        loader=PackageLoader("ganaug.bench.results"),
        autoescape=lambda name: name is not None and name.endswith((".html", ".svg")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["line"] = _line
    templates.globals.update(reliability=reliability, less_is_better=_less_is_better, difference_text=difference_text)
    templates.globals.update(
        about_images=_about_images,
        size_text=_size_text,
        points_text=_points_text,
        forest_ticks=forest_ticks,
        palette=palette,
    )
    experiments = [ExperimentResult.from_dict(experiment) for experiment in summary["experiments"]]
    sheets = {
        (case.index, place): base64.b64encode(read_regular(path)).decode()
        for experiment in experiments
        for case in experiment.cases
        for place in sorted({0, *(gan.place for gan in case.gans)})
        if (path := Store(root).sheet(case.index, place)).is_file()
    }
    charts = [_charts(experiment, summary["suite"][experiment.kind]) for experiment in experiments]
    of_older = {"cautions": [], "environments": [{"made_by": summary.get("environment", {})}]}
    for name in ("report.html", "report.md"):
        page = templates.get_template(name).render(
            **{**of_older, **summary, "experiments": experiments},
            sheets=sheets,
            charts=charts,
            open_cases=OPEN_CASES,
            absent=absent(summary),
        )
        _write(root / name, page, unwritten)
    with contextlib.suppress(OSError):  # what cannot be made is reported as a file that cannot be written
        (root / FIGURES).mkdir(exist_ok=True)
    for name, picture in svg_files(templates, experiments, charts, summary["suite"]):
        _write(root / FIGURES / name, picture, unwritten)


def _size_text(about: dict[str, Any], name: str) -> str:
    """Samples of the training or test sets, "n_train" or "n_test", from the smallest to the largest."""
    most = about.get(f"{name}_most")
    return f"{about[name]}" if most is None else f"{about[name]} to {most}"


def _about_images(declared: dict[str, Any]) -> list[str]:
    """What draws the synthetic images of each arm, where there are several generators, and what filters them."""
    arms = [arm for arm in declared["arms"] if arm.get("synthetic")]
    sentences = []
    if declared.get("generators"):
        drawn_by = [(arm["name"], arm.get("generator", "ImageGAN")) for arm in arms]
        each = [f"for {name!r} from {by if isinstance(by, str) else ' and '.join(by)}" for name, by in drawn_by]
        sentences.append(f"Synthetic images are drawn {'; '.join(each)}.")
    kept = [f"for {arm['name']!r} {' and '.join(map(_filter_text, arm['keep']))}" for arm in arms if arm.get("keep")]
    if kept:
        sentences.append(f"Filters refuse some of them: {'; '.join(kept)}.")
    return sentences


def _filter_text(named: str | dict[str, Any]) -> str:
    """The name of a filter, with its arguments."""
    if isinstance(named, str):
        return named
    arguments = ", ".join(f"{key} = {value}" for key, value in named["params"].items())
    return f"{named['name']} ({arguments})"


def _visible(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary as pages may show it; the report of an audit keeps its lines."""
    shown = visible_values(summary)
    for experiment, as_run in zip(shown["experiments"], summary["experiments"], strict=True):
        for case, case_as_made in zip(experiment["cases"], as_run["cases"], strict=True):
            gans = zip(
                [case.get("gan"), *case.get("other_gans", ())],
                [case_as_made.get("gan"), *case_as_made.get("other_gans", ())],
                strict=True,
            )
            for gan, as_made in gans:
                if audit := (as_made or {}).get("audit"):
                    gan["audit"]["text"] = "\n".join(map(visible, audit["text"].split("\n")))
    return shown


def absent(summary: dict[str, Any]) -> str:
    """What stands in the place of figures that a summary lacks."""
    return "not finished" if summary.get("unfinished") else "failed"


def difference_text(difference: Difference | DatasetsTest) -> str:
    """A difference and its interval in points, or the difference alone where there are too few splits for one.

    Parameters
    ----------
    difference : Difference or DatasetsTest

    Returns
    -------
    str

    Examples
    --------
    >>> difference_text(Difference(1.0, -0.5, 2.5, 5, 0.1, 0.0, "unclear"))
    '+1.00 [-0.50, +2.50]'
    >>> difference_text(Difference(1.0, -9.0, 11.0, 2, 0.4, 0.2, "unclear"))
    '+1.00 [too few splits]'
    """
    ends = [difference.low, difference.high] if difference.has_interval else []
    return _points_text([difference.mean, *ends])


def _points_text(values: Sequence[float]) -> str:
    """A mean, and the ends of its interval if they are there."""
    mean, *ends = (f"{value:+.2f}" for value in values)
    return f"{mean} [{', '.join(ends) or 'too few splits'}]"


def _line(text: Any) -> str:
    """One line of Markdown that reads as the text does, in a table too."""
    return re.sub(r"([\\|*`\[\]#])", r"\\\1", html.escape(" ".join(str(text).split()), quote=False))


def _less_is_better(metric: str) -> bool:
    return not {**METRICS, **MINORITY, **GROUP_METRICS}[metric]


def _charts(experiment: ExperimentResult, declared: dict[str, Any]) -> dict[str, Any]:
    """Everything that the pages draw for one experiment."""
    rope = declared["rope"]
    return {
        "headline": _headline(experiment, declared["baselines"], rope),
        "forests": {case.index: _forest(case, declared["baselines"], rope) for case in experiment.cases},
        "over_datasets": [
            {"arm": arm, "base": base, "rows": _forest_over_datasets(experiment.cases, arm, base, rope)}
            for arm, base in dict.fromkeys((test.arm, test.base) for test in experiment.tests)
        ],
        "critical_difference": critical_difference(_ranked(experiment, declared)) if experiment.tests else None,
        "curves": [
            {**vars(curve), "chart": curve_chart(curve.points, logarithmic=True), "gains": _gain_charts(curve)}
            for curve in experiment.curves
        ],
        "amounts": [
            {**vars(found), "chart": curve_chart({found.arm: found.points}, zero=True)} for found in experiment.amounts
        ],
    }


def _headline(experiment: ExperimentResult, baselines: Sequence[str], rope: float) -> list[dict[str, Any]]:
    """What the verdicts are on: differences over datasets, or of each case where there are too few for that."""
    tests = [test for test in experiment.tests if test.metric == experiment.compared[0]]
    over_datasets = [
        {**vars(test), "verdict": "gain" if test.low > 0 else "harm" if test.high < 0 else "unclear"} for test in tests
    ]
    of_cases = [{**row, "case": case.name} for case in experiment.cases for row in _differences(case, baselines)]
    named = [
        {**row, "name": row["arm"] if len(experiment.cases) == 1 or tests else f"{row['arm']}, {row['case']}"}
        for row in over_datasets or of_cases
    ]
    return forest(sorted(named, key=lambda row: row["base"]), rope)  # stable: arms and cases stay in order


def _differences(case: CaseResult, baselines: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"arm": arm.name, "base": base, **vars(difference)}
        for arm in case.arms
        for base, difference in arm.differences.items()
        if arm.name not in baselines
    ]


def _forest(case: CaseResult, baselines: Sequence[str], rope: float) -> list[dict[str, Any]]:
    """The differences of a case to the baselines."""
    return forest([{**row, "name": row["arm"]} for row in _differences(case, baselines)], rope)


def _forest_over_datasets(cases: Sequence[CaseResult], arm: str, base: str, rope: float) -> list[dict[str, Any]]:
    """The difference of two arms in each case."""
    return forest(
        [
            {"name": case.name, **vars(found.differences[base])}
            for case in cases
            for found in case.arms
            if found.name == arm and base in found.differences
        ],
        rope,
    )


def _ranked(experiment: ExperimentResult, declared: dict[str, Any]) -> pd.DataFrame:
    """Of each origin of datasets, how good arms are, more being better; without cases that an arm has not finished."""
    origins = {dataset.name: origin(dataset) for dataset in map(Plugin.of, declared["datasets"])}
    cases = [case for case in experiment.cases if all(arm.splits in (0, case.splits) for arm in case.arms)]
    names = [case.about["dataset"] for case in cases]
    values = pd.DataFrame(
        [{arm.name: arm.mean for arm in case.arms} for case in cases], index=[[origins.get(n, n) for n in names], names]
    )
    # Arms that a case leaves out are no part of the comparison.
    left_out = {name for case in experiment.cases for name in case.left_out}
    values = values[[name for name in values if name not in left_out]]
    if not len(values):
        return values
    # Datasets of an origin, which are cut from the same rows, count as one.
    of_datasets = values.groupby(level=[0, 1]).mean().dropna(axis=1, how="all").dropna()
    of_origins = of_datasets.groupby(level=0).mean()
    return -of_origins if _less_is_better(experiment.compared[0]) else of_origins


def _gain_charts(curve: LearningCurve) -> list[dict[str, Any]]:
    return [
        {
            **vars(gain),
            "sizes": sorted({point[0] for points in gain.points.values() for point in points}),
            # Every arm in the colour that it has in the other charts.
            "chart": curve_chart({arm: gain.points.get(arm, []) for arm in curve.points}, logarithmic=True, zero=True),
        }
        for gain in curve.gains
        if gain.points
    ]
