"""Cells that end their process, and time limits that change from one start to the next."""

import collections
import contextlib
import dataclasses
import functools
import json
import os
import signal
import sys
import threading
import time
from multiprocessing import forkserver

import pytest

from ganaug.bench import TableArm, run_suite
from ganaug.bench.cases.case import Task, heading
from ganaug.bench.execution.dask_cluster import Dask
from ganaug.bench.execution.executors import parallel
from ganaug.bench.execution.processes import Processes
from ganaug.bench.execution.scheduling import DIED, WorkerDiedError, hand_out
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin

MODULE = """
import os, signal, sys, time
from imblearn.over_sampling import RandomOverSampler
from sklearn.neighbors import KNeighborsClassifier

def of_one_split(X, name):
    # Whether these are the rows that it was called with first, in whatever process.
    try:
        with open(f"{FOLDER}/{name}", "x") as file:
            file.write(repr(X[:9].tolist()))
        return True
    except FileExistsError:
        with open(f"{FOLDER}/{name}") as file:
            return file.read() == repr(X[:9].tolist())

class Killed(KNeighborsClassifier):
    def fit(self, X, y):
        if of_one_split(X, "killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)

class KilledOnce(KNeighborsClassifier):
    def fit(self, X, y):
        if not os.path.exists(f"{FOLDER}/killed once"):
            open(f"{FOLDER}/killed once", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)

class Quits(KNeighborsClassifier):
    def fit(self, X, y):
        if of_one_split(X, "quits"):
            sys.exit(3)
        return super().fit(X, y)

class Stopped(KNeighborsClassifier):
    def fit(self, X, y):
        raise KeyboardInterrupt

class KilledSampler(RandomOverSampler):
    def fit_resample(self, X, y):
        if of_one_split(X, "sampler"):
            os._exit(7)
        return super().fit_resample(X, y)

class Slow(KNeighborsClassifier):
    def fit(self, X, y):
        if of_one_split(X, "slow") and not os.path.exists(f"{FOLDER}/go"):
            time.sleep(1000)
        return super().fit(X, y)
"""


NONE = (TableArm("none"),)


