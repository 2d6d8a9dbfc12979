from contextlib import nullcontext

import numpy as np
import pytest
import torch

from ganaug.engine.devices import (
    computes_bf16,
    global_states_seeded,
    log_ndtr,
    random_generator,
    resolve_device,
    seed_from,
)


def test_an_integer_is_its_own_seed_and_none_is_fresh():
    assert seed_from(5) == 5
    assert seed_from(None) != seed_from(None)


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_numpy_generators_are_advanced(make):
    source = make(0)
    first, second = seed_from(source), seed_from(source)
    assert first != second
    assert first == seed_from(make(0))


def test_a_seed_is_a_random_state_again():
    for source in (None, np.random.RandomState(0), np.random.default_rng(0)):
        seeds = [seed_from(source) for _ in range(20)]
        assert [seed_from(seed) for seed in seeds] == seeds


@pytest.mark.parametrize("seed", ["7", 1.5, [1]])
def test_other_things_are_no_seeds(seed):
    with pytest.raises(ValueError, match="random_state must be an integer"):
        seed_from(seed)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_integers_out_of_range_are_refused(seed):
    with pytest.raises(ValueError, match="random_state must be in"):
        seed_from(seed)


def test_the_global_state_of_a_gpu_is_seeded_and_put_back_too(monkeypatch):
    gpu, done, fork = torch.device("cuda", 0), [], torch.random.fork_rng
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: done.append(devices) or fork(devices=[]))
    monkeypatch.setattr(torch.cuda, "device", lambda device: done.append(device) or nullcontext())
    monkeypatch.setattr(torch.cuda, "manual_seed", done.append)
    with global_states_seeded(7, gpu):
        assert done == [[gpu], gpu, 7]


@pytest.mark.parametrize(
    ("there", "capability", "has"), [(True, (8, 0), True), (True, (7, 5), False), (False, None, False)]
)
def test_gpus_from_ampere_on_compute_in_bfloat16(there, capability, has, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert computes_bf16(torch.device("cuda")) is has


def test_a_device_without_the_normal_distribution_leaves_it_to_the_cpu():
    x = torch.linspace(-9, 9, 7)
    assert torch.equal(log_ndtr(x, frozenset({"cpu"})), log_ndtr(x))


def test_one_seed_gives_another_stream_for_each_purpose():
    def draw(seed, purpose):
        return torch.randn(4, generator=random_generator(seed, purpose))

    assert torch.equal(draw(3, "fit"), draw(3, "fit"))
    assert not torch.equal(draw(3, "fit"), draw(3, "sample"))
    assert not torch.equal(draw(3, "fit"), draw(4, "fit"))


def test_no_global_state_is_used():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    seed_from(None)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


@pytest.mark.parametrize(("device", "message"), [("gpu", "device must be"), ("cuda:99", "is not available here")])
def test_unknown_or_absent_devices_are_refused(device, message):
    with pytest.raises(ValueError, match=message):
        resolve_device(device)
