"""Positions for the report's charts, and the critical-difference diagram."""

from __future__ import annotations

import io
import itertools
import re
import warnings
from typing import Any

import numpy as np
import pandas as pd

from ganaug.bench.results.palette import DASHES, LINES
from ganaug.bench.results.stats import holm, wilcoxon
from ganaug.metrics.paired import FEWEST_SPLITS

__all__ = ["critical_difference", "curve_chart", "forest", "forest_ticks", "reliability"]

FEWEST_BLOCKS = 6
WIDTH, HEIGHT, MARGIN = 320.0, 200.0, 40.0
APART, MOST_APART = 4.0, 24.0  # intervals of two lines at one place, and those of the first and the last line


def forest(rows: list[dict[str, Any]], rope: float) -> list[dict[str, Any]]:
    """Positions, in percent of the width, of each difference and its interval.

    Parameters
    ----------
    rows : list of dict
        With "mean", "low" and "high", and "n" if it is of splits.
    rope : float

    Returns
    -------
    list of dict
        The rows with "x", "rope1" and "rope2", and "x1" and "x2" where there are splits enough for an interval.

    Examples
    --------
    >>> forest([{"mean": 0.0, "low": -1.0, "high": 1.0}], rope=0.5)[0]["x"]
    50.0
    """
    reach = _reach(rows, rope)

    def position(value: float) -> float:
        return round(50 + 50 * value / reach, 2)

    return [
        {
            **row,
            "x": position(row["mean"]),
            **{key: position(value) for key, value in _ends(row).items()},
            "rope1": position(-rope),
            "rope2": position(rope),
        }
        for row in rows
    ]


