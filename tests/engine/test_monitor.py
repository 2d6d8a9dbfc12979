import io
import json
import resource
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ganaug import RunOptions, TableGAN
from ganaug.engine.callbacks.monitor import Monitor
from ganaug.engine.progress import LogLines, NotebookBar, Silent, TerminalBar, progress_for

READING = {"images_per_second": 9.0, "discriminator_loss": 0.1, "generator_loss": 0.2}


@contextmanager
def monitored(begun=0, lines=0, **options):
    """A monitor of a run that has come to a step, and had so many lines in its log then."""
    monitor, state = Monitor(100, verbose=False, **options), SimpleNamespace(step=begun)
    monitor.load_state_dict({"lines": lines})
    monitor.on_begin(state)
    yield monitor
    monitor.on_end(state)


def read(monitor, step):
    losses = SimpleNamespace(summary=lambda reading: "", ema={})
    monitor.on_reading(SimpleNamespace(step=step, history=[{"step": step, **READING}], objective=losses))


@contextmanager
def files_of_at_most(n):
    """As a disk that is full: so many bytes of a file can be written, no more."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def lines(folder):
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def fit(**options):
    rng = np.random.default_rng(0)
    gan = TableGAN(steps=500, batch_size=4, width=8, random_state=0, verbose=False, run=RunOptions(**options))
    return gan.fit(rng.normal(size=(20, 2)), np.arange(20) % 2)


def test_a_full_disk_ends_the_log_but_not_the_training(tmp_path):
    expected = fit()
    with (
        files_of_at_most(1000),
        pytest.warns(UserWarning, match=r"the log in .* could not be written after step .* \(File too large\)") as told,
    ):
        gan = fit(log_dir=tmp_path)
    assert len(told) == 1
    assert [entry["step"] for entry in gan.history_] == [entry["step"] for entry in expected.history_]
    assert all(torch.equal(t, expected.tensors()[name]) for name, t in gan.tensors().items())
    assert 0 < len(list((tmp_path / "metrics.jsonl").read_text().splitlines())) < 10


def test_a_log_that_broke_off_is_gone_on_with(tmp_path):
    with monitored(log_dir=tmp_path) as monitor:
        read(monitor, 10)
        with files_of_at_most((tmp_path / "metrics.jsonl").stat().st_size + 20), pytest.warns(UserWarning, match="log"):
            read(monitor, 20)
        read(monitor, 30)
        assert monitor.lines == 1
    assert not (tmp_path / "metrics.jsonl").read_text().endswith("\n")
    with monitored(30, 2, log_dir=tmp_path) as monitor:
        read(monitor, 40)
        assert monitor.lines == 2
    assert lines(tmp_path) == [10, 40]


def test_a_run_that_is_gone_on_with_without_a_log_keeps_its_place_in_it(tmp_path):
    with monitored(log_dir=tmp_path) as monitor:
        read(monitor, 10)
    with monitored(10, 1) as monitor:
        read(monitor, 20)
        assert monitor.lines == 1


def test_a_folder_that_cannot_be_made_or_written_to_is_told(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"log_dir /proc/log must be a folder that can be written to \(.*\); choose"):
        fit(log_dir="/proc/log")

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ganaug.engine.callbacks.monitor.write_atomically", refuse)
    with pytest.raises(ValueError, match=r"log_dir .* must be a folder that can be written to \(Permission denied\)"):
        fit(log_dir=tmp_path)


def test_tensorboard_passes_over_what_was_said_before_going_back(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for begun, steps in ((0, (10, 20, 30)), (15, (20, 40))):
        with monitored(begun, 1, log_dir=tmp_path) as monitor:
            for step in steps:
                read(monitor, step)
    board = EventAccumulator(str(tmp_path)).Reload()
    assert [scalar.step for scalar in board.Scalars("generator_loss")] == [10, 20, 40]
    assert set(board.Tags()["scalars"]) == {"images_per_second", "discriminator_loss", "generator_loss"}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("verbose", "stream", "display", "expected"),
    [
        ("auto", Terminal(), None, TerminalBar),
        ("auto", io.StringIO(), None, Silent),
        (True, io.StringIO(), None, LogLines),
        ("auto", io.StringIO(), print, NotebookBar),
        (False, Terminal(), print, Silent),
        (True, None, None, Silent),
    ],
)
def test_progress_suits_the_place_that_it_is_shown_in(verbose, stream, display, expected):
    assert type(progress_for(10, verbose, stream, display)) is expected


def test_a_notebook_gets_one_bar_of_plain_html_that_moves():
    pages = []

    def display(page, **options):
        assert options == {"raw": True, "display_id": True}
        pages.append(page)
        return SimpleNamespace(update=lambda page, raw: pages.append(page))

    bar = NotebookBar(100, display)
    bar.begin(0)
    bar.update(40, "9 images/s", "loss <0.5")
    bar.note("recovered: step 30")
    bar.end()
    assert [page["text/html"].partition('value="')[2].partition('"')[0] for page in pages] == ["0", "40", "40"]
    assert "loss &lt;0.5<br>recovered: step 30" in pages[-1]["text/html"]
    assert "step 40 of 100 (40 %)" in pages[-1]["text/plain"]


def test_a_log_file_gets_lines_while_a_training_runs(capsys):
    gan = TableGAN(steps=60, batch_size=4, width=8, random_state=0, verbose=True)
    gan.fit(np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2)
    assert "training: step 60 of 60 (100 %)" in capsys.readouterr().err
