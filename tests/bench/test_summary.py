"""Verdicts on records with known effects, and the harness's own error rates."""

import dataclasses

import numpy as np
import pytest

from ganaug.bench import ImageArm, ImageExperiment, Suite, TableArm, TableExperiment
from ganaug.bench.methods.scores import METRICS, MINORITY
from ganaug.bench.records.store import Store
from ganaug.bench.results import aggregate
from ganaug.bench.results.curves import equivalent_real_samples
from ganaug.bench.results.records import ExperimentResult
from ganaug.bench.results.report import _ranked, write_report
from ganaug.bench.suite.plugins import Plugin
from ganaug.metrics.paired import Difference


def summarise(suite, records, data):
    """What is written to summary.json."""
    return aggregate.summarise(suite, records, data).to_dict()


def about(name, kind="images", n=20, share=None, dataset=None, n_rarest=500):
    return {"name": name, "kind": kind, "dataset": dataset or name, "n_per_class": n, "imbalance": 1.0} | {
        "splits": 2,
        "correlation": share,
        "classes": ["a", "b"],
        "n_rarest": n_rarest,
        "n_test": 2 * n_rarest,
    }


def cell(arm, split, score, case=0, classifier="small-cnn", repeat=0, **more):
    return {
        **{"kind": "cell", "case": case, "split": split, "arm": arm, "classifier": classifier, "repeat": repeat},
        **{"status": "done", "seconds": 1.0, "recall": [score, score]},
        "metrics": dict.fromkeys((*METRICS, *MINORITY), score),
        "calibration": [[0.0] * 15] * 3,
        **more,
    }


def image_suite(arms, n=(20,), **changes):
    return Suite("s", "S", images=ImageExperiment((Plugin("d", "d"),), arms, ("real",), n_per_class=n, **changes))


GAN_ARMS = (
    ImageArm("real"),
    ImageArm("classical", transform="affine"),
    ImageArm("gan", 0.5),
    ImageArm("gan+classical", 0.5, "affine"),
)


CELL_METRICS = ("unseen cells", "seen cells", "balanced over cells")


def test_it_says_plainly_when_there_is_no_gain_and_the_strongest_comparison_comes_first():
    scores = {
        "real": (0.80, 0.82, 0.81),
        "classical": (0.90, 0.92, 0.91),
        "gan": (0.85, 0.87, 0.86),
        "gan+classical": (0.88, 0.93, 0.91),
    }
    records = [cell(arm, split, score) for arm, all_of in scores.items() for split, score in enumerate(all_of)]
    against_classical, against_real = summarise(image_suite(GAN_ARMS), records, [about("d")])["verdicts"]
    assert against_classical.startswith("gan+classical against classical: no gain shown")
    assert against_real.startswith("gan against real: a gain, +5.0 points of accuracy")
    assert "probability of harm below .01" in against_real


def test_generators_are_compared_with_each_other_after_what_does_without_them():
    scores = {"real": (0.80, 0.82, 0.81), "gan": (0.85, 0.87, 0.86), "other": (0.88, 0.93, 0.91)}
    arms = (ImageArm("real"), ImageArm("gan", 0.5), ImageArm("other", 0.5, against=("real", "gan")))
    records = [cell(arm, split, score) for arm, all_of in scores.items() for split, score in enumerate(all_of)]
    verdicts = summarise(image_suite(arms), records, [about("d")])["verdicts"]
    assert [verdict.split(":")[0] for verdict in verdicts] == [
        "gan against real",
        "other against real",
        "other against gan",
    ]


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        # Of each arm: unseen cells, seen cells, balanced over cells.
        ({"real": (0.90, 0.90, 0.90), "classical": (0.5, 0.5, 0.5), "gan": (0.90, 0.91, 0.90)}, "90.0 against 90.0"),
        ({"real": (0.70, 0.90, 0.80), "classical": (0.95, 0.60, 0.75), "gan": (0.70, 0.90, 0.80)}, None),
        ({"real": (0.90, 0.90, 0.90), "classical": (0.5, 0.5, 0.5), "gan": (0.93, 0.93, 0.93)}, None),
    ],
    ids=["nothing to gain", "an arm that trades seen cells for unseen ones", "filling them paid"],
)
def test_filling_cells_cannot_pay_where_unseen_ones_score_as_seen_ones(scores, said):
    records = [
        cell(arm, split, 0.5, metrics=dict.fromkeys(METRICS, 0.5) | dict(zip(CELL_METRICS, found, strict=True)))
        for arm, found in scores.items()
        for split in range(3)
    ]
    cautions = summarise(image_suite(GAN_ARMS[:3]), records, [about("d")])["cautions"]
    assert [said in caution for caution in cautions] == ([] if said is None else [True])


