"""What a GPU would see, shown without one: the meta device has shapes only, and cannot be looked at."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_gans import LABELS, images, rows
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ganaug.engine import transfer
from ganaug.engine.label_embedding import ClassBalancedSampler
from ganaug.engine.loop import one_step
from ganaug.engine.state import TrainingState
from ganaug.engine.transfer import Rows, to_device
from ganaug.generators import fitting
from ganaug.generators.images import drawing as image_drawing
from ganaug.generators.images import gan as image
from ganaug.generators.tables import base as table

META, GPU = torch.device("meta"), torch.device("cuda", 0)


class Watch(TorchDispatchMode):
    """Refuses whatever takes or gives tensors of two devices, except within `to_device`."""

    def __init__(self):
        super().__init__()
        self.announced, self.fetched = 0, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.copy_.default and result.dtype is torch.uint8:
            self.fetched.append(len(result))
        devices = {t.device for t in torch.utils._pytree.tree_leaves((args, kwargs, result)) if torch.is_tensor(t)}
        if len(devices) > 1 and not self.announced:
            raise AssertionError(f"{func} waits for the GPU")
        return result

    def to_device(self, tensor, device):
        self.announced += 1
        try:
            return tensor.to(device)
        finally:
            self.announced -= 1


class WatchLists(TorchFunctionMode):
    """Refuses lists as indices, which torch copies to the GPU out of sight of `Watch`, and waits for it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__) and args[0].device == META:
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(part, list | np.ndarray) for part in index):
                raise AssertionError("a list as index waits for the GPU")
        return func(*args, **(kwargs or {}))


@pytest.fixture
def watch(monkeypatch):
    watch = Watch()
    for module in ("ganaug.engine.graphs", "ganaug.engine.transfer"):
        monkeypatch.setattr(f"{module}.to_device", watch.to_device)
    # What torch does not have for the meta device, and what is its own affair.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch.optim, "Adam", lambda weights, **_: torch.optim.SGD(weights, lr=0.1))
    for module in (fitting, image, table):
        monkeypatch.setattr(module, "resolve_device", lambda device: META)
    return watch


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("made", [images, rows])
def test_a_step_never_waits_for_the_gpu_nor_mixes_devices(made, resident, watch, monkeypatch):
    """Not even with samples that have no class, on steps with and without the penalty."""
    taken = []
    monkeypatch.setattr(fitting, "train", lambda *arguments, **options: taken.append(arguments) or 1 / 0)
    monkeypatch.setattr(transfer, "_free_memory", lambda device: 1e9 if resident else 0.0)
    gan, X = made()
    with pytest.raises(ZeroDivisionError):
        gan.fit(X, LABELS)
    ((trained, config, _, real_samples, randomness),) = taken
    sampler = ClassBalancedSampler(np.where(np.arange(len(LABELS)) < 6, -1, LABELS), config.label_temperature)
    state = TrainingState(trained, config, randomness)
    with watch, WatchLists():
        for step in (trained.period, trained.period + 1):
            state.step = step
            one_step(state, sampler, real_samples)
    assert state.sums.device == META
    assert all(weight.grad.device == META for weight in trained.networks["generator"].parameters())


def test_drawing_waits_for_the_gpu_but_once_per_fetch(watch, monkeypatch):
    network = image.build_networks(images()[0].resolve(images()[1], LABELS).architecture)[0].to(META)
    monkeypatch.setattr(image_drawing, "to_device", watch.to_device)
    monkeypatch.setattr(image_drawing, "SAMPLING_BATCH", 4)
    monkeypatch.setattr(image_drawing, "RESULT_MEMORY", 8 * 9 * 8 * 3)
    latents, labels = torch.randn(19, network.arch.latent_dim), torch.arange(19) % 2
    with watch:
        assert image_drawing.generate(network, latents, labels, META).shape == (19, 3, 9, 8)
    assert watch.fetched == [8, 8, 3]


def test_on_a_gpu_batches_are_larger_and_fit_into_its_memory(monkeypatch):
    sizes = []
    for memory in (2**31, 2**33, 2**40):
        properties = SimpleNamespace(total_memory=memory)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device, found=properties: found)
        sizes.append(image_drawing.sampling_batch(2**16, GPU))
    assert sizes == [512, 1024, 4096]


def test_on_a_cpu_batches_fit_into_memory_that_is_not_taken_anew():
    sizes = [image_drawing.sampling_batch(2**power, torch.device("cpu")) for power in (8, 16, 20, 23, 30)]
    assert sizes == [500, 32, 16, 4, 1]


def test_the_watch_sees_what_waits(watch):
    there = torch.zeros(3, device=META)
    waiting = (
        lambda: torch.zeros(3).to(META),
        lambda: there[torch.tensor([0])],
        lambda: there[[0]],
        lambda: there + torch.ones(3),
    )
    with watch, WatchLists():
        for waits in waiting:
            with pytest.raises((AssertionError, RuntimeError)):
                waits()
        with pytest.raises(RuntimeError, match="meta"):
            there.sum().item()
        watch.to_device(torch.zeros(3), META)


def test_rows_that_do_not_fit_are_sent_when_they_are_chosen(monkeypatch):
    numbers, chosen, sent = torch.arange(12, dtype=torch.uint8).view(6, 2), torch.tensor([5, 0, 5]), []
    monkeypatch.setattr(transfer, "to_device", lambda tensor, device: sent.append((tensor.shape, device)) or tensor)
    memory = {"mem_get_info": (20, 2**40), "memory_reserved": 8, "memory_allocated": 5}  # of which 23 bytes are free
    for name, value in memory.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    streamed = Rows(numbers, GPU)
    assert not streamed.resident
    assert torch.equal(streamed[chosen], numbers[chosen])
    assert sent == [((3, 2), GPU)]
    assert Rows(numbers, torch.device("cpu")).resident


def test_to_a_gpu_tensors_go_out_of_pinned_memory(monkeypatch):
    class Pinned:
        def to(self, device, non_blocking):
            return device, non_blocking

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: Pinned())
    assert to_device(torch.ones(3), GPU) == (GPU, True)
