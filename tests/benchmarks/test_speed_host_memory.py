"""What the benchmark of the host's memory measures, at toy size."""

import sys

import pytest
import torch

from ganaug.engine import host
from ganaug.generators.images import drawing


@pytest.fixture(scope="module")
def host_memory(script):
    return script("host_memory")


def test_a_step_is_what_more_of_them_take(host_memory, monkeypatch):
    monkeypatch.setattr(host_memory, "SIDE", 8)
    taken = iter([host_memory.Taken(3.0, 1.0, 100), host_memory.Taken(7.0, 2.0, 300)])
    trained = []
    monkeypatch.setattr(host_memory, "taken", lambda work: trained.append(work()) or next(taken))
    assert host_memory.step("tiny", "fp32", steps=2) == (2.0, 0.5, 300)
    assert [gan.config_.training.steps for gan in trained] == [2, 4]


def test_ways_differ_in_what_they_keep_and_draw_at_a_time(host_memory, monkeypatch):
    before, cpu = host.memory_kept, torch.device("cpu")
    seen = []
    look = lambda *_: seen.append((host.memory_kept is before, drawing.sampling_batch(2**14, cpu)))  # noqa: E731
    for work in ("step", "drawn", "classified", "described"):
        monkeypatch.setattr(host_memory, work, look)
    cases = host_memory.cases(steps=1)
    for case in ("step of small, bf16", "1,000 images drawn by tiny", "features of 100 images"):
        for way in cases[case].values():
            way()
    assert seen == [(True, 128), (False, 128), (True, 128), (True, 500), (True, 128), (False, 128)]


def test_each_way_is_measured_in_its_own_process_beside_the_first(host_memory, monkeypatch):
    program = "import sys; print([0.2, 0.1, 5] if sys.argv[-1] == 'one' else [0.1, 0.0, 7])"
    monkeypatch.setattr(host_memory, "COMMAND", [sys.executable, "-c", program])
    assert host_memory.in_turn("case", ["one", "other"], rounds=2, steps=1) == [
        ["case, one", "200 ms, 50% by the system, 5 MiB", "1.00"],
        ["case, other", "100 ms, 0% by the system, 7 MiB", "0.50"],
    ]
