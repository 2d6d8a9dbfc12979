"""The table of families out of run folders: what counts as a family, what it is compared with, and by how much."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ganaug.bench import ImageArm, TableArm, load_suite, run_suite
from ganaug.bench.suite.plugins import Plugin

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def compare(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import compare_families

    return compare_families


def with_arms(suite, kind, arms, **options):
    experiment = dataclasses.replace(getattr(suite, kind), arms=arms, repeats=1, **options)
    return dataclasses.replace(suite, **{kind: experiment})


def test_families_of_tables_are_compared_with_the_copula_in_their_place(compare, table_suite, tmp_path):
    arms = (
        TableArm("SMOTE", Plugin("smote", "smote")),
        TableArm("copula", Plugin("copula", "copula")),
        TableArm("vae", Plugin("table-vae", "table-vae", {"steps": 2}), against=("copula",)),
        TableArm("mixed", Plugin("gan", "gan", {"generator": {"class": "table-flow", "steps": 2}})),
    )
    suite = with_arms(
        table_suite,
        "tables",
        arms,
        baselines=("SMOTE", "copula"),
        metrics=("balanced accuracy",),
        folds=2,
        classifiers=(Plugin("logistic", "logistic"),),
    )
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    rows = list(compare.rows_of(tmp_path / "run"))
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before
    assert [(row.family, row.arm, row.datasets) for row in rows] == [("TableVAE", "vae", 2), ("TableFlow", "mixed", 2)]
    assert {row.regime for row in rows} == {("tables", "all data", "balanced accuracy", "copula")}
    of_each = [
        next(arm for arm in case["arms"] if arm["name"] == "vae")["differences"]["copula"]["mean"]
        for case in summary["experiments"][0]["cases"]
    ]
    assert rows[0].mean == pytest.approx(np.mean(of_each), rel=1e-4)
    assert rows[0].low <= rows[0].mean <= rows[0].high
    assert all(row.seconds > 0 for row in rows)
    table = compare.page([tmp_path / "run"]).splitlines()
    assert len(table) == 4
    assert {line.count("|") for line in table} == {11}


@pytest.mark.usefixtures("quick_judge")
def test_images_have_the_quality_of_their_samples_beside_them(compare, image_suite, tmp_path):
    arms = (
        ImageArm("real"),
        ImageArm("classical", transform="affine"),
        ImageArm("both", 0.5, "affine", generator=("ImageGAN", "flow"), against=("classical",)),
        ImageArm("flow", 0.5, "affine", generator="flow", against=("real", "classical", "both")),
    )
    flow = Plugin("flow", "image-flow", {"steps": 2, "width": 8, "batch_size": 8})
    run_suite(with_arms(image_suite, "images", arms, generators=(flow,)), tmp_path / "run", jobs=1, verbose=False)
    page = (tmp_path / "run" / "report.md").read_text()
    assert "\nSynthetic images are drawn for 'both' from ImageGAN and flow; for 'flow' from flow.\n" in page
    (row,) = compare.rows_of(tmp_path / "run")
    assert (row.regime, row.family) == (("tiny", "4 a class, 8x8", "accuracy", "classical"), "ImageFlow")
    samples = [line.split(" | ")[1:3] for line in compare.quality(tmp_path / "run")]
    assert samples == [["ImageGAN", "2"], ["flow", "2"]]


def test_families_of_the_shipped_suites_have_something_simple_to_beat(compare):
    found = {}
    for name in ("keel-families", "few-rows", "image-families", "cells-boards"):
        for experiment in load_suite(name).experiments:
            for arm in experiment.arms:
                if compare.family(experiment, arm) is not None:
                    found[name, arm.name] = getattr(compare.rival(experiment, arm), "name", None)
    assert found["keel-families", "mixture with TableFlow"] == "mixture with a copula"
    assert found["few-rows", "TableVAE"] == "copula"
    assert ("few-rows", "local") not in found
    assert found["image-families", "classical+ImageVAE"] == "classical"
    assert found["cells-boards", "gan+flip"] == "additive+flip"
    assert None not in found.values()
