"""Runs in parts, at the same time, and reports of what there is so far."""

import dataclasses
import json
import re
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ganaug.bench import Suite, TableArm, TableExperiment, available_suites, load_suite, run_suite
from ganaug.bench.results.report import read_summary
from ganaug.bench.suite.plugins import Plugin
from ganaug.cli import main

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def run_part(suite, folder, shard):
    sys.exit(0 if run_suite(suite, folder, jobs=1, verbose=False, shard=shard) is None else 10)


def test_of_parts_that_run_at_the_same_time_the_last_one_writes_the_report(table_suite, tmp_path, forking):
    shards = ("1/2", "2/2")
    parts = [forking.Process(target=run_part, args=(table_suite, tmp_path / "parts", shard)) for shard in shards]
    for part in parts:
        part.start()
    for part in parts:
        part.join()
    assert {part.exitcode for part in parts} <= {0, 10}
    assert 10 in {part.exitcode for part in parts}
    whole = run_suite(table_suite, tmp_path / "whole", jobs=1, verbose=False)
    assert (tmp_path / "parts" / "cells.csv").read_bytes() == (tmp_path / "whole" / "cells.csv").read_bytes()
    found = json.loads((tmp_path / "parts" / "summary.json").read_text())
    assert (found["verdicts"], found["unfinished"]) == (whole["verdicts"], 0)


def test_a_part_sees_what_others_did_while_it_ran(table_suite, tmp_path):
    summaries = []

    def meanwhile(_):
        if not summaries:
            summaries.append(run_suite(table_suite, tmp_path / "run", jobs=1, verbose=False, shard="2/2"))

    last = run_suite(table_suite, tmp_path / "run", jobs=1, verbose=False, shard="1/2", on_cell=meanwhile)
    assert summaries == [None]
    assert last is not None


@pytest.fixture
def half(table_suite, tmp_path):
    """The folder of a run, the first of two parts of which is done."""
    assert run_suite(table_suite, tmp_path / "run", jobs=1, verbose=False, shard="1/2") is None
    return tmp_path / "run"


def test_the_report_of_an_unfinished_run_says_that_it_is_not_final(half, table_suite, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["bench", "report", str(half)])
    assert ended.value.code == 3
    out = capsys.readouterr().out
    assert out.startswith("Not final: 36 of 72 cells are not done yet.")
    assert "Verdict so far:" in out
    assert "Missing are clients0, split 2: " in out
    assert "; and 33 more." in out
    for name in ("report.html", "report.md"):
        assert "Not final: 36 of 72 cells are not done yet." in (half / name).read_text()
    assert len((half / "cells.csv").read_text().splitlines()) == 1 + 36
    assert read_summary(half)["unfinished"] == 36
    run_suite(table_suite, half, jobs=1, verbose=False)
    with pytest.raises(SystemExit) as ended:
        main(["bench", "report", str(half)])
    assert not ended.value.code
    assert "Not final" not in capsys.readouterr().out + (half / "report.html").read_text()


def test_the_report_of_an_unfinished_run_needs_no_data(half, table_suite):
    for dataset in table_suite.tables.datasets:
        (half.parent / f"{dataset.name}.csv").unlink()
    assert read_summary(half)["experiments"][0]["cases"][0]["arms"][0]["splits"] == 2


def edited(path, change):
    summary = json.loads(path.read_text())
    change(summary)
    path.write_text(json.dumps(summary))


