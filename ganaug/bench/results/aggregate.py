"""From finished cells to means, differences and tests, and to all that a report says."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.bench.cases.case import prepared
from ganaug.bench.inputs.datasets.sources import origin
from ganaug.bench.methods.scores import METRICS
from ganaug.bench.results.comparisons import Scores
from ganaug.bench.results.curves import amount_curves, learning_curves
from ganaug.bench.results.records import (
    ArmMeans,
    ArmResult,
    CaseResult,
    ClassifierResult,
    DatasetsTest,
    ExperimentResult,
    Failure,
    Findings,
    GanResult,
    Note,
)
from ganaug.bench.results.stats import (
    ENOUGH_DATASETS,
    bayesian_signed_rank,
    bootstrap_interval,
    harm_rate,
    holm,
    wilcoxon,
)
from ganaug.bench.results.verdicts import (
    cautions_on_cells,
    cautions_on_unseen,
    share_seen,
    verdicts_over_datasets,
    verdicts_per_case,
)
from ganaug.bench.suite.schema import DEFAULT_GENERATOR, Arm, Experiment, ImageArm, ImageExperiment, Suite
from ganaug.metrics.paired import Difference

__all__ = ["cell_table", "generators_of", "summarise"]

FEW_SEEN = 0.01  # of the test samples: below, what stands in a training set too moves no figure


def cell_table(records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """One row per cell, failed ones included, without what differs from run to run.

    Parameters
    ----------
    records : iterable of dict

    Returns
    -------
    DataFrame
        Case, split, arm, classifier, repeat, status, reason, note, and a column per metric.
    """
    rows = [
        {
            **{key: r[key] for key in ("case", "split", "arm", "classifier", "repeat", "status")},
            "reason": r.get("reason", ""),
            "note": r.get("note", ""),
            **(r.get("metrics") or dict.fromkeys(METRICS, np.nan)),
        }
        for r in records
        if r["kind"] == "cell"
    ]
    return pd.DataFrame(rows)


def summarise(suite: Suite, records: list[dict[str, Any]], data: list[dict[str, Any]]) -> Findings:
    """Summarise the records of a run.

    Parameters
    ----------
    suite : Suite
    records : list of dict
        One per cell and fitted GAN, failed ones included.
    data : list of dict
        Of each case: name, kind, classes, sizes, and how it was split.

    Returns
    -------
    Findings
    """
    cells, experiments, cautions = cell_table(records), [], []
    for experiment in suite.experiments:
        numbered = [(i, about) for i, about in enumerate(data) if about["kind"] == experiment.kind]
        scores = Scores(experiment, cells, records, numbered)
        experiments.append(_experiment(scores))
        cautions += cautions_on_cells(scores)
        if repeating := {i for i, about in numbered if share_seen(about) >= FEW_SEEN}:
            others = [_on_unseen(record) if record["case"] in repeating else record for record in records]
            cautions += cautions_on_unseen(Scores(experiment, cell_table(others), others, numbered), repeating)
    verdicts = [sentence for found in experiments for sentence in found.verdicts]
    failed = tuple(_failure(r, data[r["case"]]["name"]) for r in records if r["status"] != "done")
    return Findings(cautions, verdicts, tuple(experiments), failed)


def _on_unseen(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a cell with its metrics on the test samples that no training sample equals, where there are any."""
    return {**record, "metrics": record["metrics_unseen"] or {}} if "metrics_unseen" in record else record


def _failure(record: dict[str, Any], case: str) -> Failure:
    fitted = record["arm"] is None  # a GAN, or what several arms share
    return Failure(
        split=record["split"],
        repeat=record["repeat"],
        status=record["status"],
        reason=record["reason"],
        arm=prepared(record["classifier"]) if fitted else record["arm"],
        classifier="" if fitted else record["classifier"],
        case=case,
    )


def _experiment(scores: Scores) -> ExperimentResult:
    """Everything that the report shows of images or of tables."""
    several = len({origin(dataset) for dataset in scores.experiment.datasets}) >= ENOUGH_DATASETS
    tests = _tests(scores) if several else ()
    overall = _overall(scores) if len(scores.cases) > 1 else ()
    return ExperimentResult(
        kind=scores.experiment.kind,
        verdicts=verdicts_over_datasets(scores, tests, overall) if several else verdicts_per_case(scores),
        metrics=scores.metrics,
        compared=list(scores.experiment.metrics),
        cases=tuple(_case(scores, i, about) for i, about in scores.cases),
        overall=overall,
        tests=tests,
        curves=learning_curves(scores),
        amounts=amount_curves(scores),
        notes=_notes(scores),
    )


