"""Running a suite: from declared grid to finished cells."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import re
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import torch

from ganaug.bench.cases.case import Task, case_specs
from ganaug.bench.cases.checking import check_suite, load_suite
from ganaug.bench.execution.executors import in_processes, parallel
from ganaug.bench.execution.progress import RunProgress
from ganaug.bench.execution.scheduling import DIED, Executor
from ganaug.bench.execution.workers import execute, make_case, tasks_per_gpu
from ganaug.bench.records.store import Store
from ganaug.bench.results.report import read_records, write_report
from ganaug.bench.suite.schema import Suite
from ganaug.data.files import user_path
from ganaug.engine.devices import resolve_device

__all__ = ["check_cases", "default_jobs", "run_suite"]


def run_suite(
    suite: Suite | str | Path,
    out: str | Path,
    *,
    jobs: int | None = None,
    backend: str | Executor = "processes",
    scheduler: str | None = None,
    shard: str | None = None,
    verbose: bool = True,
    on_cell: Callable[[str], None] | None = None,
    command: str | None = None,
) -> dict[str, Any] | None:
    """Run a suite, or resume an interrupted run of it, and write its report.

    Parameters
    ----------
    suite : Suite, str or path-like
        A suite, or what :func:`~ganaug.bench.load_suite` takes.
    out : path-like
        Folder of the run. Cells that are finished there are not run again; failed ones are.
    jobs : int, optional
        Processes to share the work; by default one for each CPU core, or where there are images and GPUs four for each
        GPU (fewer where it has less than 6 GiB of memory for each), but no more than cores.
        On a cluster, tasks at a time; by default as many as dask has workers. A worker of dask computes
        one at a time, on however many threads: start one for each core.
        Every cell computes on one thread, so that the result does not depend on the number of jobs. A daemonic process,
        which may start no others, runs all cells itself.
    backend : {"processes", "dask"} or Executor
        What runs them; an :class:`~ganaug.bench.execution.scheduling.Executor` of your own, for another cluster, is not
        closed. Workers on other machines need `out` on a disk that all share.
    scheduler : str, optional
        Address of an existing dask scheduler.
    shard : str, optional
        ``"i/n"``: do only the i-th of n parts, for batch systems. The report is written by each that finds all parts
        finished at its end, so by the last at least.
    verbose : bool
        Show the progress, and cells that failed, on standard error.
    on_cell : callable, optional
        Called with the name of each task when it is finished.
    command : str, optional
        What to type for the same run, for the report.

    Returns
    -------
    dict or None
        The summary, as in ``summary.json``; None if other shards are not finished.

    Raises
    ------
    ValueError
        For a suite or a folder that cannot be used, before the first cell runs.
    OSError
        If a result cannot be written, or a cluster has no worker or loses its scheduler. What is finished is kept.

    Notes
    -----
    A cell whose process dies (out of memory, killed, ended by what runs in it) becomes a row with that reason, and the
    others go on. With one job the cell runs in the process that calls this function, and ends it; after it has done so
    twice, the next start gives the cell a process of its own. On a cluster, where workers are lost for other reasons
    too, a cell is tried on a second worker before it becomes such a row.

    Examples
    --------
    One table, one classifier, two arms, two folds:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from ganaug.bench import load_suite, run_suite
    >>> folder = Path(tempfile.mkdtemp())
    >>> text = '''
    ... name = "small"
    ... title = "Wine"
    ... [tables]
    ... datasets = ["sklearn.datasets.load_wine"]
    ... folds = 2
    ... baselines = ["none"]
    ... classifiers = ["logistic"]
    ... [[tables.arms]]
    ... name = "none"
    ... [[tables.arms]]
    ... name = "SMOTE"
    ... sampler = "smote"
    ... against = ["none"]
    ... '''
    >>> _ = (folder / "small.toml").write_text(text)
    >>> summary = run_suite(folder / "small.toml", folder / "run", jobs=1, verbose=False)
    >>> [arm["name"] for arm in summary["experiments"][0]["cases"][0]["arms"]]
    ['none', 'SMOTE']
    >>> (folder / "run" / "report.html").is_file()
    True
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    if isinstance(suite, Suite):
        suite = check_suite(suite)
    else:
        command = command or f"ganaug bench run {shlex.quote(str(suite))}"
        suite = load_suite(suite)
    alone = multiprocessing.current_process().daemon
    if alone and suite.timeout and backend == "processes":
        raise ValueError(
            "timeout needs processes of its own, which this daemonic process may not start; leave it out, or call "
            "run_suite in a process that is made with daemon=False"
        )
    part = _shard(shard)
    store = Store(user_path(out).resolve())
    tasks, data, code = _grid(suite, store)
    store.open(suite, [key for task in tasks for key in task.keys], {d["name"]: d["sha256"] for d in data}, code)
    store.plan(tasks, data, command)
    mine = tasks
    if part is not None:
        # A GAN and the cells that need it stay together.
        groups = list(dict.fromkeys((task.case, task.split) for task in tasks))
        of_part = set(groups[part[0] :: part[1]])
        mine = [task for task in tasks if (task.case, task.split) in of_part]
    here = 1 if alone else jobs or default_jobs(suite)
    work = functools.partial(execute, suite, store.root, path=tuple(sys.path))
    records = read_records(store, tasks)
    with (
        # What limits the time starts processes, each of which would run such a script again.
        parallel(
            backend,
            here if backend == "processes" else jobs,
            scheduler,
            store,
            apart=bool(suite.timeout) and _unguarded(),
        ) as (run, at_a_time),
        RunProgress(suite.name, mine, records, at_a_time, verbose) as board,
    ):
        for stage in (0, 1):  # the cells need the GANs
            waiting = [(task, missing) for task in mine if task.stage == stage and (missing := board.missing(task))]
            deadly = [item for item in waiting if not alone and _is_deadly(store, item[0], records)]
            board.start(len(waiting), deadly)
            others = [item for item in waiting if item not in deadly]
            for do, items in ((functools.partial(in_processes, here, store), deadly), (run, others)):
                with contextlib.closing(do(work, items)) as results:
                    for task, made in results:
                        records.update(made)
                        board.finished(task, made)
                        if on_cell is not None:
                            on_cell(task.name)
    # Other parts have continued in the meantime.
    own = set(mine)
    records |= read_records(store, [task for task in tasks if task not in own])
    keys = [key for task in tasks for key in task.keys]
    if any(key not in records for key in keys):
        return None
    return write_report(store.root, suite, [records[key] for key in keys], data, command)


