import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from ganaug.engine.callbacks.checkpoints import Checkpoints, newest_valid

RUN = {"kind": "ImageGAN", "training": {"steps": 10}, "random_state": 0}


def opened(folder, run=RUN, **options):
    checkpoints = Checkpoints(folder, **options)
    checkpoints.describe(run)
    return checkpoints


def filled(folder, n=3, **options):
    checkpoints = opened(folder, RUN, **options)
    for step in range(1, n + 1):
        assert checkpoints.save(step, {"x": torch.full((3,), float(step))}, {"step": step})
    return checkpoints


def step_found(folder, run=RUN):
    found = opened(folder, run).found
    return None if found is None else (found[1]["step"], found[0]["x"].tolist())


def newest(folder):
    return max(folder.glob("checkpoint-*"))


def test_what_was_written_last_is_found_and_the_last_three_are_kept(tmp_path):
    assert step_found(tmp_path) is None
    filled(tmp_path, n=5)
    assert step_found(tmp_path) == (5, [5.0] * 3)
    assert [path.name.split("-")[2] for path in sorted(tmp_path.iterdir())] == ["step3", "step4", "step5"]


def test_the_newest_is_the_one_written_last_not_the_one_of_the_highest_step(tmp_path):
    """After going back, steps are counted from the earlier one again."""
    checkpoints = filled(tmp_path)
    checkpoints.save(1, {"x": torch.zeros(1)}, {"step": 1})
    assert step_found(tmp_path) == (1, [0.0])


def test_every_byte_that_is_cut_and_every_bit_that_flips_is_noticed(tmp_path):
    filled(tmp_path)
    path = newest(tmp_path)
    content = path.read_bytes()
    damages = [content[:n] for n in range(0, len(content), 37)] + [content + b"\0"]
    for place in range(0, len(content), 41):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        damages.append(bytes(flipped))
    for damage in damages:
        path.write_bytes(damage)
        with pytest.warns(UserWarning, match="is damaged .* it is skipped") as told:
            assert step_found(tmp_path) == (2, [2.0] * 3)
        assert len(told) == 1
    path.write_bytes(content)
    assert step_found(tmp_path) == (3, [3.0] * 3)


def test_damaged_ones_do_not_push_out_valid_ones(tmp_path):
    filled(tmp_path)
    for path in sorted(tmp_path.glob("*"))[1:]:
        path.write_bytes(b"")
    with pytest.warns(UserWarning, match="damaged"):
        checkpoints = opened(tmp_path, RUN)
    assert checkpoints.found[1] == {"step": 1}
    checkpoints.save(2, {"x": torch.ones(1)}, {"step": 2})
    assert [path.name.split("-")[1] for path in sorted(tmp_path.glob("*"))] == ["000001", "000004"]


def test_a_file_that_cannot_be_read_is_passed_over_and_stays(tmp_path, monkeypatch):
    filled(tmp_path)
    path, opened_by = newest(tmp_path), os.open

    def failing(asked, *arguments, **options):
        if asked == path:
            raise OSError(5, "Input/output error")
        return opened_by(asked, *arguments, **options)

    monkeypatch.setattr(os, "open", failing)
    with pytest.warns(UserWarning, match=r"cannot be read \(Input/output error\)"):
        checkpoints = opened(tmp_path, RUN)
    assert checkpoints.found[1] == {"step": 2}
    checkpoints.save(3, {"x": torch.ones(1)}, {"step": 3})
    assert path.exists()


def test_names_that_hold_no_checkpoint_are_damaged_too(tmp_path):
    from ganaug.data.files import sha256_of

    filled(tmp_path, n=1)
    for number, content in enumerate([b"", b"\xff" * 9, b"\x02" + b"\0" * 7 + b"{}", b"\x04" + b"\0" * 7 + b"null"], 5):
        (tmp_path / f"checkpoint-{number:06d}-step9-{sha256_of(content)[:16]}.safetensors").write_bytes(content)
    with pytest.warns(UserWarning, match="damaged") as told:
        assert step_found(tmp_path) == (1, [1.0] * 3)
    assert len(told) == 4


def test_another_description_is_refused_and_what_changed_is_named(tmp_path):
    filled(tmp_path)
    with pytest.raises(
        ValueError, match=r"holds a run with training\.steps 10, which is 20 now; pass what it was"
    ) as caught:
        opened(tmp_path, {**RUN, "training": {"steps": 20}})
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="random_state 0, which is 1 now"):
        opened(tmp_path, {**RUN, "random_state": 1})
    with pytest.raises(ValueError, match="width None, which is 3 now"):
        opened(tmp_path, {**RUN, "width": 3})
    for then, now, said in (
        (["translation", "cutout"], ["translation", "cutout", "hflip"], "parts without ['hflip'], which is there now"),
        (["translation", "cutout", "hflip"], ["cutout", "translation"], "with ['hflip'], which is not there now"),
        (["translation", "color"], ["translation", "hflip"], "with ['color'], in place of which is ['hflip'] now"),
        ([1, 2], [2, 1], "parts [1, 2], which is [2, 1] now"),
    ):
        opened(tmp_path / str(then), {"parts": then}).save(1, {}, {"step": 1})
        with pytest.raises(ValueError, match=re.escape(said)):
            opened(tmp_path / str(then), {"parts": now})
    many = {"kind": "TableGAN", "training": {"steps": 1}, "random_state": 0, "a": 1, "b": 2}
    with pytest.raises(ValueError, match="and 1 more changes"):
        opened(tmp_path, many)
    assert step_found(tmp_path, {**RUN, "random_state": None}) == (3, [3.0] * 3)


