"""The result of a run as JSON, Markdown and one self-contained HTML page."""

from __future__ import annotations

import base64
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined, UndefinedError

from ganaug.bench.metrics import METRICS
from ganaug.bench.suite import Suite
from ganaug.bench.summary import summarise
from ganaug.data.files import write_atomically

__all__ = ["read_summary", "write_report"]

PACKAGES = ("ganaug", "torch", "torchvision", "numpy", "scikit-learn")


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
    root: Path, suite: Suite, records: list[dict[str, Any]], data: dict[str, Any], command: str | None = None
) -> dict[str, Any]:
    """Write ``summary.json``, ``report.md`` and ``report.html`` into the folder of a run.

    Parameters
    ----------
    root : Path
    suite : Suite
    records : list of dict
        One per cell and GAN.
    data : dict
        Classes, sizes and hash of the data set.
    command : str, optional
        What to type for the same run; None if the suite was made in Python.

    Returns
    -------
    dict
        The summary.
    """
    summary = {
        "suite": suite.to_dict(),
        "data": data,
        **summarise(suite, records),
        "environment": environment(),
        "command": command,
    }
    write_atomically(root / "summary.json", json.dumps(summary, indent=1))
    _render(root, summary)
    return summary


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
    except (ValueError, KeyError, TypeError, UndefinedError):
        raise ValueError(f"{path} is damaged; run 'ganaug bench run' on the folder again") from None
    return summary


def _render(root: Path, summary: dict[str, Any]) -> None:
    sheet = root / "samples.png"
    image = base64.b64encode(sheet.read_bytes()).decode() if sheet.is_file() else None
    templates = Environment(
        loader=PackageLoader("ganaug.bench"),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    for name, extra in (("report.html", {"sheet": image, "plot": _forest(summary)}), ("report.md", {"sheet": image})):
        write_atomically(root / name, templates.get_template(name).render(**summary, **extra, metrics=list(METRICS)))


def _forest(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Positions, in percent of the width, of each difference and its interval for a forest plot."""
    rows = [
        {"arm": arm["name"], "base": base, **difference}
        for arm in summary["arms"]
        for base, difference in arm["differences"].items()
        if arm["name"] not in summary["suite"]["baselines"]
    ]
    reach = max([1.0, *(abs(row[end]) for row in rows for end in ("low", "high"))]) * 1.05

    def position(value: float) -> float:
        return round(50 + 50 * value / reach, 2)

    return [
        {
            **row,
            "x": position(row["mean"]),
            "x1": position(row["low"]),
            "x2": position(row["high"]),
            "rope1": position(-summary["suite"]["rope"]),
            "rope2": position(summary["suite"]["rope"]),
        }
        for row in rows
    ]