def check_cases(suite: Suite) -> None:
    """Find out whether the data of a suite can be read, split and used by its arms; nothing is trained or written.

    Raises
    ------
    ValueError
    """
    with tempfile.TemporaryDirectory() as folder:
        _grid(suite, Store(Path(folder)))


def _grid(suite: Suite, store: Store) -> tuple[list[Task], list[dict[str, Any]], dict[str, str]]:
    """All tasks, what the report says of the data, and the hashes of the user's own code."""
    tasks: list[Task] = []
    owners: dict[str, str] = {}
    data = []
    code: dict[str, str] = {}
    for index, spec in enumerate(case_specs(suite)):
        case = make_case(suite, index, store)
        for task in case.tasks():
            tasks.append(task)
            for key in task.keys:
                if key in owners:
                    if owners[key] == spec.name:
                        raise ValueError(f"{spec.name} has two equal splits; leave out one of its split columns")
                    raise ValueError(f"{spec.name} holds the same data as {owners[key]}; leave one of them out")
                owners[key] = spec.name
        code |= {name: found for of_cells in case.code.values() for name, found in of_cells.items()}
        about = {"name": spec.name, "kind": spec.kind, "dataset": spec.dataset.name, "n_per_class": spec.n_per_class}
        splits = {"splits": len(case.splits), "correlation": case.splits.correlation, "imbalance": spec.imbalance}
        splits |= {"common_samples": case.splits.common_samples, "n_rarest": case.n_rarest}
        splits |= {} if spec.n_samples is None else {"n_samples": spec.n_samples}
        data.append({**about, **splits, "arms": [arm.name for arm in case.arms], **case.describe()})
    return tasks, data, code


def _is_deadly(store: Store, task: Task, records: dict[str, dict[str, Any]]) -> bool:
    """Whether a cell of a task is known to kill its process, or two runs have ended in it without a word."""
    return any(store.starts(key) > 1 or records.get(key, {}).get("reason") == DIED for key in task.keys)


def _unguarded() -> bool:
    """Whether the program is a script that would run again when a process of multiprocessing imports it."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name.endswith("__main__"):  # of a package, which is not imported
        return False
    try:
        return "__main__" not in Path(str(getattr(main, "__file__", ""))).read_text(encoding="utf-8", errors="replace")
    except OSError:  # there is no script: a notebook, -c or standard input
        return False


def default_jobs(suite: Suite) -> int:
    """Processes that share the work by default."""
    if suite.images is not None and resolve_device(suite.images.device).type == "cuda":
        gpus = (torch.cuda.get_device_properties(n).total_memory for n in range(torch.cuda.device_count()))
        return min(joblib.cpu_count(), sum(map(tasks_per_gpu, gpus)))
    return joblib.cpu_count()


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"shard must be i/n with i from 1 to n, such as 1/4, got {text!r}")
    return int(found[1]) - 1, int(found[2])