@pytest.fixture
def deadly(tmp_path, monkeypatch):
    """Makes a suite of one small table with classifiers and samplers that end their process."""
    (tmp_path / "deadly.py").write_text(f"FOLDER = {str(tmp_path)!r}\n{MODULE}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "deadly", raising=False)

    def make(suite, classifiers, arms=NONE):
        tables = dataclasses.replace(
            suite.tables,
            datasets=suite.tables.datasets[:1],
            folds=2,
            repeats=1,
            arms=arms,
            classifiers=tuple(Plugin(name, name if name == "knn" else f"deadly.{name}") for name in classifiers),
        )
        return dataclasses.replace(suite, tables=tables)

    return make


def failed(summary):
    return {(f["arm"], f["classifier"], f["status"], f["reason"]) for f in summary["failed"]}


def test_of_several_processes_one_may_die_and_only_its_cells_fail(table_suite, deadly, tmp_path):
    arms = (*NONE, TableArm("dying", Plugin("dying", "deadly.KilledSampler")))
    suite = deadly(table_suite, ("knn", "Killed", "Quits"), arms)
    names = []
    summary = run_suite(suite, tmp_path / "run", jobs=2, verbose=False, on_cell=names.append)
    # Which split the classifiers fail in first, that of the dying sampler or the other, is chance.
    assert failed(summary) - {("dying", "Quits", "failed", "SystemExit: 3")} == {
        ("none", "Killed", "failed", DIED),
        ("none", "Quits", "failed", "SystemExit: 3"),
        *(("dying", name, "failed", DIED) for name in ("knn", "Killed", "Quits")),
    }
    assert len(names) == len(set(names)) == 4
    done = sum(path.read_text().count('"status": "done"') for path in (tmp_path / "run" / "cells").iterdir())
    assert done == 12 - len(summary["failed"])
    assert list((tmp_path / "run" / "running").iterdir()) == []


class Death(BaseException):
    """Stands for the end of a process: nothing is cleaned up."""


class Mortal:
    """A cluster of one worker at a time, which tries a task so often; `dies` says how often each cell ends a worker."""

    deaths = 2

    def __init__(self, store, tries, dies, fails=""):
        self.store, self.tries, self.dies, self.fails = store, tries, collections.Counter(dies), fails
        self.ran = ""

    def work(self, task, keys):
        # As ganaug.bench.execution.workers.execute marks.
        left = [key for key in task.keys if key in keys]
        made = {}
        self.store.started(left)
        self.store.ended(left[1:])
        while left:
            key = left.pop(0)
            self.ran += key[0]
            if self.dies[key[0]]:
                self.dies[key[0]] -= 1
                raise Death
            outcome = {"status": "failed", "reason": "E"} if key[0] in self.fails else DONE
            made[key] = {**heading(task, key), **outcome}
            self.store.write(key, made[key])
            self.store.ended([key])
            self.store.started(left[:1])
        return task, made

    def size(self):
        return 1

    def submit(self, work, *args):
        self.call = functools.partial(work, *args)
        return self.call

    def wait(self, handles):
        return handles[:1]

    def result(self, handle):
        for _ in range(self.tries):
            with contextlib.suppress(Death):
                return handle()
        raise WorkerDiedError

    def cancel(self, handles):
        self.cancelled = handles

    def close(self):
        pass


DONE = {"status": "done", "metrics": {}, "recall": [], "calibration": [], "seconds": 1.0}


@pytest.mark.parametrize(
    ("tries", "dies", "fails", "ran", "died"),
    [
        (2, "ab", "", "aabbc", ""),  # workers lost once each
        (4, "abcd", "", "aabbccdde", ""),  # more of dask, in one task, than it allows for one
        (4, "bbbb", "a", "abbc", "b"),  # one that fails by itself comes before the one that kills
        (1, "bbbb", "", "abbc", "b"),
        (2, "aaaacc", "b", "aabcc", "ac"),
    ],
)
def test_deaths_are_counted_for_each_cell(tmp_path, tries, dies, fails, ran, died):
    store = Store(tmp_path)
    (tmp_path / "cells").mkdir()
    names = tuple(sorted(set(ran)))
    keys = tuple(20 * name for name in names)
    task = Task(0, 1, 0, "arm", 0, keys, names)
    # What an earlier run left: a mark does not count, a failed cell is run again.
    store.started([keys[-1]])
    store.write(keys[0], {**heading(task, keys[0]), "status": "failed", "reason": "earlier"})
    pool = Mortal(store, tries, dies, fails)
    ((_, made),) = hand_out(pool, pool.size, store, pool.work, [(task, frozenset(keys))])
    assert pool.ran == ran
    reasons = {key[0]: record["reason"] for key, record in made.items() if record["status"] == "failed"}
    assert reasons == {**dict.fromkeys(fails, "E"), **dict.fromkeys(died, DIED)}
    assert made.keys() == set(keys)
    assert list((tmp_path / "running").iterdir()) == []
    # A worker that is lost with a result has another one look it up, failures included, which may be deadly.
    hand_out(pool, pool.size, store, pool.work, [])
    assert pool.call()[1].items() <= made.items()
    assert pool.ran == ran


def test_a_task_that_dies_before_it_begins_is_given_up(tmp_path):
    task = Task(0, 1, 0, "arm", 0, ("a" * 20, "b" * 20), ("a", "b"))

    def work(*_):
        begun.append(1)
        raise Death

    begun = []
    pool = Mortal(Store(tmp_path), 1, "")
    (tmp_path / "cells").mkdir()
    ((_, made),) = hand_out(pool, pool.size, pool.store, work, [(task, frozenset(task.keys))])
    assert [record["reason"] for record in made.values()] == [DIED, DIED]
    assert len(begun) == 2


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_run_that_ends_early_cancels_what_is_not_done(tmp_path):
    pool = Mortal(Store(tmp_path), 1, "")
    (tmp_path / "cells").mkdir()
    tasks = [Task(0, 1, 0, "arm", 0, (20 * name,), (name,)) for name in "abc"]
    results = hand_out(pool, lambda: 2, pool.store, pool.work, [(task, frozenset(task.keys)) for task in tasks])
    assert next(results)[0] is tasks[0]
    results.close()
    assert len(pool.cancelled) == 1
    assert pool.ran == "a"


def process_of_a_call(pool):
    handle = pool.submit(os.getpid)
    assert list(pool.wait([handle])) == [handle]
    return pool.result(handle)


def test_a_process_that_dies_with_nothing_to_do_is_replaced_and_none_are_left():
    before, pool = set(threading.enumerate()), Processes(1)
    dead = process_of_a_call(pool)
    watching = [thread for thread in threading.enumerate() if thread not in before and "Manager" in thread.name]
    os.kill(dead, signal.SIGKILL)
    for thread in watching:
        thread.join()  # the process is known to be dead
    alive = process_of_a_call(pool)
    assert process_of_a_call(pool) == alive != dead
    pool.submit(time.sleep, 1000)
    pool.close()
    assert gone(dead)
    assert gone(alive)


@pytest.fixture
def dask_cluster(forking):
    """Makes a cluster whose workers have what a suite needs loaded when they start."""
    distributed = pytest.importorskip("distributed")
    import dask

    forkserver.ensure_running()
    with (
        contextlib.ExitStack() as clusters,
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
    ):
        yield lambda **options: clusters.enter_context(
            distributed.LocalCluster(
                **{"threads_per_worker": 1, **options}, dashboard_address=None, silence_logs="CRITICAL"
            )
        )


def test_on_a_cluster_as_many_tasks_run_as_it_has_workers(dask_cluster, tmp_path):
    cluster = dask_cluster(n_workers=2, threads_per_worker=4, processes=False)
    with parallel("dask", None, cluster.scheduler_address, Store(tmp_path)) as (_, at_a_time):
        assert at_a_time() == 2
        cluster.scale(3)
        cluster.wait_for_workers(3)
        assert at_a_time() == 3
    with parallel("dask", 1, cluster.scheduler_address, Store(tmp_path)) as (_, at_a_time):
        assert at_a_time() == 1


def check_lost_workers(suite, deadly, folder, **options):
    """A cell that kills two workers of a cluster is a row; one whose worker is lost once is tried again."""
    arms = (*NONE, TableArm("dying", Plugin("dying", "deadly.KilledSampler")))
    suite = deadly(suite, ("knn", "KilledOnce", "Killed"), arms)
    names = []
    summary = run_suite(suite, folder / "run", jobs=2, verbose=False, on_cell=names.append, **options)
    assert (folder / "killed once").exists()
    assert failed(summary) == {
        ("none", "Killed", "failed", DIED),
        *(("dying", name, "failed", DIED) for name in ("knn", "KilledOnce", "Killed")),
    }
    assert len(names) == len(set(names)) == 4
    assert list((folder / "run" / "running").iterdir()) == []


def test_a_run_on_dask_outlives_its_workers(table_suite, deadly, dask_cluster, tmp_path):
    address = dask_cluster(n_workers=2).scheduler_address
    check_lost_workers(table_suite, deadly, tmp_path, backend="dask", scheduler=address)


def test_what_a_dask_scheduler_gives_up_is_a_row(table_suite, deadly, dask_cluster, tmp_path):
    import dask

    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        address = dask_cluster(n_workers=1).scheduler_address
        suite = deadly(table_suite, ("knn", "Killed", "Quits"))
        summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False, backend="dask", scheduler=address)
    assert failed(summary) == {("none", "Killed", "failed", DIED), ("none", "Quits", "failed", "SystemExit: 3")}
    assert len(summary["failed"]) == 2
    assert list((tmp_path / "run" / "running").iterdir()) == []


