"""What a cell was made by is part of its key, or told in the report."""

import dataclasses
import importlib
import json
import sys

import pytest

from ganaug.bench import TableArm, run_suite
from ganaug.bench.cases import tables
from ganaug.bench.execution import workers
from ganaug.bench.methods.arms import TRANSFORMS
from ganaug.bench.methods.samplers import SAMPLERS
from ganaug.bench.records.provenance import code_of, environment
from ganaug.bench.results.report import read_summary
from ganaug.bench.suite.plugins import Plugin

SAMPLER = """
from imblearn.over_sampling import RandomOverSampler
from own_helpers import shrinkage
class Mine(RandomOverSampler):
    def __init__(self, sampling_strategy="auto", random_state=None, shrinkage=shrinkage):
        super().__init__(sampling_strategy=sampling_strategy, random_state=random_state, shrinkage=shrinkage)
"""


def write(folder, name, text):
    """Write a module as a user would, and forget what was imported, as another start of Python would have."""
    (folder / f"{name}.py").write_text(text)
    for module in ("own_arm", "own_helpers"):
        sys.modules.pop(module, None)
    importlib.invalidate_caches()


@pytest.fixture
def own_arm(table_suite, tmp_path, monkeypatch):
    """A suite with an arm of one's own, in the folder that it is in."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, "own_helpers", "shrinkage = 0.1\n")
    write(tmp_path, "own_arm", SAMPLER)
    arms = (TableArm("none"), TableArm("mine", Plugin("mine", "own_arm.Mine"), against=("none",)))
    return dataclasses.replace(table_suite, tables=dataclasses.replace(table_suite.tables, arms=arms, repeats=1))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("own_arm", SAMPLER.replace('"auto", random_state=None', '"auto", *, random_state=None')),
        ("own_helpers", "shrinkage = 5.0\n"),
    ],
)
def test_cells_of_an_edited_arm_run_again_and_no_others(own_arm, tmp_path, monkeypatch, module, text):
    first = run_suite(own_arm, tmp_path / "run", jobs=1, verbose=False)
    write(tmp_path, module, text)
    ran, fit_predict = [], tables.fit_predict
    monkeypatch.setattr(tables, "fit_predict", lambda *a: (ran.append(a[0].name), fit_predict(*a))[1])
    with pytest.warns(UserWarning, match=r"'own_arm\.Mine': edited since .* its cells run again"):
        second = run_suite(own_arm, tmp_path / "run", jobs=1, verbose=False)
    assert ran == ["mine"] * (2 * 3 * 2)  # datasets, folds, classifiers
    assert second["grid"] != first["grid"]
    monkeypatch.setattr(tables, "fit_predict", fit_predict)
    write(tmp_path, module, text)
    fresh = run_suite(own_arm, tmp_path / "fresh", jobs=1, verbose=False)
    assert (tmp_path / "run" / "cells.csv").read_bytes() == (tmp_path / "fresh" / "cells.csv").read_bytes()
    assert second["grid"] == fresh["grid"]


def test_a_report_is_not_that_of_code_that_has_been_edited_since(own_arm, tmp_path):
    run_suite(own_arm, tmp_path / "run", jobs=1, verbose=False)
    write(tmp_path, "own_helpers", "shrinkage = 5.0\n")

    def stop(_):
        raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="edited since"), pytest.raises(KeyboardInterrupt):
        run_suite(own_arm, tmp_path / "run", jobs=1, verbose=False, on_cell=stop)
    assert read_summary(tmp_path / "run")["unfinished"] == 2 * 3 * 2 - 2  # a task has a cell per classifier


@pytest.mark.usefixtures("own_arm")
def test_the_code_of_a_key_is_what_was_imported_not_what_the_file_is_now(tmp_path):
    first = code_of("samplers", "own_arm.Mine", SAMPLERS)
    path = tmp_path / "own_helpers.py"
    path.write_text("shrinkage = 2.0\n")
    assert code_of("samplers", "own_arm.Mine", SAMPLERS) == first != {}
    importlib.reload(sys.modules["own_helpers"])
    assert code_of("samplers", "own_arm.Mine", SAMPLERS) != first


def test_what_is_installed_or_known_is_no_code_of_the_users_own():
    assert code_of("samplers", "smote", SAMPLERS) == {}
    assert code_of("samplers", "imblearn.over_sampling.SVMSMOTE", SAMPLERS) == {}
    assert code_of("samplers", "ganaug.GANOverSampler", SAMPLERS) == {}
    assert code_of("transforms", "torchvision.transforms.v2.RandomHorizontalFlip", TRANSFORMS) == {}


def test_the_report_names_the_environments_that_made_the_cells(table_suite, tmp_path, monkeypatch):
    small = dataclasses.replace(table_suite.tables, datasets=table_suite.tables.datasets[:1], repeats=1)
    suite = dataclasses.replace(table_suite, tables=small)
    here = environment()
    elsewhere = {**here, "numpy": "0.9", "cpus": "999"}
    with monkeypatch.context() as patch:
        patch.setattr(workers, "environment", lambda: elsewhere)
        run_suite(suite, tmp_path / "run", jobs=1, verbose=False, shard="1/2")
        assert len(read_summary(tmp_path / "run")["cautions"]) == 1
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert summary["environments"] == [{"cells": 12, "made_by": elsewhere}, {"cells": 6, "made_by": here}]
    told = f"Cells come from 2 environments, which differ in numpy (0.9, {here['numpy']}); cpus (999, {here['cpus']}):"
    assert summary["cautions"][0].startswith(told)
    for name in ("report.html", "report.md"):
        page = (tmp_path / "run" / name).read_text()
        assert told in page
        assert "12 cells by python" in page
    whole = run_suite(suite, tmp_path / "whole", jobs=1, verbose=False)
    assert (whole["cautions"], whole["environments"]) == ([], [{"cells": 18, "made_by": here}])
    assert json.loads(min((tmp_path / "whole" / "cells").iterdir()).read_text())["record"]["environment"] == here
