import base64
import dataclasses
import json
import re

import numpy as np
import pytest
import torch

from ganaug.bench import Suite, run, run_suite
from ganaug.bench.metrics import METRICS, scores
from ganaug.bench.splits import disjoint_splits
from ganaug.bench.store import Store
from ganaug.bench.suite import Arm
from ganaug.cli import main
from ganaug.quality.classifier import ClassifierConfig

ARMS = (Arm("real"), Arm("classical", transform="affine"), Arm("gan", 0.5), Arm("gan+classical", 0.5, "affine"))


@pytest.fixture
def suite(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat(["dark", "<b>light</b>"], 15)
    level = np.where(labels == "dark", 60, 190)[:, None, None]
    np.savez(
        tmp_path / "shades.npz", images=(level + rng.integers(-30, 30, (30, 8, 8))).astype(np.uint8), labels=labels
    )
    return Suite(
        name="tiny",
        title="A <title> | of the user's",
        dataset=str(tmp_path / "shades.npz"),
        n_per_class=4,
        splits=2,
        repeats=2,
        arms=ARMS,
        baselines=("real", "classical"),
        synthetic_per_class=5,
        gan={"steps": 2, "batch_size": 8, "device": "cpu"},
        classifier=ClassifierConfig(steps=3, batch_size=8),
    )


@pytest.fixture(autouse=True)
def quick_judge(monkeypatch):
    monkeypatch.setattr(run, "JUDGE_STEPS", 5)


def without_times(summary):
    """The summary less what differs from run to run."""
    text = json.dumps({k: v for k, v in summary.items() if k not in ("environment", "command")})
    return re.sub(r'"(seconds\w*)": [\d.e-]+', r'"\1": 0', text)


def test_every_cell_of_the_grid_is_run_once_and_reported(suite, tmp_path):
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    cells = []
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False, on_cell=cells.append)
    assert len(cells) == len(set(cells)) == 2 * (1 + 4 * 2)
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])
    assert [arm["name"] for arm in summary["arms"]] == ["real", "classical", "gan", "gan+classical"]
    assert all(0 <= arm["accuracy"] <= 100 and arm["splits"] == 2 for arm in summary["arms"])
    assert all(arm["accuracy"] == pytest.approx(100 * arm["metrics"]["accuracy"]) for arm in summary["arms"])
    assert summary["failed"] == []
    assert len(summary["gan"]["consistency"]) == 2
    assert summary["data"]["n_train"] == 8
    assert summary["data"]["n_test"] == 30 - 16
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == json.loads(json.dumps(summary))
    assert (tmp_path / "run" / "samples.png").read_bytes()[:4] == b"\x89PNG"


def test_differences_are_paired_by_split(suite, tmp_path):
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    records = [json.loads(p.read_text())["record"] for p in (tmp_path / "run" / "cells").iterdir()]

    def accuracy(arm, split):
        return 100 * np.mean([r["metrics"]["accuracy"] for r in records if r["arm"] == arm and r["split"] == split])

    by_hand = np.mean([accuracy("gan", s) - accuracy("real", s) for s in (0, 1)])
    arms = {arm["name"]: arm for arm in summary["arms"]}
    assert arms["gan"]["differences"]["real"]["mean"] == pytest.approx(by_hand)


def test_metrics_can_be_computed_again_from_the_probabilities_that_are_kept(suite, tmp_path):
    run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    data = np.load(tmp_path / "shades.npz")
    classes, targets = np.unique(data["labels"], return_inverse=True)
    _, test = disjoint_splits(data["labels"], suite.n_per_class, suite.splits, suite.seed)
    for path in (tmp_path / "run" / "cells").iterdir():
        record = json.loads(path.read_text())["record"]
        if record["kind"] == "cell":
            kept = np.frombuffer(base64.b64decode(record["probabilities"]), np.float16).reshape(len(test), len(classes))
            assert scores(targets[test], kept) == pytest.approx(record["metrics"], abs=0.01)


def test_no_two_cells_share_a_random_start(suite, tmp_path):
    tasks = run._Run(suite, Store(tmp_path)).tasks
    seeds = [task.seed for task in tasks]
    assert len(set(seeds)) == len(seeds) == 18


@pytest.mark.parametrize("stop_after", [1, 2, 5, 17])
def test_interrupted_and_resumed_equals_uninterrupted(suite, tmp_path, stop_after):
    whole = run_suite(suite, tmp_path / "whole", jobs=1, verbose=False)
    first, second = [], []

    def interrupt(name):
        first.append(name)
        if len(first) == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_suite(suite, tmp_path / "parts", jobs=1, verbose=False, on_cell=interrupt)
    resumed = run_suite(suite, tmp_path / "parts", jobs=1, verbose=False, on_cell=second.append)
    assert without_times(resumed) == without_times(whole)
    assert set(first).isdisjoint(second)
    assert len(first) + len(second) == 18


def test_the_number_of_jobs_changes_nothing(suite, tmp_path):
    threads = torch.get_num_threads()
    one = run_suite(suite, tmp_path / "one", jobs=1, verbose=False)
    assert torch.get_num_threads() == threads
    # The judge has a test's number of steps in this process only; what it judges is left out.
    two = run_suite(suite, tmp_path / "two", jobs=2, verbose=False)
    assert without_times({**one, "gan": None}) == without_times({**two, "gan": None})


