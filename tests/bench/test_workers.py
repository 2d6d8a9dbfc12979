"""Other processes, clusters, time-outs, and sudden death: the table is always the same."""

import dataclasses
import errno
import json
import random
import subprocess
import sys
import threading
import time

import pytest
import torch

from ganaug.bench import ImageArm, TableArm, run_suite
from ganaug.bench.cases import images
from ganaug.bench.execution.dask_cluster import Dask
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin
from ganaug.cli import main

HANGS = """
import time
from imblearn.over_sampling import RandomOverSampler
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

class Endless(LogisticRegression):
    def fit(self, X, y):
        time.sleep(1000)

class Dying(KNeighborsClassifier):
    def fit(self, X, y):
        import os
        os._exit(7)

class EndlessSampler(RandomOverSampler):
    def fit_resample(self, X, y):
        time.sleep(1000)
"""


def table(folder):
    return (folder / "cells.csv").read_bytes()


@pytest.fixture
def table_suite(table_suite):
    """One table: what is tested here needs cells, not data."""
    fewer = dataclasses.replace(table_suite.tables, datasets=table_suite.tables.datasets[:1])
    return dataclasses.replace(table_suite, tables=fewer)


@pytest.fixture
def both(image_suite, table_suite):
    """Images and tables in one suite."""
    return dataclasses.replace(image_suite, name="both", tables=table_suite.tables)


def run_quietly(suite, folder):
    images.JUDGE_STEPS = 5
    torch.set_num_threads(1)
    run_suite(suite, folder, jobs=1, verbose=False)


def test_killed_at_any_moment_and_started_again_gives_the_same_table(both, tmp_path, monkeypatch, forking):
    monkeypatch.setattr(images, "JUDGE_STEPS", 5)
    run_suite(both, tmp_path / "whole", jobs=1, verbose=False)
    moments = random.Random(0)
    cells = tmp_path / "parts" / "cells"
    finished = {}
    for _ in range(14):
        wanted = len(finished) + moments.randint(1, 3)
        child = forking.Process(target=run_quietly, args=(both, tmp_path / "parts"))
        child.start()
        # Moments are counted in cells: machines differ in speed.
        while child.is_alive() and len(list(cells.glob("[!.]*"))) < wanted:
            time.sleep(0.001)
        child.join(moments.uniform(0, 0.02))
        child.kill()
        child.join()
        now = {path.name: path.stat().st_mtime_ns for path in cells.glob("[!.]*")}
        assert finished.items() <= now.items(), "a finished cell was run again"
        finished = now
    assert 14 <= len(finished) < 18 + 36, "the kills came too late to test anything"
    run_suite(both, tmp_path / "parts", jobs=1, verbose=False)
    assert table(tmp_path / "parts") == table(tmp_path / "whole")
    assert finished.items() <= {path.name: path.stat().st_mtime_ns for path in cells.iterdir()}.items()


def test_the_number_of_jobs_changes_nothing(both, tmp_path):
    threads = torch.get_num_threads()
    for jobs in (1, 2):
        run_suite(both, tmp_path / str(jobs), jobs=jobs, verbose=False)
    assert torch.get_num_threads() == threads
    assert table(tmp_path / "1") == table(tmp_path / "2")


def test_shards_make_the_same_table(both, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "JUDGE_STEPS", 5)
    run_suite(both, tmp_path / "whole", jobs=1, verbose=False)
    assert run_suite(both, tmp_path / "parts", jobs=1, verbose=False, shard="2/3") is None
    assert run_suite(both, tmp_path / "parts", jobs=1, verbose=False, shard="1/3") is None
    assert run_suite(both, tmp_path / "parts", jobs=1, verbose=False, shard="3/3") is not None
    assert table(tmp_path / "parts") == table(tmp_path / "whole")


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b"])
def test_impossible_shards_are_refused(table_suite, tmp_path, shard):
    with pytest.raises(ValueError, match="shard must be i/n with i from 1 to n"):
        run_suite(table_suite, tmp_path / "run", shard=shard)


def test_a_dask_cluster_makes_the_same_table(table_suite, tmp_path):
    pytest.importorskip("distributed")
    run_suite(table_suite, tmp_path / "one", jobs=1, verbose=False)
    address = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    local = ["--scheduler-file", str(address), "--no-dashboard"]
    processes = [subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *local], **quiet)]
    try:
        for _ in range(600):
            if address.exists() and address.read_text():  # it is made empty and written after
                break
            time.sleep(0.1)
        for _ in range(2):
            worker = [*dask, "worker", "--host", "127.0.0.1", "--nthreads", "1", *local]
            processes.append(subprocess.Popen(worker, **quiet))
        scheduler = json.loads(address.read_text())["address"]
        run_suite(table_suite, tmp_path / "dask", jobs=2, verbose=False, backend="dask", scheduler=scheduler)
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait()
    assert table(tmp_path / "dask") == table(tmp_path / "one")


def test_a_cluster_that_does_not_answer_is_reported(table_suite, tmp_path):
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match="no dask scheduler answers at tcp://127"):
        Dask("tcp://127.0.0.1:9", patience=1)
    with pytest.raises(ValueError, match="there is no backend 'dusk'; did you mean 'dask'"):
        run_suite(table_suite, tmp_path / "run", backend="dusk")
    with pytest.raises(ValueError, match="scheduler is the address of a dask scheduler; pass backend='dask'"):
        run_suite(table_suite, tmp_path / "run", scheduler="tcp://127.0.0.1:9")


def test_missing_backends_name_the_line_that_installs_them(table_suite, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"'dask' needs the package distributed, .*: pip install \"ganaug\[dask\]\""):
        run_suite(table_suite, tmp_path / "run", backend="dask")


