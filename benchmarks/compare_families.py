"""What each family of generators adds, regime by regime, out of the runs that there are.

    python benchmarks/compare_families.py runs/keel-families runs/few-rows runs/image-families runs/cells-boards

Each folder is one that 'ganaug bench run' has written, finished or not; it is read as it is, and not written to.

An arm counts for a family if it draws from a single generator that is trained: a registered one, a peer, or a class by
its import path. It is compared with what its suite says that it is against, the last of these arms for which nothing is
trained: a Gaussian copula in the place of the generator for tables, the best classical transform for images, the
additive transfer for unseen cells. A regime is a suite at one size of training sets and, for images, of images.

Differences are points of the first metric of the suite: means over data sets of means over splits, with a 95 % interval
(bootstrap over means of data sets; for a single data set the paired t-interval over splits). p is of the signed-rank
test over at least six data sets, of a t-test over fewer, and of one over the splits of a single one, Holm-corrected
over the arms of the regime. Seconds are those of fitting, or with over-samplers of resampling, of a training set.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

from ganaug.bench.methods.peers import GENERATORS as PEERS
from ganaug.bench.methods.samplers import table_generator
from ganaug.bench.results.aggregate import cell_table
from ganaug.bench.results.comparisons import Scores
from ganaug.bench.results.report import finished_cells
from ganaug.bench.results.stats import ENOUGH_DATASETS, bootstrap_interval, holm, wilcoxon
from ganaug.bench.suite.schema import DEFAULT_GENERATOR, Experiment, ImageArm, TableArm
from ganaug.data.files import write_atomically
from ganaug.generators import generator_class

UNTRAINED = ("copula", "table-copula", "kde", "gaussian")  # which train no network


class Row(NamedTuple):
    """One line of the table, but for Holm's correction."""

    regime: tuple[str, str, str, str]  # suite, size of training sets and images, metric, what it is compared with
    family: str
    arm: str
    datasets: int
    mean: float
    low: float
    high: float
    p: float
    seconds: float | None


def drawn_from(experiment: Experiment, arm: Any) -> list[str | None]:
    """What an arm draws from: for each source the class, or the peer, that is trained; None for one that is not."""
    if isinstance(arm, ImageArm):
        sources = arm.sources if arm.synthetic > 0 else ()
        return [_class_name(experiment.generator(name).target, "images") for name in sources]
    if not isinstance(arm, TableArm) or arm.sampler is None:
        return []
    target, params = arm.sampler.target, arm.sampler.params
    if target not in ("gan", "safe"):
        return [_class_name(target, "rows")]
    params = params.get("sampler", params)
    is_local = params.get("local_share") == 1
    return [None if is_local else _class_name(table_generator(params.get("generator")).target, "rows")]


def family(experiment: Experiment, arm: Any) -> str | None:
    """What an arm of a single source draws from; None for an arm of no family, or of several sources."""
    sources = drawn_from(experiment, arm)
    return sources[0] if len(sources) == 1 else None


def _class_name(target: str, kind: str) -> str | None:
    if kind == "rows" and target in (*PEERS, *UNTRAINED):
        return None if target in UNTRAINED else target
    try:
        return generator_class(target, kind).__name__
    except (TypeError, ValueError):  # what is none of a family: SMOTE, the additive transfer
        return None


def rival(experiment: Experiment, arm: Any) -> Any:
    """The arm to beat: the last that it is against, or else the last baseline, for which nothing is trained."""
    for names in (arm.against, experiment.baselines):
        others = [experiment.arm(name) for name in names if name != arm.name]
        if simple := [other for other in others if not any(drawn_from(experiment, other))]:
            return simple[-1]
    return None


def size(about: dict[str, Any]) -> str:
    """Size of the training set of a case, and of its images."""
    real = f"{about['n_samples']} rows" if about.get("n_samples") else f"{about['n_per_class']} a class"
    real = "all data" if about["n_per_class"] is None and not about.get("n_samples") else real
    return f"{real}, {'x'.join(about['shape'].split('x')[1:])}" if about["kind"] == "images" else real