@pytest.mark.parametrize(
    "change",
    [
        lambda summary: summary.update(verdicts=["gan against none: a gain, +50 points."]),
        lambda summary: summary["experiments"][0]["cases"][0]["arms"][1].update(mean=99.9),
        lambda summary: summary.update(grid="0" * 64, unfinished=3),
        lambda summary: summary.clear(),
    ],
)
def test_a_report_is_computed_from_the_cells_whatever_a_summary_says(change, done, capsys):
    folder, (summary, pages) = done
    edited(folder / "summary.json", change)
    found = read_summary(folder)
    assert {k: v for k, v in found.items() if k != "command"} == {k: v for k, v in summary.items() if k != "command"}
    assert [(folder / name).read_text() for name in pages] == list(pages.values())


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run, with what it says."""
    folder = tmp_path_factory.mktemp("done")
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], [40, 12])
    x = rng.normal(size=(52, 2)) + 1.5 * (y == "yes")[:, None]
    pd.DataFrame(x, columns=["a", "b"]).assign(y=y).to_csv(folder / "t.csv", index=False)
    tables = TableExperiment(
        datasets=(Plugin("t", str(folder / "t.csv"), {"target": "y"}),),
        arms=(TableArm("none"), TableArm("SMOTE", Plugin("smote", "smote"), against=("none",))),
        baselines=("none",),
        classifiers=(Plugin("bayes", "sklearn.naive_bayes.GaussianNB"),),
        folds=3,
    )
    summary = run_suite(Suite("t", "T", tables=tables), folder / "run", jobs=1, verbose=False)
    pages = {name: (folder / "run" / name).read_text() for name in ("report.md", "report.html", "cells.csv")}
    return folder / "run", (summary, pages)


@pytest.mark.parametrize("harm", ["deleted", "edited", "emptied"])
def test_a_cell_that_a_finished_run_lacks_is_named(harm, done, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(done[0], folder)
    lost = next(p for p in sorted((folder / "cells").iterdir()) if '"arm": "SMOTE"' in p.read_text())
    split = json.loads(lost.read_text())["record"]["split"] + 1
    if harm == "deleted":
        lost.unlink()
    else:
        lost.write_text("" if harm == "emptied" else lost.read_text().replace('"accuracy": 0.', '"accuracy": 0.9'))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the file is damaged
        with pytest.raises(SystemExit) as ended:
            main(["bench", "report", str(folder)])
    assert ended.value.code == 3
    out = " ".join(capsys.readouterr().out.split())
    assert "Not final: 1 of 6 cells are not done yet." in out
    assert f"Missing are t, split {split}: SMOTE, start 1, bayes." in out
    assert "SMOTE against none, in 2 of 3 splits: " in out


def test_a_grid_of_other_cells_is_damaged(done, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(done[0], folder)
    edited(folder / "grid.json", lambda grid: grid["tasks"].pop())
    with pytest.raises(ValueError, match="is damaged; run 'ganaug bench run' on the folder again"):
        read_summary(folder)


def test_a_summary_without_its_cells_is_shown_and_says_so(done, tmp_path):
    shutil.copy(done[0] / "summary.json", tmp_path)
    found = read_summary(tmp_path)
    assert found["verdicts"] == done[1][0]["verdicts"]
    assert found["cautions"][-1].startswith("There are no cells beside this summary")
    assert found["cautions"][-1] in (tmp_path / "report.md").read_text()
    assert json.loads((tmp_path / "summary.json").read_text())["cautions"] == []


@pytest.mark.parametrize("name", sorted(path.parent.name for path in RESULTS.glob("*/summary.json")))
def test_results_that_are_kept_can_be_read(name, tmp_path):
    shutil.copy(RESULTS / name / "summary.json", tmp_path)
    if "experiments" not in json.loads((tmp_path / "summary.json").read_text()):
        with pytest.raises(ValueError, match="is damaged, or of an older version of ganaug; run its suite in a new"):
            read_summary(tmp_path)
        return
    assert read_summary(tmp_path)["suite"]["name"] == name


def test_a_run_that_has_done_nothing_yet_has_no_report(table_suite, tmp_path):
    with pytest.raises(ValueError, match="holds no benchmark run"):
        read_summary(tmp_path)

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_suite(table_suite, tmp_path / "run", jobs=1, verbose=False, on_cell=stop)
    for path in (tmp_path / "run" / "cells").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"no cell of .* is done yet"):
        read_summary(tmp_path / "run")
    (tmp_path / "run" / "grid.json").write_text('{"tasks": [{}]}')
    with pytest.raises(ValueError, match="is damaged; run 'ganaug bench run' on the folder again"):
        read_summary(tmp_path / "run")


@pytest.mark.parametrize("stop_after", [1, 25])
def test_with_many_tables_any_number_of_cells_makes_a_report(table_suite, tmp_path, stop_after):
    """Over six tables and more there are tests, diagrams and means over pairs that all arms have finished."""
    first, datasets = table_suite.tables.datasets[0], []
    lines = (tmp_path / "clients0.csv").read_text().splitlines()
    for number in range(7):
        path = tmp_path / f"t{number}.csv"
        path.write_text("\n".join(lines[:1] + lines[2 + number :]))
        datasets.append(dataclasses.replace(first, name=path.stem, target=str(path)))
    tables = dataclasses.replace(
        table_suite.tables,
        datasets=tuple(datasets),
        classifiers=table_suite.tables.classifiers[:1],
        folds=2,
        repeats=1,
    )
    cells = []

    def stop(name):
        cells.append(name)
        if len(cells) == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_suite(
            dataclasses.replace(table_suite, tables=tables), tmp_path / "run", jobs=1, verbose=False, on_cell=stop
        )
    assert read_summary(tmp_path / "run")["unfinished"] == 7 * 2 * 3 - stop_after


def test_a_suite_comes_back_from_its_plain_values(image_suite, table_suite):
    both = dataclasses.replace(image_suite, tables=table_suite.tables, timeout=3.5)
    for suite in (both, *map(load_suite, available_suites())):
        assert Suite.from_dict(suite.to_dict()) == suite


def test_the_table_tells_of_how_many_splits_it_is_and_gives_one_split_no_spread(table_suite, tmp_path, capsys):
    def printed():
        with pytest.raises(SystemExit):
            main(["bench", "report", str(tmp_path / "run")])
        return capsys.readouterr().out

    assert run_suite(table_suite, tmp_path / "run", jobs=1, verbose=False, shard="1/6") is None
    out = printed()
    assert out.count("clients0: 3 splits") == 1
    assert len(re.findall(r" \d+\.\d\d, 1 of 3 │", out)) == 3  # an arm each
    assert "(0.00)" not in out
    run_suite(table_suite, tmp_path / "run", jobs=1, verbose=False)
    out = printed()
    assert len(re.findall(r" \d+\.\d\d \(\d+\.\d\d\) │", out.partition("clients0: ")[2])) == 2 * 3
    assert "of 3" not in out