@pytest.fixture
def hangs(tmp_path, monkeypatch):
    (tmp_path / "hangs.py").write_text(HANGS)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("hangs")
def test_what_takes_too_long_or_dies_is_a_row_and_the_rest_goes_on(table_suite, tmp_path):
    experiment = dataclasses.replace(
        table_suite.tables,
        folds=2,
        repeats=1,
        arms=(TableArm("none"), TableArm("slow", Plugin("slow", "hangs.EndlessSampler"))),
        classifiers=(Plugin("endless", "hangs.Endless"), Plugin("dying", "hangs.Dying"), Plugin("knn", "knn")),
    )
    suite = dataclasses.replace(table_suite, tables=experiment, timeout=1.5)
    summary = run_suite(suite, tmp_path / "run", jobs=2, verbose=False)
    rows = {(f["arm"], f["classifier"], f["status"], f["reason"]) for f in summary["failed"]}
    late = ("timed out", "not finished after 1.5 s")
    assert rows == {
        ("none", "endless", *late),
        ("none", "dying", "failed", "its process ended with status 7"),
        *(("slow", name, *late) for name in ("endless", "dying", "knn")),
    }
    none = summary["experiments"][0]["cases"][0]["arms"][0]
    assert none["classifiers"]["knn"]["mean"] > 50
    assert "timed out" in (tmp_path / "run" / "report.html").read_text()


def test_a_time_limit_changes_no_result(table_suite, tmp_path):
    experiment = dataclasses.replace(table_suite.tables, repeats=1)
    suite = dataclasses.replace(table_suite, tables=experiment)
    run_suite(suite, tmp_path / "without", jobs=1, verbose=False)
    run_suite(dataclasses.replace(suite, timeout=60), tmp_path / "with", jobs=1, verbose=False)
    assert table(tmp_path / "with") == table(tmp_path / "without")


def test_when_the_disk_is_full_nothing_is_lost(table_suite, tmp_path, monkeypatch):
    from ganaug.bench.records import store

    run_suite(table_suite, tmp_path / "whole", jobs=1, verbose=False)
    write, written = store.write_atomically, []

    def full(path, content):
        if len(written) == 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_atomically", full)
        with pytest.raises(OSError, match=r"cannot write .*: No space left on device; what is finished is kept"):
            run_suite(table_suite, tmp_path / "parts", jobs=1, verbose=False)
    assert len(list((tmp_path / "parts" / "cells").iterdir())) == 30 - 2  # suite.json and grid.json come first
    run_suite(table_suite, tmp_path / "parts", jobs=1, verbose=False)
    assert table(tmp_path / "parts") == table(tmp_path / "whole")


def test_a_file_that_cannot_grow_is_told_in_one_sentence(tmp_path):
    """A real limit of the system, from the shell: no traceback, status 2."""
    code = (
        "import resource, sys\nfrom ganaug.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "main(['bench', 'run', 'smoke', '-o', sys.argv[1], '--jobs', '1'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: cannot write")
    assert "File too large; what is finished is kept" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_folder_that_cannot_be_is_told_before_anything_runs(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as ended:
        main(["bench", "run", "smoke", "-o", str(tmp_path / "file" / "run")])
    assert ended.value.code == 2
    assert "is a file" in capsys.readouterr().err


def test_changed_data_are_noticed_by_a_worker(table_suite, tmp_path):
    from ganaug.bench.execution.workers import execute, make_case

    root = tmp_path / "run"
    case = make_case(table_suite, 0, Store(root))
    task = next(iter(case.tasks()))
    with pytest.raises(RuntimeError, match="is not there for this worker: all need one folder"):
        execute(table_suite, root, task, frozenset(task.keys))
    root.mkdir()
    (root / "suite.json").write_text("{}")
    path = tmp_path / "clients0.csv"
    path.write_text(path.read_text().replace("no\n", "yes\n", 1))
    with pytest.raises(ValueError, match=r"dataset 'clients0', or code .*, has changed since the run began"):
        execute(table_suite, root, task, frozenset(task.keys))


def test_a_task_that_waits_for_another_thread_of_its_process_is_not_marked(table_suite, tmp_path):
    from ganaug.bench.execution import workers

    store = Store(tmp_path / "run")
    task = next(iter(workers.make_case(table_suite, 0, store).tasks()))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "suite.json").write_text("{}")
    thread = threading.Thread(target=workers.execute, args=(table_suite, store.root, task, frozenset(task.keys)))
    with workers._alone:
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        assert not any(store.starts(key) for key in task.keys)
    thread.join()
    assert len(list((tmp_path / "run" / "cells").iterdir())) == len(task.keys)
    assert list((tmp_path / "run" / "running").iterdir()) == []


def test_arms_are_found_by_import_path_in_workers(table_suite, tmp_path, monkeypatch):
    (tmp_path / "own_samplers.py").write_text("from imblearn.over_sampling import SMOTE as Mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    arms = (TableArm("none"), TableArm("mine", Plugin("mine", "own_samplers.Mine", {"k_neighbors": 2}), ratio=0.5))
    experiment = dataclasses.replace(table_suite.tables, arms=arms, repeats=1)
    summary = run_suite(dataclasses.replace(table_suite, tables=experiment), tmp_path / "run", jobs=2, verbose=False)
    assert summary["failed"] == []


def test_images_without_synthetic_arms_need_no_gan(image_suite, tmp_path):
    experiment = dataclasses.replace(image_suite.images, arms=(ImageArm("real"), ImageArm("cutmix", mix="cutmix")))
    suite = dataclasses.replace(image_suite, images=dataclasses.replace(experiment, baselines=("real",)))
    assert run_suite(suite, tmp_path / "run", jobs=1, verbose=False)["failed"] == []
    assert not (tmp_path / "run" / "gans").exists()