def test_two_splits_are_too_few_for_an_interval_wherever_there_would_be_one(tmp_path):
    arms = {"real": (0.5, 0.9), "gan": (0.7, 0.8)}
    sizes = (20, 40)
    records = [
        cell(arm, split, score, case=case)
        for case in range(2)
        for arm, both in arms.items()
        for split, score in enumerate(both)
    ]
    shown = {"duplicates": 1, "shape": "1x8x8", "n_train": 20, "n_test": 20, "sha256": "0" * 64, "imbalance": 1.0}
    shown["common_samples"] = False
    suite = image_suite(GAN_ARMS[::2], sizes)
    Store(tmp_path).open(suite, [], {})
    data = [{**about(f"d {n}", n=n, dataset="d", share=0.5), **shown} for n in sizes]
    summary = write_report(tmp_path, suite, records, data)
    assert summary["verdicts"] == [
        f"gan against real on d {n}: +5.0 points of accuracy in 2 splits, too few splits for an interval."
        for n in sizes
    ]
    assert len(summary["cautions"]) == len(sizes)
    assert all("gan against real +5.0 (too few splits for an interval)" in told for told in summary["cautions"])
    text, page = ((tmp_path / name).read_text() for name in ("report.md", "report.html"))
    assert text.count("+5.00 [too few splits]") == page.count(">+5.00 [too few splits]</td>") == 4
    assert "without a common sample, and test sets of 20" in text
    assert "probability of harm" not in text
    assert "real samples of each class that synthetic ones are equivalent to" not in text


def test_of_metrics_of_which_less_is_better_less_is_a_gain():
    suite = image_suite(GAN_ARMS[::2], metrics=("log-loss",))
    records = [cell(arm, split, score) for arm, score in (("real", 0.5), ("gan", 0.3)) for split in range(3)]
    for record in records:
        record["metrics"]["log-loss"] += 0.001 * record["split"]
    (verdict,) = summarise(suite, records, [about("d")])["verdicts"]
    assert verdict.startswith("gan against real: a gain, +20.0 points of log-loss")


def verdict(randomness, gain, spread=0.01, splits=6, share=None):
    """What the harness says of an arm with a known effect."""
    records = []
    for split in range(splits):
        of_split = randomness.normal(0.9, 0.02)
        for arm, effect in (("real", 0.0), ("gan", gain)):
            records.append(cell(arm, split, of_split + effect + randomness.normal(0, spread)))
    summary = summarise(image_suite(GAN_ARMS[::2]), records, [about("d", share=share)])
    arms = {arm["name"]: arm for arm in summary["experiments"][0]["cases"][0]["arms"]}
    return arms["gan"]["differences"]["real"]["verdict"]


def test_two_equal_arms_are_called_different_as_seldom_as_alpha_says():
    randomness = np.random.default_rng(0)
    called = [verdict(randomness, 0.0) in ("gain", "harm") for _ in range(200)]
    assert np.mean(called) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_a_real_gain_is_found_and_harm_is_told():
    randomness = np.random.default_rng(1)
    assert np.mean([verdict(randomness, 0.025) == "gain" for _ in range(100)]) >= 0.8
    assert np.mean([verdict(randomness, -0.025) == "harm" for _ in range(100)]) >= 0.8
    assert "gain" not in {verdict(randomness, -0.05) for _ in range(100)}


def test_overlapping_training_sets_widen_the_interval():
    found = [verdict(np.random.default_rng(2), 0.02, share=share) for share in (None, 0.8)]
    assert found == ["gain", "unclear"]