def rows_of(folder: Path) -> Iterator[Row]:
    """A row for each regime and family of a run."""
    suite, records, planned, _ = finished_cells(folder)
    table = cell_table(records)
    for experiment in suite.experiments:
        cases = [(i, about) for i, about in enumerate(planned["data"]) if about["kind"] == experiment.kind]
        for regime in dict.fromkeys(size(about) for _, about in cases):
            scores = Scores(experiment, table, records, [case for case in cases if size(case[1]) == regime])
            for arm in experiment.arms:
                name, base = family(experiment, arm), rival(experiment, arm)
                if name is not None and base is not None and (row := _compared(scores, arm, base)) is not None:
                    where = suite.name, regime, experiment.metrics[0], base.name
                    yield Row(where, name, arm.name, *row, _seconds(scores, arm))


def _compared(scores: Scores, arm: Any, base: Any) -> tuple[int, float, float, float, float] | None:
    """Data sets, mean, ends of the interval and p; None with nothing to compare."""
    metric = scores.experiment.metrics[0]
    finished = [i for i, _ in scores.cases if len(scores.better(arm.name, base.name, metric, i))]
    if not finished:
        return None
    if len(finished) == 1:
        difference = scores.difference(arm.name, base.name, *finished)
        if difference is None:
            return None
        return 1, difference.mean, difference.low, difference.high, difference.p
    means = np.array([np.mean([*found.values()]) for found in scores.of_origins(arm.name, base.name, metric).values()])
    low, high = bootstrap_interval(means)
    few = len(means) < ENOUGH_DATASETS
    p = float(scipy.stats.ttest_1samp(means, 0).pvalue) if few and means.std() > 0 else wilcoxon(means)
    return len(means), float(means.mean()), low, high, p


def _seconds(scores: Scores, arm: Any) -> float | None:
    """Of fitting for one training set; None where no record says it."""
    if isinstance(arm, ImageArm):
        made = [
            r for r in scores.records if r.get("generator", DEFAULT_GENERATOR) == arm.sources[0] and r["arm"] is None
        ]
    else:
        made = [r for r in scores.records if r["arm"] == arm.name]
    found = [r["fit_seconds"] for r in made if "fit_seconds" in r]
    return float(np.median(found)) if found else None


def quality(folder: Path) -> list[str]:
    """How good the images of each generator of a run are; empty for a run without images."""
    suite, records, planned, _ = finished_cells(folder)
    lines = []
    for index, about in enumerate(planned["data"]):
        made = [r for r in records if r["case"] == index and r["status"] == "done" and "consistency" in r]
        for name in dict.fromkeys(r.get("generator", DEFAULT_GENERATOR) for r in made):
            mine = [r for r in made if r.get("generator", DEFAULT_GENERATOR) == name]
            cells = [f"{100 * np.mean([r['consistency'] for r in mine]):.1f}"]
            for key, digits in (("fid", 1), ("fit_seconds", 0), ("draw_seconds", 2)):
                values = [r[key] for r in mine if key in r]
                cells.append(f"{np.mean(values):.{digits}f}" if values else "")
            lines.append(f"| {suite.name}: {about['name']} | {name} | {len(mine)} | {' | '.join(cells)} |")
    return lines


def page(folders: list[Path]) -> str:
    """The table of all runs, and of generators of images what their samples are like."""
    rows = [row for folder in folders for row in rows_of(folder)]
    heads = "suite, training set, points of, compared with, family, arm, data sets, mean [95 %], p (Holm), fit in s"
    lines = [f"| {heads.replace(', ', ' | ')} |", "|" + "---|" * 10]
    for regime in dict.fromkeys(row.regime for row in rows):
        mine = [row for row in rows if row.regime == regime]
        for row, p in zip(mine, holm([row.p for row in mine]), strict=True):
            seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
            mean = f"{row.mean:+.1f} [{row.low:+.1f}, {row.high:+.1f}]"
            cells = (*regime, row.family, row.arm, str(row.datasets), mean, f"{p:.3f}", seconds)
            lines.append(f"| {' | '.join(cells)} |")
    if samples := [line for folder in folders for line in quality(folder)]:
        lines += ["", "| run | generator | fits | class consistency, % | FID | fit, s | draw 1,000, s |"]
        lines += ["|" + "---|" * 7, *samples]
    for folder in folders:
        if missing := len(finished_cells(folder)[-1]):
            lines += ["", f"{folder.name} is not finished: {missing} cells are missing."]
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="of runs, finished or not")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    text = page(arguments.folders)
    print(text)
    if arguments.output:
        write_atomically(arguments.output, text)


if __name__ == "__main__":
    main()