def test_a_folder_in_use_is_refused_where_it_may_not_be_gone_on_with(tmp_path):
    opened(tmp_path, RUN, resume=False)
    filled(tmp_path, n=1)
    with pytest.raises(ValueError, match="holds a run already; resume it by resume=True"):
        opened(tmp_path, RUN, resume=False)


def test_a_newer_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ganaug.engine.callbacks.checkpoints.FORMAT_VERSION", 3)
    filled(tmp_path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="has format version 3, this ganaug reads up to 2; upgrade"):
        opened(tmp_path, RUN)


def test_an_earlier_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ganaug.engine.callbacks.checkpoints.FORMAT_VERSION", 1)
    filled(tmp_path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"of an earlier ganaug \(format version 1\), which this one cannot resume"):
        opened(tmp_path, RUN)


def test_a_full_disk_is_a_warning_and_loses_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    checkpoints = filled(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.warns(UserWarning, match=r"no checkpoint could be written to .* after step 4 \(File too large\)"):
            assert not checkpoints.save(4, {"x": torch.zeros(10_000)}, {"step": 4})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(list(tmp_path.iterdir())) == 3
    assert step_found(tmp_path) == (3, [3.0] * 3)
    assert checkpoints.save(5, {"x": torch.zeros(1)}, {"step": 5})
    assert step_found(tmp_path) == (5, [0.0])


def test_a_folder_that_becomes_read_only_is_a_warning_and_one_that_is_so_from_the_start_an_error(tmp_path, monkeypatch):
    checkpoints = filled(tmp_path)

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    # Asked of the system the tests would learn nothing where they run as root, to whom everything is permitted.
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.warns(UserWarning, match="Permission denied"):
        assert not checkpoints.save(4, {"x": torch.zeros(1)}, {"step": 4})
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(ValueError, match=r"checkpoint_dir .* must be a folder that can be written to \(Permission"):
        opened(tmp_path, RUN)
    monkeypatch.undo()
    assert step_found(tmp_path) == (3, [3.0] * 3)


def test_a_file_is_no_folder_for_checkpoints(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match=r"checkpoint_dir .* must be a folder that can be written to"):
            opened(folder, RUN)
    assert (tmp_path / "file").read_text() == "mine"


def test_files_of_others_stay_and_unfinished_ones_of_ours_go(tmp_path):
    filled(tmp_path, n=1)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".checkpoint-000009-step9-0123456789abcdef.safetensors.tmp").write_bytes(b"half of")
    assert step_found(tmp_path) == (1, [1.0] * 3)
    filled(tmp_path, n=1)
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["checkpoint", "checkpoint", "notes.txt"]


def test_automatic_checkpoints_come_once_a_minute_and_take_no_more_than_a_fiftieth_of_the_time(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    checkpoints = opened(tmp_path, RUN)
    now[0] += 59
    assert not checkpoints.due(50, reading=True)
    now[0] += 1
    assert checkpoints.due(100, reading=True)
    assert not checkpoints.due(101, reading=False)
    monkeypatch.setattr(
        "ganaug.engine.callbacks.checkpoints.write_atomically", lambda *_: now.__setitem__(0, now[0] + 3)
    )  # takes three seconds
    checkpoints.save(100, {}, {})
    now[0] += 149
    assert not checkpoints.due(150, reading=True)
    now[0] += 2
    assert checkpoints.due(150, reading=True)
    asked = opened(tmp_path, RUN, every=20)
    assert [step for step in range(1, 61) if asked.due(step, reading=False)] == [20, 40, 60]


def test_nothing_is_found_in_a_folder_that_is_not_there(tmp_path):
    assert newest_valid(tmp_path / "none") == (None, {}, [])


@pytest.mark.parametrize(("kind", "kills", "steps"), [("table", 30, 150), ("images", 8, 40)])
def test_kills_at_random_moments_change_nothing(kind, kills, steps, tmp_path):
    script = Path(__file__).with_name("kill_loop.py")
    # Threads do not survive a fork.
    done = subprocess.run(
        [sys.executable, script, tmp_path, str(kills), "0", kind],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    found = json.loads(done.stdout)
    assert found["killed"] == kills
    assert 0 < found["resumed_from"] < steps
    assert found["equal"]
    assert found["losses_equal"]
    assert found["readings"] == found["logged"] == sorted({*range(50, steps, 50), steps})
    assert found["files"] == 3  # no half-written ones are left