TABLE_ARMS = (TableArm("none"), TableArm("SMOTE"), TableArm("gan", against=("SMOTE",)))


def table_summary(randomness, gain, n_datasets=12, classifiers=("a", "b")):
    experiment = TableExperiment(
        tuple(Plugin(f"t{i}", f"t{i}") for i in range(n_datasets)),
        TABLE_ARMS,
        ("none",),
        tuple(Plugin(c, c) for c in classifiers),
        ("AP", "F1"),
        rope=1.0,
    )
    records = []
    for case in range(n_datasets):
        level, effect = randomness.uniform(0.4, 0.8), randomness.normal(gain, 0.01)
        for split in range(5):
            for arm in ("none", "SMOTE", "gan"):
                for classifier in classifiers:
                    score = level + randomness.normal(0, 0.01) + (effect if arm == "gan" else 0)
                    records.append(cell(arm, split, score, case, classifier))
    data = [about(f"t{i}", "tables", None, 0.2) for i in range(n_datasets)]
    return summarise(Suite("s", "S", tables=experiment), records, data), experiment


def test_over_datasets_a_gain_is_found_with_all_its_figures():
    summary, _ = table_summary(np.random.default_rng(0), 0.03)
    (verdict,) = summary["verdicts"]
    assert verdict.startswith("gan against SMOTE over 12 datasets: a gain, +")
    ap, f1 = summary["experiments"][0]["tests"]
    assert (ap["metric"], f1["metric"]) == ("AP", "F1")
    assert ap["won"] + ap["lost"] == 12
    assert ap["low"] < ap["mean"] < ap["high"]
    assert ap["p"] <= ap["p_holm"] <= 2 * ap["p"] + 1e-12
    assert ap["worse"] + ap["equal"] + ap["better"] == pytest.approx(1)
    assert ap["better"] > 0.9
    assert 0 <= ap["harm"] < 0.2
    overall = {row["name"]: row for row in summary["experiments"][0]["overall"]}
    assert overall["gan"]["ranks"]["AP"] < overall["SMOTE"]["ranks"]["AP"]


def test_over_datasets_equal_samplers_are_called_different_as_seldom_as_alpha_says():
    randomness = np.random.default_rng(3)
    p_values = [table_summary(randomness, 0.0)[0]["experiments"][0]["tests"][0]["p"] for _ in range(40)]
    assert np.mean(np.array(p_values) < 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 40)
    assert 0.3 < np.mean(p_values) < 0.7


def test_datasets_of_one_origin_count_as_one():
    """Six tables cut from one origin and twelve others: the six alone must not make a gain."""
    experiment = table_summary(np.random.default_rng(0), 0.0, n_datasets=18)[1]
    cut = tuple(Plugin(f"t{i}", f"t{i}", {"origin": "one"} if i < 6 else {}) for i in range(18))
    records = [
        cell(arm, split, 0.6 + (0.05 if arm == "gan" and case < 6 else 0.001 * split), case, c)
        for case in range(18)
        for split in range(3)
        for arm in ("none", "SMOTE", "gan")
        for c in ("a", "b")
    ]
    data = [about(f"t{i}", "tables", None, 0.2) for i in range(18)]
    whole, together = (
        summarise(Suite("s", "S", tables=dataclasses.replace(experiment, datasets=datasets)), records, data)
        for datasets in (experiment.datasets, cut)
    )
    apart, joined = (found["experiments"][0]["tests"][0] for found in (whole, together))
    assert (apart["datasets"], apart["origins"]) == (18, 18)
    assert (joined["datasets"], joined["origins"], joined["won"]) == (18, 13, 6)
    assert apart["mean"] == pytest.approx(6 * 4.9 / 18, abs=0.01)
    assert joined["mean"] == pytest.approx(4.9 / 13, abs=0.01)
    assert (apart["p"] < 0.05, joined["p"] < 0.05) == (True, False)
    assert "over 18 datasets of 13 origins: " in together["verdicts"][0]


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        ([*np.linspace(0.008, 0.016, 20), -0.35], "a gain on most datasets, but not clearly in the mean"),
        (
            [*np.linspace(0.003, 0.009, 40), *np.linspace(-0.2, -0.14, 6)],
            "harm in the mean, but a gain on most datasets",
        ),
    ],
)
def test_what_most_datasets_show_may_be_the_opposite_of_the_mean(effects, said):
    experiment = TableExperiment(
        tuple(Plugin(f"t{i}", f"t{i}") for i in range(len(effects))),
        TABLE_ARMS,
        ("none",),
        (Plugin("a", "a"),),
        ("AP",),
        rope=0.1,
    )
    records = [
        cell(arm, split, 0.6 + (effect if arm == "gan" else 0), case, "a")
        for case, effect in enumerate(effects)
        for split in range(2)
        for arm in ("none", "SMOTE", "gan")
    ]
    data = [about(f"t{i}", "tables", None, 0.2) for i in range(len(effects))]
    (verdict,) = summarise(Suite("s", "S", tables=experiment), records, data)["verdicts"]
    assert f"datasets: {said}, -" in verdict


