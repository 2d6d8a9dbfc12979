"""The charts of a report as SVG files, for papers and slides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jinja2 import Environment

from ganaug.bench.results.palette import GAIN, HARM, LINES, UNCLEAR
from ganaug.bench.results.records import ExperimentResult

__all__ = ["svg_files"]

NAMESPACES = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def svg_files(
    templates: Environment,
    experiments: Sequence[ExperimentResult],
    charts: Sequence[dict[str, Any]],
    suite: dict[str, Any],
) -> Iterator[tuple[str, str]]:
    """Draw the charts of a report, each as a file of its own that needs no other.

    Parameters
    ----------
    templates : Environment
        With the templates of the report.
    experiments : sequence of ExperimentResult
    charts : sequence of dict
        Of each experiment, as the report lays them out.
    suite : dict
        As it is declared.

    Yields
    ------
    name, content : str
        "gain-KIND.svg", "ranks-KIND.svg", "curve-KIND-N.svg", "amount-KIND-N.svg" and "calibration-KIND-N.svg".
    """
    colours = [on_white for on_white, _ in LINES]
    marks = {"gain": GAIN[0], "harm": HARM[0], "unclear": UNCLEAR[0], "equal": UNCLEAR[0]}

    def drawn(template: str, **values: Any) -> str:
        return templates.get_template(template).render(colours=colours, marks=marks, **values)

    for experiment, layout in zip(experiments, charts, strict=True):
        kind, first = experiment.kind, experiment.compared[0]
        declared = suite[kind]
        if rows := layout["headline"]:
            yield f"gain-{kind}.svg", drawn("forest.svg", rows=rows, rope=declared["rope"], metric=first)
        if ranks := layout["critical_difference"]:
            yield f"ranks-{kind}.svg", ranks.replace("<svg", NAMESPACES, 1).replace("currentColor", "#000000")
        real = "real samples" if declared.get("n_samples") else "real samples of the largest class"
        for number, curve in enumerate(layout["curves"], 1):
            yield f"curve-{kind}-{number}.svg", drawn("curves.svg", layout=curve["chart"], x=real, y=first)
            for of, gain in enumerate(curve["gains"], 1):
                y = f"points of {first} over {gain['base']}"
                yield f"curve-{kind}-{number}-gain-{of}.svg", drawn("curves.svg", layout=gain["chart"], x=real, y=y)
        for number, found in enumerate(layout["amounts"], 1):
            x, y = "share of synthetic samples", f"points of {first} over {found['base']}"
            yield f"amount-{kind}-{number}.svg", drawn("curves.svg", layout=found["chart"], x=x, y=y)
        for case in experiment.cases:
            if arms := [arm for arm in case.arms if arm.calibration]:
                yield f"calibration-{kind}-{case.index + 1}.svg", drawn("calibration.svg", arms=arms)