def _case(scores: Scores, index: int, about: dict[str, Any]) -> CaseResult:
    gans = [r for r in scores.records if r["case"] == index and "consistency" in r and r["status"] == "done"]
    arms, drawn = scores.experiment.arms, generators_of(scores.experiment)
    found = [
        _gan(mine, name, place)
        for place, name in enumerate(drawn)
        if (mine := [r for r in gans if r.get("generator", DEFAULT_GENERATOR) == name])
    ]
    seconds = {gan.generator: gan.seconds for gan in found}
    of_arm = {arm.name: sum(seconds.get(name, 0.0) for name in getattr(arm, "sources", ())) for arm in arms}
    return CaseResult(
        about=about,
        index=index,
        arms=tuple(_arm(scores, index, arm, of_arm[arm.name]) for arm in arms if scores.runs(arm, about)),
        left_out=tuple(arm.name for arm in arms if not scores.runs(arm, about)),
        gan=found[0] if found else None,
        other_gans=tuple(found[1:]),
    )


def generators_of(experiment: Experiment) -> list[str]:
    """The generators that arms of images draw from."""
    return experiment.drawn_from() if isinstance(experiment, ImageExperiment) else []


def _gan(records: list[dict[str, Any]], name: str, place: int) -> GanResult:
    """The fits of a generator in all splits of a case as one."""
    return GanResult(
        consistency=(100 * np.mean([r["consistency"] for r in records], axis=0)).tolist(),
        seconds=float(np.mean([r["fit_seconds"] for r in records])),
        steps=records[0]["steps"],
        audit=next((r["audit"] for r in records if "audit" in r), None),
        generator=name,
        place=place,
        fid=_mean_of(records, "fid"),
        seconds_drawing=_mean_of(records, "draw_seconds"),
    )


def _mean_of(records: list[dict[str, Any]], figure: str) -> float | None:
    """The mean of what records of before it was measured lack."""
    return float(np.mean([r[figure] for r in records])) if all(figure in r for r in records) else None


def _arm(scores: Scores, index: int, arm: Arm, gan_seconds: float) -> ArmResult:
    first = scores.experiment.metrics[0]
    values = scores.values(arm.name, first, index)
    mine = [r for r in scores.records if r["arm"] == arm.name and r["case"] == index and r["status"] == "done"]
    made = [r["fit_seconds"] for r in mine if "fit_seconds" in r]
    several = len(generators_of(scores.experiment)) > 1
    return ArmResult(
        name=arm.name,
        mean=_mean(values),
        deviation=float(values.std(ddof=1)) if len(values) > 1 else None,
        splits=len(values),
        metrics={m: scores.mean(arm.name, m, index) for m in scores.metrics} if mine else None,
        recall=(100 * np.mean([r["recall"] for r in mine], axis=0)).tolist() if mine else None,
        calibration=np.sum([r["calibration"] for r in mine], axis=0).tolist() if mine else None,
        seconds=float(np.mean([r["seconds"] for r in mine])) if mine else None,
        seconds_synthetic=(float(np.median(made)) if made else gan_seconds) if arm.amount > 0 else 0.0,
        differences=_to_baselines(scores, arm.name, index),
        classifiers={
            c.name: ClassifierResult(
                scores.mean(arm.name, first, index, c.name), _to_baselines(scores, arm.name, index, c.name)
            )
            for c in scores.experiment.classifiers
        },
        generator=" and ".join(arm.sources) if isinstance(arm, ImageArm) and arm.synthetic > 0 and several else None,
    )


def _to_baselines(scores: Scores, arm: str, index: int, classifier: str | None = None) -> dict[str, Difference]:
    """The difference to each baseline that there are splits enough for."""
    return {
        base: difference
        for base in scores.experiment.baselines
        if base != arm and (difference := scores.difference(arm, base, index, classifier)) is not None
    }


def _tests(scores: Scores) -> tuple[DatasetsTest, ...]:
    """Each pair and metric over datasets: intervals, signed-rank tests with Holm's correction, probabilities."""
    found = [
        test
        for arm, base in scores.experiment.pairs()
        for metric in scores.experiment.metrics
        if (test := _test(scores, arm.name, base.name, metric)) is not None
    ]
    adjusted = holm([test["p"] for test in found]) if found else ()
    return tuple(DatasetsTest(**test, p_holm=float(p)) for test, p in zip(found, adjusted, strict=True))


