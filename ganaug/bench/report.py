"""The result of a run as JSON, CSV, Markdown and one self-contained HTML page."""

from __future__ import annotations

import base64
import html
import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined, UndefinedError

from ganaug.bench.figures import critical_difference, curve_chart, forest, reliability
from ganaug.bench.metrics import METRICS, MINORITY
from ganaug.bench.store import Store
from ganaug.bench.suite import Suite
from ganaug.bench.summary import cell_table, summarise
from ganaug.data.files import write_atomically

__all__ = ["read_summary", "write_report"]

PACKAGES = ("ganaug", "torch", "torchvision", "numpy", "scikit-learn", "imbalanced-learn")
OPEN_CASES = 3  # of more the details are folded away


def environment() -> dict[str, str]:
    """Versions and machine that figures were made with."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "device": device,
        "cpus": str(os.cpu_count()),
    }


def write_report(
    root: Path,
    suite: Suite,
    records: list[dict[str, Any]],
    data: list[dict[str, Any]],
    command: str | None = None,
) -> dict[str, Any]:
    """Write ``summary.json``, ``cells.csv``, ``report.md`` and ``report.html`` into the folder of a run.

    Parameters
    ----------
    root : Path
    suite : Suite
    records : list of dict
        One per cell and GAN.
    data : list of dict
        Of each case: name, classes, sizes and hash.
    command : str, optional
        What to type for the same run; None if the suite was made in Python.

    Returns
    -------
    dict
        The summary.
    """
    cells = cell_table(records)
    cells["case"] = cells["case"].map(lambda index: data[index]["name"])
    cells[["split", "repeat"]] += 1
    summary = {
        "suite": suite.to_dict(),
        "grid": Store(root).declaration()["grid"],
        **summarise(suite, records, data),
        "environment": environment(),
        "command": command,
    }
    write_atomically(root / "cells.csv", cells.to_csv(index=False))
    summary = _rounded(summary)
    write_atomically(root / "summary.json", json.dumps(summary))
    _render(root, summary)
    return summary


def _rounded(value: Any) -> Any:
    """Plain values with six significant digits: more would only be rounding errors."""
    if isinstance(value, dict):
        return {key: _rounded(content) for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(content) for content in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def read_summary(root: str | Path) -> dict[str, Any]:
    """Read the summary of a finished run and write its pages anew.

    Raises
    ------
    ValueError
        If there is none, or it is damaged.
    """
    path = Path(root) / "summary.json"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        raise ValueError(
            f"{root} holds no finished benchmark: there is no summary.json in it; run 'ganaug bench run' first"
        ) from None
    try:
        summary = json.loads(text)
        _render(Path(root), summary)
    except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RecursionError, UndefinedError):
        raise ValueError(f"{path} is damaged; run 'ganaug bench run' on the folder again") from None
    return summary


def _render(root: Path, summary: dict[str, Any]) -> None:
    templates = Environment(
        loader=PackageLoader("ganaug.bench"),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["line"] = _line
    templates.globals.update(reliability=reliability, less_is_better=_less_is_better)
    sheets = {
        case["index"]: base64.b64encode(path.read_bytes()).decode()
        for experiment in summary["experiments"]
        for case in experiment["cases"]
        if (path := Store(root).sheet(case["index"])).is_file()
    }
    charts = [_charts(experiment, summary["suite"][experiment["kind"]]) for experiment in summary["experiments"]]
    for name in ("report.html", "report.md"):
        page = templates.get_template(name).render(**summary, sheets=sheets, charts=charts, open_cases=OPEN_CASES)
        write_atomically(root / name, page)


def _line(text: Any) -> str:
    """One line of Markdown that reads as the text does, in a table too."""
    return re.sub(r"([\\|*`\[\]#])", r"\\\1", html.escape(" ".join(str(text).split()), quote=False))


def _less_is_better(metric: str) -> bool:
    return not {**METRICS, **MINORITY}[metric]


def _charts(experiment: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    """Everything that the pages draw for one experiment."""
    rope = declared["rope"]
    first = experiment["compared"][0]
    forests = {
        case["index"]: forest(
            [
                {"arm": arm["name"], "base": base, **difference}
                for arm in case["arms"]
                for base, difference in arm["differences"].items()
                if arm["name"] not in declared["baselines"]
            ],
            rope,
        )
        for case in experiment["cases"]
    }
    pairs = dict.fromkeys((test["arm"], test["base"]) for test in experiment["tests"])
    over_datasets = [
        {
            "arm": arm,
            "base": base,
            "rows": forest(
                [
                    {"case": case["name"], **found["differences"][base]}
                    for case in experiment["cases"]
                    for found in case["arms"]
                    if found["name"] == arm and base in found["differences"]
                ],
                rope,
            ),
        }
        for arm, base in pairs
    ]
    values = pd.DataFrame(
        [
            {arm["name"]: arm["mean"] for arm in case["arms"]} | {"": case["dataset"]}
            for case in experiment["cases"]
            if all(arm["splits"] in (0, case["splits"]) for arm in case["arms"])
        ]
    )
    by_dataset = values.groupby("").mean().dropna(axis=1, how="all").dropna() if len(values) else values
    sign = -1 if _less_is_better(first) else 1
    return {
        "forests": forests,
        "over_datasets": over_datasets,
        "critical_difference": critical_difference(sign * by_dataset) if experiment["tests"] else None,
        "curves": [
            {**curve, "chart": curve_chart(curve["points"], logarithmic=True)} for curve in experiment["curves"]
        ],
        "amounts": [
            {**found, "chart": curve_chart({found["arm"]: found["points"]}, zero=True)}
            for found in experiment["amounts"]
        ],
    }
