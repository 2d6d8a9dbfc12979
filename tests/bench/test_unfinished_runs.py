"""Runs in parts, at the same time, and reports of what there is so far."""

import dataclasses
import json
import multiprocessing
import re
import sys

import pytest

from ganaug.bench import Suite, available_suites, load_suite, run_suite
from ganaug.bench.report import read_summary
from ganaug.cli import main


def run_part(suite, folder, shard):
    sys.exit(0 if run_suite(suite, folder, jobs=1, verbose=False, shard=shard) is None else 10)


def test_of_parts_that_run_at_the_same_time_the_last_one_writes_the_report(table_suite, tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ganaug.bench.images", "ganaug.bench.tables", "ganaug.bench.run"])
    shards = ("1/2", "2/2")
    parts = [context.Process(target=run_part, args=(table_suite, tmp_path / "parts", shard)) for shard in shards]
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
