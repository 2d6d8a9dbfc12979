import dataclasses
import json
import re

import numpy as np
import pytest
import torch

from ganaug import ImageGAN
from ganaug.bench import TableArm, run_suite
from ganaug.bench.cases import image_choices, images, tables
from ganaug.bench.cases.case import case_specs, predictions
from ganaug.bench.execution.workers import make_case
from ganaug.bench.inputs.splits import drawn_splits
from ganaug.bench.methods.scores import scores
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin
from ganaug.cli import main

pytestmark = pytest.mark.usefixtures("quick_judge")


def without_times(summary):
    """The summary less what differs from run to run."""
    text = json.dumps({k: v for k, v in summary.items() if k not in ("environment", "command")})
    return re.sub(r'"(seconds\w*)": [\d.e-]+', r'"\1": 0', text)


def records(folder):
    return [json.loads(path.read_text())["record"] for path in sorted((folder / "cells").iterdir())]


def test_every_cell_of_the_grid_is_run_once_and_reported(image_suite, tmp_path):
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    cells = []
    summary = run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False, on_cell=cells.append)
    assert len(cells) == len(set(cells)) == 2 * (1 + 4 * 2)
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])
    (experiment,) = summary["experiments"]
    (case,) = experiment["cases"]
    assert [arm["name"] for arm in case["arms"]] == ["real", "classical", "gan", "gan+classical"]
    assert all(0 <= arm["mean"] <= 100 and arm["splits"] == 2 for arm in case["arms"])
    assert all(arm["mean"] == pytest.approx(arm["metrics"]["accuracy"], rel=1e-4) for arm in case["arms"])
    assert summary["failed"] == []
    assert len(case["gan"]["consistency"]) == 2
    assert case["gan"]["fid"] > 0 < case["gan"]["seconds_drawing"]
    assert (case["n_train"], case["n_test"]) == (8, 30 - 16)
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary
    assert (tmp_path / "run" / "samples-1.png").read_bytes()[:4] == b"\x89PNG"


def test_the_table_of_cells_has_a_row_for_each(table_suite, tmp_path):
    import pandas as pd

    run_suite(table_suite, tmp_path / "run", jobs=1, verbose=False)
    cells = pd.read_csv(tmp_path / "run" / "cells.csv")
    assert len(cells) == 2 * 3 * 3 * 2 * 2  # datasets, folds, arms, repeats, classifiers
    assert not cells.duplicated(["case", "split", "arm", "classifier", "repeat"]).any()
    assert cells["status"].eq("done").all()
    assert cells["F1"].between(0, 1).all()


def test_differences_are_paired_by_split_and_averaged_over_classifiers(table_suite, tmp_path):
    summary = run_suite(table_suite, tmp_path / "run", jobs=1, verbose=False)
    found = records(tmp_path / "run")

    def score(arm, split):
        chosen = [r for r in found if (r["arm"], r["split"], r["case"]) == (arm, split, 1)]
        assert len(chosen) == 4
        return 100 * np.mean([r["metrics"]["balanced accuracy"] for r in chosen])

    by_hand = np.mean([score("SMOTE", s) - score("none", s) for s in range(3)])
    case = summary["experiments"][0]["cases"][1]
    arms = {arm["name"]: arm for arm in case["arms"]}
    assert arms["SMOTE"]["differences"]["none"]["mean"] == pytest.approx(by_hand, rel=1e-4)
    of_classifiers = [c["differences"]["none"]["mean"] for c in arms["SMOTE"]["classifiers"].values()]
    assert np.mean(of_classifiers) == pytest.approx(by_hand, rel=1e-4)


def test_sizes_classes_and_signs_are_told_as_they_are(table_suite, tmp_path):
    arms = (TableArm("none"), TableArm("random", Plugin("random", "random")))  # none says what it is compared with
    experiment = dataclasses.replace(
        table_suite.tables,
        arms=arms,
        baselines=("none",),
        metrics=("log-loss",),
        datasets=table_suite.tables.datasets[:1],
    )
    run_suite(dataclasses.replace(table_suite, tables=experiment), tmp_path / "run", jobs=1, verbose=False)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    (case,) = summary["experiments"][0]["cases"]
    none, random = (arm["mean"] for arm in case["arms"])
    (verdict,) = summary["verdicts"]
    assert verdict.startswith("random against none: ")
    assert f"{none - random:+.1f} points of log-loss saved (95 % interval" in verdict
    report = (tmp_path / "run" / "report.md").read_text()
    assert "splits of 34 to 35 training samples" in report
    assert "test sets of 17 to 18" in report
    assert "F1, precision, recall and AP are of class yes" in report