def _test(scores: Scores, arm: str, base: str, metric: str) -> dict[str, Any] | None:
    """What there is to be said before the number of tests is known; None with too few finished datasets."""
    rope = scores.experiment.rope
    of_origins = scores.of_origins(arm, base, metric)
    if len(of_origins) < ENOUGH_DATASETS:
        return None
    clear: Counter[str] = Counter()
    pairs = []
    for index, _ in scores.cases:
        for classifier in scores.experiment.classifiers:
            pairs.append(_mean(scores.better(arm, base, metric, index, classifier.name)))
        if (difference := scores.difference(arm, base, index, metric=metric)) is not None:
            clear[difference.verdict] += 1
    of_datasets = np.array([mean for found in of_origins.values() for mean in found.values()])
    means = np.array([np.mean([*found.values()]) for found in of_origins.values()])
    low, high = bootstrap_interval(means)
    chances = bayesian_signed_rank(means, rope=rope)
    return {
        "arm": arm,
        "base": base,
        "metric": metric,
        "datasets": len(of_datasets),
        "origins": len(means),
        "mean": float(means.mean()),
        "low": low,
        "high": high,
        "won": int((of_datasets > 0).sum()),
        "lost": int((of_datasets < 0).sum()),
        "clear_gain": clear["gain"],
        "clear_harm": clear["harm"],
        "p": wilcoxon(means),
        "worse": chances.worse,
        "equal": chances.equal,
        "better": chances.better,
        "harm": harm_rate([p for p in pairs if p is not None], rope=rope),
    }


def _overall(scores: Scores) -> tuple[ArmMeans, ...]:
    """Means and mean ranks of each arm over pairs of case and classifier, in splits that all arms have finished.

    All arms, that is, that have finished any cell. Where an arm is left out, since its class weights would change
    nothing, the figures of its like without them count.
    """
    left_out = {
        arm.name: cases
        for arm in scores.experiment.arms
        if (cases := [index for index, about in scores.cases if not scores.runs(arm, about)])
    }
    arms = [arm for arm in scores.experiment.arms if len(left_out.get(arm.name, ())) < len(scores.cases)]
    if not len(scores.by_split):
        return tuple(ArmMeans(arm.name, None, None) for arm in arms)
    blocks = scores.by_split.unstack("arm")
    for name, cases in left_out.items():
        here = blocks.index.get_level_values("case").isin(cases)
        like = scores.experiment.arm(name).like_without_weights(scores.experiment.arms).name
        for metric in scores.metrics if {name, like} <= {*blocks[scores.metrics[0]]} else ():
            blocks.loc[here, (metric, name)] = blocks.loc[here, (metric, like)]
    tables = {
        metric: blocks[metric].dropna(axis=1, how="all").dropna().groupby(["case", "classifier"]).mean()
        for metric in scores.metrics
    }
    first = tables[scores.experiment.metrics[0]]
    ranks = {metric: (scores.sign[metric] * table).rank(axis=1, ascending=False) for metric, table in tables.items()}
    return tuple(
        ArmMeans(arm.name, _means(tables, arm.name), _means(ranks, arm.name))
        if arm.name in first and len(first)
        else ArmMeans(arm.name, None, None)
        for arm in arms
    )


def _means(tables: dict[str, pd.DataFrame], arm: str) -> dict[str, float | None]:
    """Of each metric, the mean over pairs of case and classifier."""
    # A metric of two classes has none of an arm that failed wherever there are two.
    return {metric: _mean(table[arm]) if arm in table else None for metric, table in tables.items()}


def _notes(scores: Scores) -> tuple[Note, ...]:
    """What could not be done as asked, and how often; and what comparisons with baselines are without."""
    counted = Counter((r["arm"], r["note"]) for r in scores.records if "note" in r)
    failed = Counter((r["case"], r["arm"], r["classifier"]) for r in scores.records if r["status"] != "done")
    for (index, _), arm, base in itertools.product(scores.cases, scores.experiment.arms, scores.experiment.baselines):
        lacking = scores.lacking(arm.name, base, index) if arm.name != base else {}
        compared = len(lacking) < len(scores.experiment.classifiers)
        for classifier, missing in lacking.items() if compared else ():
            cells = sum(failed[index, name, classifier] for name in (arm.name, base))
            note = f"compared with {base} without {classifier}, not finished with {missing}"
            if cells:
                counted[arm.name, note] += cells
    return tuple(Note(arm, note, cells) for (arm, note), cells in sorted(counted.items()))


def _mean(values: NDArray[np.float64] | pd.Series) -> float | None:
    return float(values.mean()) if len(values) else None
