import platform
import resource

import pytest
import torch

from ganaug.engine.freed_memory import freed_memory_kept

CPU = torch.device("cpu")


def faults():
    """Pages that the system gave while tensors of 40 MB were made and freed eight times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.zeros(10 * 2**20).add_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.fixture(autouse=True)
def malloc_unset(monkeypatch):
    for name in ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_large_tensors_are_made_of_memory_freed_before_until_the_outermost_context_ends(monkeypatch):
    with freed_memory_kept(CPU):
        with freed_memory_kept(CPU):
            faults()
        inside = faults()
    outside = faults()
    assert inside < outside / 4
    with freed_memory_kept(torch.device("meta")):
        assert faults() > outside / 2
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "1000")  # whoever sets it knows better
    with freed_memory_kept(CPU):
        assert faults() > outside / 2