def test_metrics_can_be_computed_again_from_the_probabilities_that_are_kept(image_suite, tmp_path):
    run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)
    data = np.load(tmp_path / "shades.npz")
    classes, targets = np.unique(data["labels"], return_inverse=True)
    test = drawn_splits(data["labels"], 4, 2, image_suite.seed).test[0]
    for record in records(tmp_path / "run"):
        if record["kind"] == "cell":
            kept, chosen = predictions(record)
            assert kept.shape == (len(test), len(classes))
            assert scores(targets[test], kept, predicted=chosen) == record["metrics"]


def test_no_two_cells_share_a_key_or_a_random_start(image_suite, table_suite, tmp_path, monkeypatch):
    for suite in (image_suite, table_suite):
        keys = [
            key
            for index in range(len(case_specs(suite)))
            for task in make_case(suite, index, Store(tmp_path)).tasks()
            for key in task.keys
        ]
        assert len(set(keys)) == len(keys) == (18 if suite.images else 72)
    seen = []

    def recording(module, name, seed_of):
        used = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a: (seen.append((name, *seed_of(a))), used(*a))[1])

    recording(images, "random_generator", lambda a: a)
    recording(image_choices, "random_generator", lambda a: a)
    recording(tables, "resample", lambda a: a[-1:])
    recording(tables, "fit_predict", lambda a: a[5:6])
    run_suite(image_suite, tmp_path / "images", jobs=1, verbose=False)
    run_suite(table_suite, tmp_path / "tables", jobs=1, verbose=False)
    assert len(set(seen)) == len(seen) > 36 + 72


@pytest.mark.parametrize("stop_after", [1, 2, 5, 17])
def test_interrupted_and_resumed_equals_uninterrupted(image_suite, tmp_path, stop_after):
    whole = run_suite(image_suite, tmp_path / "whole", jobs=1, verbose=False)
    first, second = [], []

    def interrupt(name):
        first.append(name)
        if len(first) == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_suite(image_suite, tmp_path / "parts", jobs=1, verbose=False, on_cell=interrupt)
    resumed = run_suite(image_suite, tmp_path / "parts", jobs=1, verbose=False, on_cell=second.append)
    assert without_times(resumed) == without_times(whole)
    assert set(first).isdisjoint(second)
    assert len(first) + len(second) == 18
    cells = [(tmp_path / name / "cells.csv").read_bytes() for name in ("whole", "parts")]
    assert cells[0] == cells[1]


def test_damaged_cells_are_run_again(image_suite, tmp_path):
    whole = run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)
    paths = sorted((tmp_path / "run" / "cells").iterdir())
    paths[0].write_text("{")
    content = json.loads(paths[1].read_text())
    content["record"]["split"] = 9
    paths[1].write_text(json.dumps(content))
    again = []
    with pytest.warns(UserWarning, match="is damaged and counts as not run"):
        repeated = run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False, on_cell=again.append)
    assert len(again) == 2
    assert without_times(repeated) == without_times(whole)


def test_only_the_missing_classifier_of_a_task_is_run_again(table_suite, tmp_path, monkeypatch):
    run_suite(table_suite, tmp_path / "run", jobs=1, verbose=False)
    table = (tmp_path / "run" / "cells.csv").read_bytes()
    path = next(p for p in (tmp_path / "run" / "cells").iterdir() if '"knn"' in p.read_text())
    path.unlink()
    asked, fit_predict = [], tables.fit_predict
    monkeypatch.setattr(tables, "fit_predict", lambda *a: (asked.append(a[1].name), fit_predict(*a))[1])
    run_suite(table_suite, tmp_path / "run", jobs=1, verbose=False)
    assert asked == ["knn"]
    assert (tmp_path / "run" / "cells.csv").read_bytes() == table