@pytest.fixture
def one_table(table_suite):
    tables = dataclasses.replace(table_suite.tables, datasets=table_suite.tables.datasets[:1], repeats=1)
    return dataclasses.replace(table_suite, tables=tables)


@pytest.fixture
def hasty():
    """Makes an executor that looks often for the workers of a dask cluster, and does not wait for long."""
    with contextlib.ExitStack() as stack:
        yield lambda cluster: stack.enter_context(
            contextlib.closing(Dask(cluster.scheduler_address, alone=0.2, look=0.1))
        )


def test_on_dask_without_workers_a_run_says_so_and_can_be_resumed(one_table, dask_cluster, hasty, tmp_path):
    cluster = dask_cluster(n_workers=1, processes=False)

    def lost(_):
        cluster.scale(0)

    with pytest.raises(ConnectionError, match=r"^the dask cluster has no worker; what is finished is kept, so st"):
        run_suite(
            one_table,
            tmp_path / "run",
            jobs=2,
            verbose=False,
            backend=hasty(cluster),
            on_cell=lost,
        )
    done = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run" / "cells").iterdir()}
    assert 2 <= len(done) < 18
    assert run_suite(one_table, tmp_path / "run", jobs=1, verbose=False)["failed"] == []
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run" / "cells").iterdir()}
    assert done.items() <= after.items()
    run_suite(one_table, tmp_path / "whole", jobs=1, verbose=False)
    assert (tmp_path / "run" / "cells.csv").read_bytes() == (tmp_path / "whole" / "cells.csv").read_bytes()


