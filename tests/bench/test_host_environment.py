"""Where and by what a program is started: streams, folders, processes, signals."""

import errno
import io
import multiprocessing
import os
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ganaug import ImageGAN, RunOptions, SyntheticPool, labelled_images
from ganaug.bench import TableArm, run_suite
from ganaug.bench import run as run_module
from ganaug.bench.results import report as report_module
from ganaug.bench.suite.plugins import Plugin
from ganaug.cli import main
from ganaug.data.tables.files.table_files import read_table


@pytest.fixture
def small_suite(table_suite):
    arms = (TableArm("none"), TableArm("größer", Plugin("smote", "smote")))
    tables = replace(table_suite.tables, arms=arms, datasets=table_suite.tables.datasets[:1], repeats=1, folds=2)
    return replace(table_suite, tables=replace(tables, classifiers=(Plugin("knn", "knn"),)))


@pytest.fixture
def finished(small_suite, tmp_path):
    run_suite(small_suite, tmp_path / "run", jobs=1, verbose=False)
    return tmp_path / "run"


def status(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(list(map(str, arguments)))
    return stop.value.code or 0


def test_closed_streams_end_no_command(finished, monkeypatch):
    for closed in (("stdout",), ("stderr",), ("stdin", "stdout", "stderr")):
        with monkeypatch.context() as patched:
            for name in closed:
                patched.setattr(sys, name, None)
            assert status("bench", "report", finished) == 0
            assert status("bench", "report", finished / "missing") == 2
            assert all(getattr(sys, name) is None for name in closed)


def test_letters_that_a_stream_lacks_are_written_as_escapes(finished, monkeypatch):
    for errors in ("strict", "surrogateescape", "backslashreplace"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=errors)
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stream)
            assert status("bench", "report", finished) == 0
        assert stream.errors == errors
        stream.flush()
        assert rb"gr\xf6\xdfer" in stream.buffer.getvalue()


def test_a_report_that_cannot_be_written_is_printed(finished, monkeypatch, capsys):
    def full(path, content):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(report_module, "write_atomically", full)
    with warnings.catch_warnings(action="default"):
        assert status("bench", "report", finished) == 0
    printed = capsys.readouterr()
    assert "größer" in printed.out
    assert "Report:" not in printed.out
    assert printed.err.startswith(f"Warning: {finished / 'cells.csv'} and ")
    assert os.strerror(errno.EROFS) in printed.err


def test_a_folder_that_was_deleted_is_told(finished, tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert status("bench", "report", finished) == 2
    assert "the current folder was deleted" in capsys.readouterr().err


def test_a_daemonic_process_does_the_work_itself(small_suite, tmp_path, monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    assert run_suite(small_suite, tmp_path / "run", jobs=2, verbose=False)["failed"] == []
    with pytest.raises(ValueError, match="daemonic process may not start"):
        run_suite(replace(small_suite, timeout=60.0), tmp_path / "timed", verbose=False)


@pytest.mark.parametrize(
    ("text", "timeout", "apart"),
    [("run()", 60.0, True), ("if __name__ == '__main__':\n    run()", 60.0, False), ("run()", None, False)],
)
def test_scripts_that_would_run_again_have_their_cells_run_apart(
    small_suite, tmp_path, monkeypatch, text, timeout, apart
):
    class Asked(Exception):
        pass

    def ask(*_, apart, **__):
        raise Asked(apart)

    script = tmp_path / "script.py"
    script.write_text(text)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(script), raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(run_module, "parallel", ask)
    with pytest.raises(Asked) as asked:
        run_suite(replace(small_suite, timeout=timeout), tmp_path / "run", jobs=1, verbose=False)
    assert asked.value.args == (apart,)


@pytest.fixture(scope="module")
def gan():
    return fitted()


PATHS = {
    "save": lambda gan, home: (gan.save("~/m"), ImageGAN.load("~/m", device="cpu"), ImageGAN.from_pretrained("~/m"))[0],
    "pool": lambda gan, home: SyntheticPool(SyntheticPool.build(gan, "~/p", per_class=1).path).path,
    "show": lambda gan, home: gan.show("~/grid.png", per_class=1) and home / "grid.png",
    "log_dir": lambda gan, home: fitted(run=RunOptions(log_dir="~/log")) and home / "log" / "metrics.jsonl",
    "checkpoint_dir": lambda gan, home: (
        fitted(run=RunOptions(checkpoint_dir="~/kept")) and next((home / "kept").glob("checkpoint-*"))
    ),
    "npz": lambda gan, home: labelled_images("~/x.npz") and home / "x.npz",
    "csv": lambda gan, home: len(read_table("~/x.csv")) and home / "x.csv",
}


def fitted(**params):
    digits = labelled_images("digits").subset(range(60))
    return ImageGAN(steps=1, random_state=0, device="cpu", verbose=False, **params).fit(digits)


@pytest.mark.parametrize("name", PATHS)
def test_a_tilde_is_the_home_of_the_user(name, gan, tmp_path, monkeypatch):
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    np.savez(home / "x.npz", images=np.arange(256).reshape(4, 8, 8).astype(np.uint8), labels=[0, 0, 1, 1])
    (home / "x.csv").write_text("a,y\n1,0\n")
    path = PATHS[name](gan, home)
    assert Path(path).is_relative_to(home)
    assert Path(path).exists()
    assert list(here.iterdir()) == []


def test_a_tilde_in_a_run_and_in_options(small_suite, tmp_path, monkeypatch, finished, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert status("bench", "report", "~/run") == 0
    assert run_suite(small_suite, "~/run", jobs=1, verbose=False)["failed"] == []
    assert not Path("~").exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_the_program_leaves_nothing_of_a_pool(gan, tmp_path, name):
    class Ends:
        name, needs_real = "ends", False

        def fit(self, gan, real, randomness):
            return self

        def accepts(self, images, position):
            signal.raise_signal(number)

        def describe(self):
            return {}

    number = getattr(signal, name)
    with warnings.catch_warnings(action="ignore"):  # of forking beside threads
        child = os.fork()
    if child == 0:
        signal.signal(number, signal.SIG_DFL)
        try:
            SyntheticPool.build(gan, tmp_path / "pool", per_class=2, keep=[Ends()])
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == number
    assert list(tmp_path.iterdir()) == []