def test_a_gan_whose_folder_is_damaged_is_fitted_again(image_suite, tmp_path):
    whole = run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)
    for record in (tmp_path / "run" / "cells").iterdir():
        if json.loads(record.read_text())["record"]["arm"] == "gan":
            record.unlink()
    for weights in (tmp_path / "run" / "gans").glob("*/model.safetensors"):
        weights.write_bytes(b"")
    assert without_times(run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)) == without_times(whole)


def test_failures_are_rows_with_a_reason_and_are_tried_again(image_suite, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        for module in (images, image_choices):
            patch.setattr(module, "train_classifier", lambda *a, **kw: 1 / 0)
        summary = run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)
    assert len(summary["failed"]) == 18
    assert {f["reason"] for f in summary["failed"]} >= {"ZeroDivisionError: division by zero"}
    assert all(arm["mean"] is None for arm in summary["experiments"][0]["cases"][0]["arms"])
    assert "too few finished splits" in summary["verdicts"][0]
    assert "failed" in (tmp_path / "run" / "report.md").read_text()
    assert run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)["failed"] == []


def test_when_a_gan_fails_only_its_arms_do(image_suite, tmp_path, monkeypatch):
    monkeypatch.setattr(ImageGAN, "fit", lambda *a: 1 / 0)
    summary = run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)
    reasons = {(f["arm"], f["reason"]) for f in summary["failed"]}
    assert ("GAN", "ZeroDivisionError: division by zero") in reasons
    assert ("gan", "RuntimeError: the GAN of this split failed") in reasons
    finished = {arm["name"]: arm["splits"] for arm in summary["experiments"][0]["cases"][0]["arms"]}
    assert finished == {"real": 2, "classical": 2, "gan": 0, "gan+classical": 0}


def test_when_a_classifier_fails_the_others_of_its_task_do_not(table_suite, tmp_path, monkeypatch):
    fit_predict = tables.fit_predict
    monkeypatch.setattr(tables, "fit_predict", lambda *a: 1 / 0 if a[1].name == "logistic" else fit_predict(*a))
    summary = run_suite(table_suite, tmp_path / "run", jobs=1, verbose=False)
    assert {f["classifier"] for f in summary["failed"]} == {"logistic"}
    assert len(summary["failed"]) == 36
    case = summary["experiments"][0]["cases"][0]
    assert case["arms"][0]["classifiers"]["logistic"]["mean"] is None
    # What no arm has finished leaves the comparison to the others.
    others = [found["mean"] for name, found in case["arms"][0]["classifiers"].items() if name != "logistic"]
    assert case["arms"][0]["mean"] == pytest.approx(np.mean(others), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "a run of suite 'tiny' with another content of its file"),
        ({"name": "other"}, "the run of another suite, 'tiny'"),
    ],
)
def test_a_folder_of_another_run_is_refused(image_suite, tmp_path, change, message):
    run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)
    with pytest.raises(ValueError, match=message):
        run_suite(dataclasses.replace(image_suite, **change), tmp_path / "run", jobs=1, verbose=False)


def test_a_folder_of_another_version_or_of_other_data_is_refused(image_suite, tmp_path, monkeypatch):
    run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)
    with monkeypatch.context() as patch:
        patch.setattr("ganaug.bench.records.store.__version__", "9.9")
        with pytest.raises(ValueError, match="with another version of ganaug, 0"):
            run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)
    data = dict(np.load(tmp_path / "shades.npz"))
    data["images"][0] += 1
    np.savez(tmp_path / "shades.npz", **data)
    with pytest.raises(ValueError, match="with another data set"):
        run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)


def test_bad_gan_parameters_are_refused_before_anything_runs(image_suite, tmp_path):
    bad = dataclasses.replace(image_suite, images=dataclasses.replace(image_suite.images, gan={"steps": 0}))
    with pytest.raises(ValueError, match="steps"):
        run_suite(bad, tmp_path / "run", jobs=1, verbose=False)
    assert not (tmp_path / "run").exists()