@pytest.mark.parametrize(("metric", "step"), [("accuracy", 100 / 1000), ("balanced accuracy", 100 / 30), ("AUC", 0)])
def test_intervals_are_no_narrower_than_one_answer_is_worth_in_the_metric(metric, step):
    scores = {"real": [0.8, 0.8, 0.8, 0.8], "gan": [0.82, 0.82, 0.82, 0.82]}
    records = [cell(arm, split, score) for arm, of in scores.items() for split, score in enumerate(of)]
    data = [about("d", n_rarest=15) | {"n_test": 1000}]
    suite = image_suite(GAN_ARMS[::2], metrics=(metric,))
    found = summarise(suite, records, data)["experiments"][0]["cases"][0]["arms"][1]["differences"]["real"]
    half = 3.182446 * step / np.sqrt(12 * 4)  # Student's t with three degrees of freedom
    assert [found["low"], found["high"]] == pytest.approx([2 - half, 2 + half], abs=1e-4)


def test_the_diagram_of_ranks_counts_datasets_of_one_origin_once():
    summary, _ = table_summary(np.random.default_rng(0), 0.03)
    cut = [{"name": f"t{i}", "target": f"t{i}", "params": {"origin": "one"} if i < 4 else {}} for i in range(12)]
    for case in summary["experiments"][0]["cases"]:
        case["splits"] = 5
    of_tables = ExperimentResult.from_dict(summary["experiments"][0])
    ranked = _ranked(of_tables, {"datasets": cut})
    assert sorted(ranked.index) == sorted(["one", *(f"t{i}" for i in range(4, 12))])
    alone = _ranked(of_tables, {"datasets": [dict(of, params={}) for of in cut]})
    assert ranked.loc["one"].to_numpy() == pytest.approx(alone.loc[["t0", "t1", "t2", "t3"]].mean().to_numpy())


def test_harm_counts_pairs_of_dataset_and_classifier():
    summary, _ = table_summary(np.random.default_rng(4), -0.05)
    assert summary["experiments"][0]["tests"][0]["harm"] > 0.9
    assert "against SMOTE over 12 datasets: harm" in summary["verdicts"][0]


def curve_summary(gain):
    level = {10: 0.70, 20: 0.80, 40: 0.90}
    records = [
        cell(arm, split, level[n] + (gain if arm == "gan" else 0) + 0.001 * split, case)
        for case, n in enumerate(level)
        for arm in ("real", "gan")
        for split in range(4)
    ]
    data = [about(f"d, {n}", n=n, dataset="d") for n in level]
    return summarise(image_suite(GAN_ARMS[::2], tuple(level)), records, data)["experiments"][0]["curves"]