def test_a_dask_scheduler_that_never_had_a_worker_is_reported(one_table, dask_cluster, hasty, tmp_path):
    backend = hasty(dask_cluster(n_workers=0))
    with pytest.raises(ConnectionError, match=r"^the dask cluster has no worker; what is finished is kept, so st"):
        run_suite(one_table, tmp_path, verbose=False, backend=backend)


@pytest.mark.parametrize("when", ["between tasks", "while one runs"])
def test_a_dask_scheduler_that_is_lost_is_reported(one_table, dask_cluster, tmp_path, when):
    cluster = dask_cluster(n_workers=1, processes=False)
    threads = []

    def gone(_):
        if when == "between tasks":
            cluster.close()
        elif not threads:
            threads.append(threading.Thread(target=cluster.close))
            threads[0].start()

    options = {"verbose": False, "backend": "dask", "scheduler": cluster.scheduler_address}
    with pytest.raises(
        ConnectionError, match=r"^the dask scheduler was lost; what is finished is kept, so start it ag"
    ):
        run_suite(one_table, tmp_path / "run", jobs=2, on_cell=gone, **options)
    for thread in threads:
        thread.join()
    assert list((tmp_path / "run" / "cells").iterdir())


def test_what_leaves_python_is_a_row_and_what_the_user_stops_is_none(table_suite, deadly, tmp_path):
    suite = deadly(table_suite, ("Quits", "knn"))
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert failed(summary) == {("none", "Quits", "failed", "SystemExit: 3")}

    with pytest.raises(KeyboardInterrupt):
        run_suite(deadly(table_suite, ("Stopped", "knn")), tmp_path / "stopped", jobs=1, verbose=False)
    assert list((tmp_path / "stopped" / "cells").glob("*")) == []
    assert list((tmp_path / "stopped" / "running").iterdir()) == []


def run_with_one_job(suite, folder, path):
    sys.path.insert(0, path)
    run_suite(suite, folder, jobs=1, verbose=False)


def test_a_run_of_one_job_can_be_finished_by_starting_it_again(table_suite, deadly, tmp_path, forking):
    suite = deadly(table_suite, ("knn", "Killed"))
    exits = []
    while len(exits) < 4 and 0 not in exits:
        child = forking.Process(target=run_with_one_job, args=(suite, tmp_path / "run", str(tmp_path)))
        child.start()
        child.join()
        exits.append(child.exitcode)
    assert exits == [-9, -9, 0]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert failed(summary) == {("none", "Killed", "failed", DIED)}
    # What is known to be deadly does not end this process, which has the one job, either.
    assert failed(run_suite(suite, tmp_path / "run", jobs=1, verbose=False)) == failed(summary)


def test_a_mark_is_left_only_where_a_process_died(table_suite, tmp_path):
    store = Store(tmp_path)
    store.started(["a", "b"])
    store.started(["a"])
    assert [store.starts(key) for key in "abc"] == [2, 1, 0]
    store.ended(["a", "c"])
    assert [store.starts(key) for key in "abc"] == [0, 1, 0]
    if os.geteuid():
        (tmp_path / "running").chmod(0o500)
        with pytest.raises(OSError, match=r"cannot write .* what is finished is kept"):
            store.started(["a"])


def test_a_time_limit_may_be_added_raised_and_dropped_in_the_same_folder(table_suite, deadly, tmp_path):
    suite = deadly(table_suite, ("knn", "Slow"))
    limited = dataclasses.replace(suite, timeout=1.5)
    summary = run_suite(limited, tmp_path / "run", jobs=1, verbose=False)
    assert failed(summary) == {("none", "Slow", "timed out", "not finished after 1.5 s")}
    (tmp_path / "go").touch()
    names = []
    for timeout in (60.0, None):
        again = dataclasses.replace(suite, timeout=timeout)
        assert run_suite(again, tmp_path / "run", jobs=1, verbose=False, on_cell=names.append)["failed"] == []
    assert len(names) == 1
