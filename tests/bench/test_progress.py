import pytest

from ganaug.bench.cases.case import Task
from ganaug.bench.execution.progress import RunProgress, TimeLeft


def task(arm, split, stage=1):
    return Task(0, stage, split, arm, 0, (f"{arm} {split}",), ("knn",))


def test_time_left_knows_that_arms_differ_and_that_tasks_run_side_by_side():
    tasks = [task(arm, split) for arm in ("none", "gan", "other") for split in range(4)]
    clock = iter([0.0, 30.0, 50.0])
    left = TimeLeft(tasks, clock=lambda: next(clock))
    assert left.seconds() is None
    left.finished(tasks[0], {"a": {"seconds": 10.0}})
    left.finished(tasks[4], {"b": {"seconds": 20.0, "fit_seconds": 30.0}})
    # Sixty seconds of work took thirty: two side by side. Of what is left nothing is known of four tasks.
    assert left.seconds() == pytest.approx((3 * 10 + 3 * 50 + 4 * 30) / 2)
    for done in tasks[1:4] + tasks[5:]:
        left.finished(done, {"c": {"seconds": 1.0}})
    assert left.seconds() == 0


def test_without_a_terminal_progress_is_lines_with_an_estimate(capsys):
    tasks = [task("gan", split) for split in range(3)]
    with RunProgress("mine", tasks, {"gan 0": {"status": "done"}}, lambda: 2, True) as progress:
        progress.start(2, [])
        progress.finished(tasks[1], {"gan 1": {"status": "failed", "reason": "no [room]", "classifier": "knn"}})
    err = capsys.readouterr().err
    assert "split 2: gan, start 1, knn failed: no [room]\n" in err
    assert "mine: 2 of 3 cells finished, 1 running, 1 failed, about 0 s left\n" in err