def test_networks_by_name_and_by_import_path(image_suite, tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(
        "from torch import nn\n"
        "class Flat(nn.Sequential):\n"
        "    def __init__(self, image_shape, n_classes, width=3):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, n_classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    networks = (
        Plugin("resnet18", "resnet18"),
        Plugin("Flat", "own_networks.Flat", {"width": 5}),
        Plugin("plain", "own_networks.Flat"),
    )
    experiment = dataclasses.replace(
        image_suite.images, classifiers=networks, repeats=1, arms=image_suite.images.arms[:2]
    )
    suite = dataclasses.replace(image_suite, images=experiment)
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    again = run_suite(suite, tmp_path / "again", jobs=1, verbose=False)
    assert without_times(again) == without_times(summary)


def test_unequal_classes_can_be_weighed_or_balanced(image_suite, tmp_path):
    from ganaug.bench import ImageArm

    arms = (ImageArm("real"), ImageArm("weights", class_weight=True), ImageArm("duplicated", balanced=True))
    experiment = dataclasses.replace(image_suite.images, arms=arms, imbalance=(4.0,), baselines=("real",))
    summary = run_suite(dataclasses.replace(image_suite, images=experiment), tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    assert summary["experiments"][0]["cases"][0]["n_train"] == 4 + 1
    assert summary["experiments"][0]["cases"][0]["name"] == "shades, 4 down to 1 a class"


def test_report_escapes_what_users_name_and_needs_no_other_file(image_suite, tmp_path):
    run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "&lt;b&gt;light&lt;/b&gt;" in page
    assert "<b>light" not in page
    assert "A &lt;title&gt;" in page
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)", page)
    assert "http" not in page
    rows = [line for line in (tmp_path / "run" / "report.md").read_text().splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows[:5]}) == 1


def test_from_the_shell(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("x.npz", images=rng.integers(0, 256, (30, 8, 8)).astype(np.uint8), labels=np.repeat([0, 1], 15))
    (tmp_path / "mine.toml").write_text(
        'extends = "smoke"\nname = "mine"\n[images]\ndatasets = ["x.npz"]\nn_per_class = 4\n'
        "[images.gan]\nsteps = 1\n[images.training]\nsteps = 2\n"
        '[tables]\ndatasets = ["wine"]\nn_per_class = 12\nbaselines = ["none"]\n'
        'arms = [{name = "none"}, {name = "random", sampler = "random"}]\n'
    )
    monkeypatch.setattr("sys.argv", ["ganaug", "bench", "run", "mine.toml", "--jobs", "1"])
    with pytest.raises(SystemExit) as ended:
        main(["bench", "run", "mine.toml", "--jobs", "1"])
    assert not ended.value.code
    out = capsys.readouterr().out
    assert "Verdict: gan+classical against classical" in out
    assert "runs/mine/report.html" in out
    assert (
        json.loads((tmp_path / "runs" / "mine" / "summary.json").read_text())["command"] == "ganaug bench run mine.toml"
    )
    (tmp_path / "runs" / "mine" / "report.html").unlink()
    with pytest.raises(SystemExit) as ended:
        main(["bench", "report", "runs/mine"])
    assert not ended.value.code
    assert (tmp_path / "runs" / "mine" / "report.html").is_file()


def test_dry_run_prints_the_whole_suite(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["bench", "run", "quick", "--dry-run"])
    printed = json.loads(capsys.readouterr().out)
    assert printed["images"]["n_per_class"] == [20]
    assert printed["images"]["training"]["steps"] > 0
    assert list(tmp_path.iterdir()) == []


def test_failed_cells_end_the_command_with_status_1(image_suite, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("ganaug.bench.load_suite", lambda _: image_suite)
    for module in (images, image_choices):
        monkeypatch.setattr(module, "train_classifier", lambda *a, **kw: 1 / 0)
    with pytest.raises(SystemExit) as ended:
        main(["bench", "run", "tiny", "-o", str(tmp_path / "run"), "--jobs", "1"])
    assert ended.value.code == 1
    assert "18 cells failed" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="1"):
        main(["bench", "report", str(tmp_path / "run")])
    assert "18 cells failed" in capsys.readouterr().out