def forest_ticks(rows: list[dict[str, Any]], rope: float) -> list[dict[str, Any]]:
    """Ticks of the axis below the rows of :func:`forest`: where they stand, in percent of the width, and their text.

    Examples
    --------
    >>> [tick["text"] for tick in forest_ticks([{"mean": 0.0, "low": -9.0, "high": 4.0}], rope=0.5)]
    ['-5', '0', '+5']
    """
    reach = _reach(rows, rope)
    power = 10.0 ** np.floor(np.log10(reach))
    step = next(n * power for n in (5, 2, 1, 0.5) if n * power <= reach / 1.5)
    values = step * np.arange(-int(reach // step), int(reach // step) + 1)
    return [
        {"at": round(float(50 + 50 * value / reach), 2), "text": f"{value:+g}" if value else "0"} for value in values
    ]


def _ends(row: dict[str, Any]) -> dict[str, float]:
    """Ends of an interval, where there are splits enough for one."""
    return {"x1": row["low"], "x2": row["high"]} if row.get("n", FEWEST_SPLITS) >= FEWEST_SPLITS else {}


def _reach(rows: list[dict[str, Any]], rope: float) -> float:
    """The difference at the right edge."""
    reached = [abs(value) for row in rows for value in (row["mean"], *_ends(row).values())]
    return max([2 * rope, 1.0, *reached]) * 1.05


def curve_chart(
    lines: dict[str, list[list[float]]], *, logarithmic: bool = False, zero: bool = False
) -> dict[str, Any]:
    """Lay out lines for an SVG of 320 x 200.

    Parameters
    ----------
    lines : dict
        Of each name, points ``[x, y]`` or ``[x, y, low, high]``. Those with intervals stand beside each other.
    logarithmic : bool
        Of the horizontal axis.
    zero : bool
        Show y = 0.

    Returns
    -------
    dict
        "lines" (name, number of the colour, dash, SVG points, bars), "x_ticks", "y_ticks" (position, text), and the
        position of zero.

    Examples
    --------
    >>> chart = curve_chart({"real": [[10, 50.0], [100, 90.0]]}, logarithmic=True)
    >>> chart["lines"][0]["points"], [tick["text"] for tick in chart["x_ticks"]]
    ('40.0,160.0 310.0,10.0', ['10', '100'])
    """
    xs = sorted({point[0] for points in lines.values() for point in points})
    ys = [value for points in lines.values() for point in points for value in point[1:]] + ([0.0] if zero else [])
    low, high = (min(ys), max(ys)) if ys else (0.0, 1.0)
    high = high if high > low else low + 1
    shown = {name: points for name, points in lines.items() if points}
    step = (
        min(APART, MOST_APART / max(1, len(shown) - 1)) if any(len(p) > 2 for ps in shown.values() for p in ps) else 0
    )
    room = step * (len(shown) - 1) / 2
    left, right, top, bottom = MARGIN + room, WIDTH - 10 - room, 10.0, HEIGHT - MARGIN

    def across(x: float, aside: float = 0.0) -> float:
        a, b, v = (np.log(xs[0]), np.log(xs[-1]), np.log(x)) if logarithmic else (xs[0], xs[-1], x)
        return round(float(left + (right - left) * ((v - a) / (b - a) if b > a else 0.5) + aside), 1)

    def up(y: float) -> float:
        return round(float(bottom - (bottom - top) * (y - low) / (high - low)), 1)

    return {
        "lines": [
            {
                "name": name,
                "number": number % len(LINES),
                # Past the last colour dashes shift by one, so that no two of many lines look alike.
                "dash": DASHES[(number + number // len(LINES)) % len(DASHES)],
                "points": " ".join(f"{across(p[0], aside)},{up(p[1])}" for p in points),
                "dots": [{"x": across(p[0], aside), "y": up(p[1])} for p in points],
                "bars": [{"x": across(p[0], aside), "y1": up(p[2]), "y2": up(p[3])} for p in points if len(p) > 2],
            }
            for number, (name, points) in enumerate(lines.items())
            if points
            for aside in (step * list(shown).index(name) - room,)
        ],
        "x_ticks": [{"at": across(x), "text": f"{x:g}"} for x in xs],
        "y_ticks": [{"at": up(y), "text": f"{y:.1f}"} for y in np.linspace(low, high, 4)],
        "zero": up(0.0) if low <= 0 <= high and zero else None,
    }


def reliability(calibration: list[list[float]]) -> list[dict[str, float]]:
    """Bins of confidence as bars, in percent: where they stand, how high they are, and how many samples they hold.

    Examples
    --------
    >>> reliability([[0, 4], [0, 3.0], [0, 2]])
    [{'confidence': 75.0, 'accuracy': 50.0, 'share': 100.0}]
    """
    counts, confidence, hits = (np.asarray(part, dtype=float) for part in calibration)
    return [
        {
            "confidence": round(float(100 * c / n), 1),
            "accuracy": round(float(100 * h / n), 1),
            "share": round(float(100 * n / counts.sum()), 1),
        }
        for n, c, h in zip(counts, confidence, hits, strict=True)
        if n > 0
    ]


def critical_difference(values: pd.DataFrame) -> str | None:
    """Critical-difference diagram of arms over datasets (Demšar, JMLR 2006), as SVG.

    Arms are placed by mean rank; a bar joins those between which signed-rank tests, corrected by Holm, find nothing.

    Parameters
    ----------
    values : DataFrame of shape (n_datasets, n_arms)
        More is better; columns are names of arms.

    Returns
    -------
    str or None
        None with too few datasets or arms, or where scikit-posthocs or matplotlib are not installed.
    """
    if len(values) < FEWEST_BLOCKS or len(values.columns) < 3:
        return None
    try:
        import matplotlib as mpl
        import scikit_posthocs
        from matplotlib.figure import Figure
    except ImportError:
        return None
    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "ganaug",
        "font.size": 9,
        "text.parse_math": False,  # an arm may be called "$1"
    }
    with warnings.catch_warnings(), mpl.rc_context(style):
        warnings.simplefilter("ignore")
        pairs = list(itertools.combinations(values.columns, 2))
        p_values = pd.DataFrame(1.0, index=values.columns, columns=values.columns)
        for (a, b), p in zip(pairs, holm([wilcoxon(values[a] - values[b]) for a, b in pairs]), strict=True):
            p_values.loc[a, b] = p_values.loc[b, a] = p
        figure = Figure(figsize=(7.2, 0.6 + 0.22 * len(values.columns)))
        ranks = values.rank(axis=1, ascending=False).mean()
        ink = dict.fromkeys(values.columns, "#000000")
        scikit_posthocs.critical_difference_diagram(ranks, p_values, ax=figure.subplots(), color_palette=ink)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r' xmlns:xlink="[^"]*"| xmlns="[^"]*"', "", text)  # within HTML it needs no namespaces
    # The page's own colour and font, in dark as in light.
    return text.replace("#000000", "currentColor").replace("stroke: black", "stroke: currentColor")
