"""``ganaug audit`` of samples with groups, from a column or a folder."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shell import run

CELLS = [("dark", "new"), ("dark", "old"), ("light", "new"), ("light", "old")]


@pytest.fixture
def table(tmp_path):
    rng, cells = np.random.default_rng(0), np.array(CELLS * 15)
    site = cells[:, 1]
    columns = {"age": rng.normal(40 * (site == "old"), 2).round(1), "site": site, "income": rng.random(60).round(2)}
    pd.DataFrame({**columns, "kind": cells[:, 0]}).to_csv(tmp_path / "clients.csv", index=False)
    return tmp_path / "clients.csv"


def test_a_table_model_with_groups_and_rows_with_a_column_of_them(table, tmp_path, capsys):
    steps = ("--steps", "3", "--seed", "0")
    assert run("fit", "table", table, "--target", "kind", "--groups", "site", "-o", tmp_path / "m", *steps) == 0
    assert run("audit", tmp_path / "m", "--real", table, "--seed", "0", "-o", tmp_path / "report.json") == 0
    assert "recognised as group old / real ones" in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    assert [row["group"] for row in report["groups"]["groups"]] == ["new", "old"]
    rows = pd.read_csv(table)
    swapped = rows.assign(income=rows["income"] + 0.001, site=np.where(rows["site"] == "old", "new", "old"))
    swapped.to_csv(tmp_path / "more.csv", index=False)
    about = ("--real", table, "--target", "kind", "--seed", "0")
    assert run("audit", tmp_path / "more.csv", *about, "--groups", "site") == 0
    assert "samples asked for group old are recognised as old in 0 % of cases" in capsys.readouterr().out
    assert run("audit", tmp_path / "more.csv", *about, "--groups", "sites") == 2
    assert "groups names the column 'sites', which the table lacks; did you mean 'site'?" in capsys.readouterr().err


def test_folders_of_class_and_group(tmp_path, capsys):
    for side, old in (("real", "old"), ("made", "older")):
        for label, group in CELLS:
            folder = tmp_path / side / label / (old if group == "old" else group)
            folder.mkdir(parents=True)
            for number in range(10):
                Image.fromarray(np.full((8, 8), number, np.uint8)).save(folder / f"{number}.png")
    asked = ("--groups", "folder", "--device", "cpu", "--seed", "0")
    assert run("audit", tmp_path / "made", "--real", tmp_path / "real", *asked) == 2
    said = "synthetic holds group 'older', which train does not; its groups are 'new', 'old'"
    assert said in capsys.readouterr().err
