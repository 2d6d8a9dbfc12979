"""Memory and threads of the host while something is trained."""

from pathlib import Path

import pytest
import torch

from ganaug.engine import host
from ganaug.engine.host import computing_on, memory_kept

BLOCK = 100 * 2**20  # bytes, which glibc gives back at once by default


class CLibrary:
    """Takes the part of glibc, and keeps what it is told."""

    def __init__(self):
        self.told = []

    def mallopt(self, what, value):
        self.told.append((what, value))

    def malloc_trim(self, left):
        self.told.append(("trim", left))


@pytest.fixture(autouse=True)
def told(monkeypatch):
    for name in (*host.USERS_OWN, "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    library = CLibrary()
    monkeypatch.setattr(host, "_glibc", lambda: library)
    return library.told


def resident():
    """Bytes of memory that the process holds."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


@pytest.mark.skipif(host._glibc() is None, reason="the C library is not glibc")
def test_memory_is_held_inside_and_given_back_at_the_end(monkeypatch):
    monkeypatch.undo()
    before = resident()
    with memory_kept():
        torch.ones(BLOCK, dtype=torch.uint8)
        inside = resident()
    assert inside - before > 0.9 * BLOCK
    assert inside - resident() > 0.9 * BLOCK


def test_the_first_one_in_and_the_last_one_out_set_the_limits(told):
    first, second = memory_kept(), memory_kept()
    with first:
        assert told == [(-3, 2**30), (-1, 2**31 - 1)]
        second.__enter__()
    assert len(told) == 2
    second.__exit__(None, None, None)
    assert told[2:] == [(-3, 2**25), (-1, 2**26), ("trim", 0)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("MALLOC_TRIM_THRESHOLD_", "100000"), ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=100000")],
)
def test_limits_of_the_user_are_left_alone(name, value, told, monkeypatch):
    monkeypatch.setenv(name, value)
    with memory_kept():
        assert host._inside == 0
    assert told == []


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(host, "_glibc", lambda: None)
    with memory_kept():
        assert host._inside == 0


def test_a_failed_training_gives_memory_and_threads_back(told):
    before, inside = torch.get_num_threads(), []

    @computing_on("cpu", before + 1)
    def fail():
        inside.append((torch.get_num_threads(), host._inside))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert inside == [(before + 1, 1)]
    assert (torch.get_num_threads(), host._inside, told[-1]) == (before, 0, ("trim", 0))


def test_on_a_gpu_the_host_is_left_as_it_is(told):
    before = torch.get_num_threads()
    with computing_on("cuda", before + 1):
        assert torch.get_num_threads() == before
    assert told == []