def test_equivalent_real_samples_are_read_from_the_curve_of_the_real_arm():
    (curve,) = curve_summary(0.05)
    assert curve["points"]["real"] == [
        [10, pytest.approx(70.15)],
        [20, pytest.approx(80.15)],
        [40, pytest.approx(90.15)],
    ]
    at_10, at_20, at_40 = curve["equivalent"]
    assert at_10["extra"] == pytest.approx(10 * np.sqrt(2) - 10)
    assert at_20["extra"] == pytest.approx(20 * np.sqrt(2) - 20)
    assert at_40["extra"] == "more"  # than were measured
    assert curve_summary(0.0)[0]["equivalent"][1]["extra"] == pytest.approx(0)
    assert curve_summary(-0.05)[0]["equivalent"][1]["extra"] == pytest.approx(20 / np.sqrt(2) - 20)
    assert curve_summary(-0.05)[0]["equivalent"][0]["extra"] == "fewer"


def test_gains_against_the_number_of_real_samples_have_intervals_for_every_kind_of_arm():
    arms = (*GAN_ARMS, ImageArm("mixup", mix="mixup"), ImageArm("weights", class_weight=True))
    gains = {"real": 0.0, "classical": 0.04, "gan": 0.02, "gan+classical": 0.05, "mixup": -0.03, "weights": 0.01}
    records = [
        cell(arm, split, level + gain + 0.01 * (split - 1) * (arm != "real"), case)
        for case, level in enumerate((0.5, 0.6))
        for arm, gain in gains.items()
        for split in range(3)
    ]
    records = [r for r in records if (r["arm"], r["case"]) != ("mixup", 0)]  # has not finished there
    suite = image_suite(arms, (10, 20))
    data = [about(f"d, {n}", n=n, dataset="d") for n in (10, 20)]
    summary = summarise(suite, records, data)["experiments"][0]
    (curve,) = summary["curves"]
    (found,) = curve["gains"]
    assert found["base"] == "real"
    half = 0.01 / np.sqrt(3) * 4.3026527 * 100  # the quantile of two degrees of freedom
    for arm, gain in gains.items():
        sizes = {"real": (), "mixup": (20,)}.get(arm, (10, 20))
        expected = [[n, 100 * gain, 100 * gain - half, 100 * gain + half] for n in sizes]
        assert found["points"].get(arm, []) == [pytest.approx(point) for point in expected]


@pytest.mark.parametrize(("failing", "told"), [((0, 1, 2), []), ((0,), [20, 40]), ((0, 1), [])])
def test_equivalent_real_samples_are_told_only_where_the_curve_of_the_other_arm_has_the_size(failing, told):
    # One classifier of two fails with the other arm alone: there is a difference, of the other classifier.
    sizes = (10, 20, 40)
    arms = (TableArm("none"), TableArm("random", Plugin("random", "random"), against=("none",)))
    records = [
        cell(arm, split, 0.5 + 0.1 * case + 0.01 * split, case=case, classifier=classifier)
        for case in range(len(sizes))
        for arm in ("none", "random")
        for classifier in ("a", "b")
        for split in range(3)
        if not (case in failing and (arm, classifier) == ("none", "b"))
    ]
    data = [about(f"d {n}", "tables", n, dataset="d") for n in sizes]
    found = summarise(tables(arms, ("a", "b"), n_per_class=sizes), records, data)
    (curve,) = found["experiments"][0]["curves"]
    assert [size for size, _ in curve["points"]["none"]] == [n for i, n in enumerate(sizes) if i not in failing]
    assert [equivalent["n"] for equivalent in curve["equivalent"]] == told
    assert len(found["verdicts"]) == len(sizes)


def test_where_the_curve_is_flat_no_difference_is_equivalent_to_no_samples():
    flat = [[10, 90.0], [20, 95.0], [50, 95.0], [200, 95.0]]
    difference = Difference(0.0, -1.0, 1.0, 5, 1.0, 0.1, "unclear")
    extra, low, high = equivalent_real_samples(flat, 200, difference, 1.0)
    assert extra == 0
    assert low == pytest.approx(10 * 2**0.8 - 200)  # as good as that few
    assert high == "more"
    difference = Difference(1.0, 0.0, 5.0, 5, 0.1, 0.0, "unclear")
    extra, low, high = equivalent_real_samples([[10, 90.0], [20, 90.0], [50, 95.0]], 10, difference, 1.0)
    assert extra == pytest.approx(20 * 2.5**0.2 - 10)
    assert (low, high) == (0, pytest.approx(40))