def test_damaged_cells_are_run_again(suite, tmp_path):
    whole = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    paths = sorted((tmp_path / "run" / "cells").iterdir())
    paths[0].write_text("{")
    content = json.loads(paths[1].read_text())
    content["record"]["split"] = 9
    paths[1].write_text(json.dumps(content))
    again = []
    with pytest.warns(UserWarning, match="is damaged and counts as not run"):
        repeated = run_suite(suite, tmp_path / "run", jobs=1, verbose=False, on_cell=again.append)
    assert len(again) == 2
    assert without_times(repeated) == without_times(whole)


def test_a_gan_whose_folder_is_damaged_is_fitted_again(suite, tmp_path):
    whole = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    for record in (tmp_path / "run" / "cells").iterdir():
        if json.loads(record.read_text())["record"]["arm"] == "gan":
            record.unlink()
    for weights in (tmp_path / "run" / "gans").glob("*/model.safetensors"):
        weights.write_bytes(b"")
    assert without_times(run_suite(suite, tmp_path / "run", jobs=1, verbose=False)) == without_times(whole)


def test_failures_are_rows_with_a_reason_and_are_tried_again(suite, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(run, "train_classifier", lambda *a: 1 / 0)
        summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert len(summary["failed"]) == 18
    assert {f["reason"] for f in summary["failed"]} >= {"ZeroDivisionError: division by zero"}
    assert all(arm["accuracy"] is None for arm in summary["arms"])
    assert "too few finished splits" in summary["verdicts"][0]
    assert "failed" in (tmp_path / "run" / "report.md").read_text()
    assert run_suite(suite, tmp_path / "run", jobs=1, verbose=False)["failed"] == []


def test_when_a_gan_fails_only_its_arms_do(suite, tmp_path, monkeypatch):
    monkeypatch.setattr(run.ImageGAN, "fit", lambda *a: 1 / 0)
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    reasons = {(f["arm"], f["reason"]) for f in summary["failed"]}
    assert ("GAN", "ZeroDivisionError: division by zero") in reasons
    assert ("gan", "RuntimeError: the GAN of this split failed") in reasons
    finished = {arm["name"]: arm["splits"] for arm in summary["arms"]}
    assert finished == {"real": 2, "classical": 2, "gan": 0, "gan+classical": 0}


def test_a_folder_of_another_run_is_refused(suite, tmp_path):
    run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    for other in (dataclasses.replace(suite, seed=1), dataclasses.replace(suite, gan={**suite.gan, "steps": 1})):
        with pytest.raises(ValueError, match="holds a run of another suite"):
            run_suite(other, tmp_path / "run", jobs=1, verbose=False)


def test_bad_gan_parameters_are_refused_before_anything_runs(suite, tmp_path):
    with pytest.raises(ValueError, match="steps"):
        run_suite(dataclasses.replace(suite, gan={"steps": 0}), tmp_path / "run", jobs=1, verbose=False)
    assert not (tmp_path / "run").exists()


def test_report_escapes_what_users_name_and_needs_no_other_file(suite, tmp_path):
    run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "&lt;b&gt;light&lt;/b&gt;" in page
    assert "<b>light" not in page
    assert "A &lt;title&gt;" in page
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)", page)
    assert "http" not in page
    rows = [line for line in (tmp_path / "run" / "report.md").read_text().splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows[:5]}) == 1


def test_report_says_plainly_when_there_is_no_gain(suite):
    from ganaug.bench.summary import summarise

    def cell(arm, split, accuracy):
        common = {"kind": "cell", "status": "done", "repeat": 0, "seconds": 1.0, "recall": [accuracy, accuracy]}
        return {**common, "arm": arm, "split": split, "metrics": dict.fromkeys(METRICS, accuracy)}

    scores = {"real": (0.80, 0.82), "classical": (0.90, 0.92), "gan": (0.85, 0.87), "gan+classical": (0.88, 0.93)}
    records = [cell(arm, split, score) for arm, both in scores.items() for split, score in enumerate(both)]
    against_classical, against_real = summarise(suite, records)["verdicts"]
    assert against_classical.startswith("gan+classical against classical: no gain shown")
    assert against_real.startswith("gan against real: a gain, +5.0 points")


def test_from_the_shell(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("x.npz", images=rng.integers(0, 256, (30, 8, 8)).astype(np.uint8), labels=np.repeat([0, 1], 15))
    (tmp_path / "mine.toml").write_text(
        'extends = "smoke"\nname = "mine"\ndataset = "x.npz"\nn_per_class = 4\n'
        "[gan]\nsteps = 1\n[classifier]\nsteps = 2\n"
    )
    with pytest.raises(SystemExit) as ended:
        main(["bench", "run", "mine.toml", "--jobs", "1"])
    assert not ended.value.code
    out = capsys.readouterr().out
    assert "Verdict: gan+classical against classical" in out
    assert "runs/mine/report.html" in out
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
    assert printed["n_per_class"] == 20
    assert printed["classifier"]["steps"] > 0
    assert list(tmp_path.iterdir()) == []


def test_failed_cells_end_the_command_with_status_1(suite, tmp_path, monkeypatch, capsys):
    for module in ("ganaug.bench", "ganaug.bench.run"):
        monkeypatch.setattr(f"{module}.load_suite", lambda _: suite)
    monkeypatch.setattr(run, "train_classifier", lambda *a: 1 / 0)
    with pytest.raises(SystemExit) as ended:
        main(["bench", "run", "tiny", "-o", str(tmp_path / "run"), "--jobs", "1"])
    assert ended.value.code == 1
    assert "18 cells failed" in capsys.readouterr().out
