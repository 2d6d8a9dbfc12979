"""Trainings side by side, at toy size."""

import io
import sys

import pytest


@pytest.fixture(scope="module")
def threads(script):
    return script("threads")


def test_processes_are_given_the_threads_that_their_way_says(threads, monkeypatch):
    program = (
        "import os, sys, torch; print('ready', flush=True); sys.stdin.readline(); "
        f"print(torch.get_num_threads(), int({threads.OF_TORCH!r} in sys.argv))"
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "7")  # of whoever calls
    monkeypatch.setattr(threads, "COMMAND", [sys.executable, "-c", program])
    found = {way: threads.together(2, way, steps=1) for way in ("default", threads.ONE, "torch's threads")}
    assert found[threads.ONE] == (1, 0)
    assert found["default"][0] == found["torch's threads"][0] != 7
    assert [found[way][1] for way in ("default", "torch's threads")] == [0, 1]


def test_a_fit_takes_time_of_the_processor(threads, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    taken = threads.trained(1, 1)
    assert capsys.readouterr().out == "ready\n"
    assert taken.seconds > 0 < taken.processor