def test_arms_that_differ_in_the_amount_only_make_a_curve():
    arms = (ImageArm("real"), *(ImageArm(f"gan {p}", p) for p in (0.2, 0.5)), ImageArm("other", 0.5, "affine"))
    records = [cell(a.name, split, 0.8 + a.synthetic / 10 + 0.001 * split) for a in arms for split in range(3)]
    (found,) = summarise(image_suite(arms), records, [about("d")])["experiments"][0]["amounts"]
    assert [point[:2] for point in found["points"]] == [[0.2, pytest.approx(2)], [0.5, pytest.approx(5)]]


def test_failures_and_notes_are_counted_never_dropped():
    records = [cell(arm, split, 0.8) for arm in ("real", "gan") for split in range(3)]
    failed = {"status": "timed out", "reason": "not finished after 3 s"}
    records[-1] = {k: v for k, v in records[-1].items() if k not in ("metrics", "recall", "calibration")} | failed
    records[0]["note"] = "SMOTE in its place"
    summary = summarise(image_suite(GAN_ARMS[::2]), records, [about("d")])
    assert [(f["arm"], f["split"], f["status"]) for f in summary["failed"]] == [("gan", 2, "timed out")]
    assert summary["experiments"][0]["notes"] == [{"arm": "real", "note": "SMOTE in its place", "cells": 1}]
    gan = summary["experiments"][0]["cases"][0]["arms"][1]
    assert gan["splits"] == 2
    assert gan["differences"]["real"]["n"] == 2


def test_a_dataset_without_finished_cells_leaves_the_tests_to_the_others():
    summary, experiment = table_summary(np.random.default_rng(0), 0.03, n_datasets=7)
    assert summary["experiments"][0]["tests"][0]["datasets"] == 7
    few = dataclasses.replace(experiment, datasets=experiment.datasets[:5])
    records = [
        cell(arm, split, 0.5 + 0.01 * split, case, c)
        for case in range(5)
        for split in range(3)
        for arm in ("none", "SMOTE", "gan")
        for c in ("a", "b")
    ]
    data = [about(f"t{i}", "tables", None, 0.2) for i in range(5)]
    # With few datasets no test over them can find anything: each gets a verdict of its own.
    assert len(summarise(Suite("s", "S", tables=few), records, data)["verdicts"]) == 5


def discrete(randomness, n_test, splits):
    """Accuracies of two equal classifiers of few test samples, which agree on most of them."""
    records = []
    for split in range(splits):
        common = randomness.random(n_test) < 0.8
        for arm in ("real", "gan"):
            own = np.where(randomness.random(n_test) < 0.15, randomness.random(n_test) < 0.8, common)
            records.append(cell(arm, split, own.mean()))
    return records


@pytest.mark.parametrize(("splits", "share"), [(2, None), (2, 0.5), (3, None), (5, 0.2)])
def test_equal_arms_on_few_test_samples_are_called_different_as_seldom_as_alpha_says(splits, share):
    """Two equal differences in a row are common there, and no certainty."""
    randomness = np.random.default_rng(5)
    called = []
    for _ in range(150):
        data = [about("d", share=share, n_rarest=15)]
        summary = summarise(image_suite(GAN_ARMS[::2]), discrete(randomness, 30, splits), data)
        (arm,) = summary["experiments"][0]["cases"][0]["arms"][1:]
        difference = arm["differences"]["real"]
        assert difference["low"] < difference["high"]
        assert 0 < difference["harm"] < 1
        called.append(difference["verdict"] in ("gain", "harm"))
    assert np.mean(called) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


def test_many_comparisons_are_corrected_for():
    cases = range(5)
    effects = {0: 0.1, 1: 0.023}  # the second with a p-value of .03; of the others none
    records = [
        cell(arm, split, 0.8 + (effects.get(case, 0) + 0.01 * (split - 2) if arm == "gan" else 0), case)
        for case in cases
        for split in range(5)
        for arm in ("real", "gan")
    ]
    one_by_one = [
        summarise(image_suite(GAN_ARMS[::2]), [{**r, "case": 0} for r in records if r["case"] == i], [about(f"d{i}")])
        for i in cases
    ]
    together = summarise(image_suite(GAN_ARMS[::2]), records, [about(f"d{i}") for i in cases])
    alone = [summary["verdicts"][0] for summary in one_by_one]
    assert ["a gain" in verdict for verdict in alone] == [True, True, False, False, False]
    first, second, *others = together["verdicts"]
    assert first.startswith("gan against real on d0: a gain, +")
    assert "on d1: a gain, though not after correction for the number of tests, +" in second
    assert not any("a gain" in verdict for verdict in others)


