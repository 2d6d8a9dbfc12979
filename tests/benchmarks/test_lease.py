"""The script that measures a lent GPU, on a CPU: parts at toy size, and what it does about those that fail."""

import json
import os
import sys
import time
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def lease(script):
    return script("lease")


def test_parts_write_a_row_for_each_thing_they_find(lease, tmp_path):
    import lease_parts
    from lease_run import Run

    rows = tmp_path / "rows.jsonl"
    for part in ("limits", "step"):
        lease_parts.PARTS[part](Run(part, str(rows), str(tmp_path), str(time.time()), "cpu", "", "small"))
    found = [json.loads(line) for line in rows.read_text().splitlines()]
    assert all("CPU" in row["device"] and row["at"] >= 0 for row in found)
    assert [row["what"] for row in found][:4] == ["versions", "matrix product", "matrix product", "copy"]
    convolutions = {row["kind"]: row["convolutions"] for row in found if row["what"] == "profile"}
    assert 0 < convolutions["plain"] < convolutions["penalised"]


def test_trainings_are_interrupted_and_poisoned(lease, tmp_path):
    import lease_parts
    from lease_run import Run

    run = Run("features", str(tmp_path / "rows"), str(tmp_path), "0", "cpu", "", "small")
    assert lease_parts.resume(run) == {"readings_at": [50, 100]}
    assert lease_parts.roll_back(run) == {"found": ["not_finite at 100"]}


def test_a_part_that_takes_too_long_or_fails_is_ended(lease):
    started = time.monotonic()
    endless = [sys.executable, "-Sc", "import time; time.sleep(60)"]
    assert lease.run_part(endless, dict(os.environ), 0.2) == ("not finished after 0.2 s", "")
    assert time.monotonic() - started < 60
    failing = [sys.executable, "-Sc", "raise SystemExit('no device')"]
    assert lease.run_part(failing, dict(os.environ), 60) == ("failed with status 1", "no device")


def test_packages_that_are_missing_come_from_wheels(lease, tmp_path):
    with zipfile.ZipFile(tmp_path / "toy-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("toy_of_a_wheel/__init__.py", "")
    places = lease.unpacked(tmp_path, str(tmp_path / "unpacked"))
    assert [place for place in places if (Path(place) / "toy_of_a_wheel").is_dir()] == places[1:]


def test_unknown_parts_are_refused(lease, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lease.py", "-o", str(tmp_path / "rows"), "--parts", "limits,sleep"])
    with pytest.raises(SystemExit):
        lease.main()
    assert "--parts knows limits, step, features, speed, processes, quality, score, got sl" in capsys.readouterr().err