def tables(arms, classifiers=("a",), **changes):
    datasets = tuple(Plugin(name, name) for name in changes.pop("datasets", ("t",)))
    named = tuple(Plugin(c, c) for c in classifiers)
    return Suite("s", "S", tables=TableExperiment(datasets, arms, ("none",), named, ("AP",), **changes))


def test_an_arm_that_fails_in_hard_splits_is_not_made_to_look_better():
    levels = (0.5, 0.6, 0.9, 0.9)
    records = [cell("none", split, level, classifier="a") for split, level in enumerate(levels)]
    records += [cell("SMOTE", split, levels[split], classifier="a") for split in (2, 3)]
    records += [
        {**cell("SMOTE", split, 0, classifier="a"), "status": "failed", "reason": "no"} | {"metrics": {}}
        for split in (0, 1)
    ]
    again = [{**record, "case": 1} for record in records]
    data = [about(name, "tables", None, 0.2) for name in ("t", "u")]
    summary = summarise(tables(TABLE_ARMS[:2], datasets=("t", "u")), records + again, data)
    experiment = summary["experiments"][0]
    none, smote = experiment["overall"]
    assert none["metrics"]["AP"] == smote["metrics"]["AP"] == pytest.approx(90)
    assert none["ranks"]["AP"] == smote["ranks"]["AP"] == 1.5
    assert [arm["splits"] for arm in experiment["cases"][0]["arms"]] == [4, 2]
    assert experiment["cases"][0]["arms"][1]["differences"]["none"]["mean"] == pytest.approx(0)


def test_a_classifier_that_never_finishes_leaves_the_comparison_to_the_others():
    records = []
    for split in range(3):
        for arm, gain in (("none", 0.0), ("SMOTE", 0.1), ("gan", 0.2)):
            records.append(cell(arm, split, 0.6 + gain + 0.001 * split, classifier="a"))
            failed = {"status": "failed", "reason": "no", "metrics": {}}
            records.append({**cell(arm, split, 0, classifier="broken"), **failed})
    summary = summarise(tables(TABLE_ARMS, ("a", "broken")), records, [about("t", "tables", None, 0.2)])
    (verdict,) = summary["verdicts"]
    assert verdict.startswith(
        "gan against SMOTE, without broken, not finished with gan and SMOTE: a gain, +10.0 points"
    )
    none = summary["experiments"][0]["cases"][0]["arms"][0]
    assert none["mean"] == none["metrics"]["AP"] == pytest.approx(60.1)
    assert none["classifiers"]["broken"]["mean"] is None
    assert len(summary["failed"]) == 9


def test_an_arm_without_a_classifier_that_others_have_has_no_mean():
    records = [cell(arm, s, 0.6, classifier=c) for arm in ("none", "gan") for s in range(3) for c in ("a", "b")]
    for record in records:
        if record["arm"] == "gan" and record["classifier"] == "b":
            record |= {"status": "failed", "reason": "no", "metrics": {}}
    arms = (TableArm("none"), TableArm("gan", against=("none",)))
    summary = summarise(tables(arms, ("a", "b")), records, [about("t", "tables", None, 0.2)])
    none, gan = summary["experiments"][0]["cases"][0]["arms"]
    assert (none["mean"], gan["mean"]) == (pytest.approx(60), None)
    assert gan["differences"]["none"]["n"] == 3  # by the classifier that both have finished
    assert summary["verdicts"][0].startswith("gan against none, without b, not finished with gan: ")
    (note,) = summary["experiments"][0]["notes"]
    assert note == {"arm": "gan", "note": "compared with none without b, not finished with gan", "cells": 3}
    for record in records:
        if record["arm"] == "gan":
            record |= {"status": "failed", "reason": "no", "metrics": {}}
    nothing_compared = summarise(tables(arms, ("a", "b")), records, [about("t", "tables", None, 0.2)])
    assert nothing_compared["experiments"][0]["notes"] == []
    assert nothing_compared["verdicts"][0].endswith(": too few finished splits to tell.")


@pytest.mark.parametrize(
    ("failing", "told"),
    [
        ((), "gan against none: "),
        (
            (("none", "b", 0), ("none", "b", 1), ("none", "b", 2)),
            "gan against none, without b, not finished with none: ",
        ),
        ((("gan", "a", 2),), "gan against none, in 2 of 3 splits: "),
        (
            (("gan", "a", 0), ("gan", "a", 1), ("gan", "a", 2), ("none", "c", 0)),
            "gan against none, without a, not finished with gan, in 2 of 3 splits: ",
        ),
        (
            [(arm, c, s) for arm, c in (("gan", "a"), ("none", "b")) for s in range(3)],
            "gan against none, without a, not finished with gan, and b, not finished with none: ",
        ),
    ],
)
def test_a_verdict_names_the_classifiers_and_splits_that_it_is_without(failing, told):
    arms = (TableArm("none"), TableArm("gan", against=("none",)))
    records = [cell(arm, s, 0.6, classifier=c) for arm in ("none", "gan") for s in range(3) for c in ("a", "b", "c")]
    for record in records:
        if (record["arm"], record["classifier"], record["split"]) in failing:
            record |= {"status": "failed", "reason": "no", "metrics": {}}
    data = [{**about("t", "tables", None, 0.2), "splits": 3}]
    assert summarise(tables(arms, ("a", "b", "c")), records, data)["verdicts"][0].startswith(told)


def test_over_datasets_a_verdict_names_what_it_is_without():
    summary, experiment = table_summary(np.random.default_rng(0), 0.03, n_datasets=8)
    records = [
        cell(arm, split, 0.5 + 0.01 * split, case, c)
        for case in range(7)
        for split in range(3)
        for arm in ("none", "SMOTE", "gan")
        for c in ("a", "b")
        if (case in (2, 3), arm, c) != (True, "gan", "b")
    ]
    data = [about(f"t{i}", "tables", None, 0.2) for i in range(8)]
    assert summary["verdicts"][0].startswith("gan against SMOTE over 8 datasets: ")
    (verdict,) = summarise(Suite("s", "S", tables=experiment), records, data)["verdicts"]
    assert verdict.startswith(
        "gan against SMOTE over 7 of 8 datasets (2 of them without what has not finished: b with gan): "
    )


def test_an_arm_that_never_finishes_leaves_the_means_to_the_others():
    records = [cell(arm, s, 0.6 + 0.01 * s, case, "a") for case in (0, 1) for arm in ("none", "gan") for s in range(3)]
    data = [about(name, "tables", None, 0.2) for name in ("t", "u")]
    found = summarise(tables(TABLE_ARMS, datasets=("t", "u")), records, data)["experiments"][0]["overall"]
    assert [row["metrics"] and row["metrics"]["AP"] for row in found] == [pytest.approx(61), None, pytest.approx(61)]


def test_the_table_of_equivalent_samples_names_the_imbalance(tmp_path):
    records = [
        cell(arm, split, 0.5 + 0.1 * case + 0.01 * split, case=case)
        for case in range(2)
        for arm in ("real", "gan")
        for split in range(3)
    ]
    data = [{**about(f"d {n}", n=n, dataset="d"), "imbalance": 10.0} for n in (20, 40)]
    shown = {"duplicates": 0, "shape": "1x8x8", "n_train": 20, "n_test": 20, "sha256": "0" * 64}
    suite = image_suite(GAN_ARMS[::2], (20, 40), imbalance=(10.0,))
    Store(tmp_path).open(suite, [], {})
    write_report(tmp_path, suite, records, [{**case, **shown} for case in data])
    heading = "\nd, imbalance 10: real samples of each class that synthetic ones are equivalent to"
    assert heading in (tmp_path / "report.md").read_text()
