"""A memory that is too small, played by a step that fails for large batches."""

import warnings

import numpy as np
import pytest
import torch

from ganaug import ImageGAN, OutOfMemory, RunOptions, TableGAN
from ganaug.cli import main
from ganaug.engine.distributed import DistributedContext
from ganaug.objectives.adversarial import objective

CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore")
QUICK = {"steps": 4, "device": "cpu", "verbose": False, "random_state": 0}


def shades(n=12):
    rng = np.random.default_rng(0)
    images = np.repeat([60, 190], n // 2)[:, None, None] + rng.integers(-30, 30, (n, 8, 8))
    return images.astype(np.uint8), np.repeat(["dark", "light"], n // 2)


@pytest.fixture
def room_for(monkeypatch):
    """Let batches of so many real samples fit into memory, no larger ones; return the sizes of those tried."""

    def limit(most, error=CUDA):
        tried, step = [], objective.adversarial_step

        def small(networks, real, *rest):
            tried.append(len(real))
            if len(real) > most:
                raise error
            return step(networks, real, *rest)

        monkeypatch.setattr(objective, "adversarial_step", small)
        monkeypatch.setattr("ganaug.generators.fitting.PROBED", {"cpu"})
        return tried

    return limit


def weights(gan):
    return torch.cat([tensor.flatten() for tensor in gan.tensors().values()])


def test_auto_halves_until_it_fits_before_training_starts(room_for):
    expected = ImageGAN(**QUICK, batch_size=8).fit(*shades())
    tried = room_for(9)
    with pytest.warns(UserWarning, match="batch_size 32 does not fit into the memory of cpu; it becomes 8"):
        gan = ImageGAN(**QUICK).fit(*shades())
    assert tried == [32, 16, 8, 8, 8, 8, 8, 8]
    assert gan.config_.training.batch_size == 8
    # What was tried out left no trace.
    assert torch.equal(weights(gan), weights(expected))


def test_auto_keeps_what_fits(room_for):
    expected = ImageGAN(**QUICK).fit(*shades())
    room_for(32)
    gan = ImageGAN(**QUICK).fit(*shades())
    assert gan.config_ == expected.config_
    assert torch.equal(weights(gan), weights(expected))


def test_the_number_of_steps_follows_a_batch_size_that_became_smaller(room_for, monkeypatch):
    room_for(16)
    gan = ImageGAN(**{**QUICK, "steps": "auto"})
    trained = []

    def stop(objective, config, *rest, **options):
        trained.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr("ganaug.generators.fitting.train", stop)
    with pytest.warns(UserWarning, match="it becomes 16"), pytest.raises(KeyboardInterrupt):
        gan.fit(*shades())
    assert trained[0].steps == 2 * gan.resolve(*shades()).training.steps


class Third(DistributedContext):
    """One of three processes that need not talk to each other."""

    def join(self, device):
        pass

    def smallest(self, number):
        return number

    def check_alike(self, what):
        raise KeyboardInterrupt  # before training


@pytest.mark.parametrize(
    ("rank", "room", "said"),
    [
        (0, 99, ["batch_size 32 is no multiple of the 3 processes that share each batch; it becomes 30"]),
        (0, 17, ["batch_size 32 does not fit into the memory of cpu; it becomes 15"]),
        (1, 99, []),
    ],
)
def test_one_of_several_processes_says_why_the_batch_size_changed(rank, room, said, monkeypatch):
    monkeypatch.setattr("ganaug.generators.fitting.current_context", lambda distributed: Third(rank, 3))
    monkeypatch.setattr(
        "ganaug.generators.fitting.Fitting._largest_fitting", lambda self, size: size if size < room else 16
    )
    monkeypatch.setattr("ganaug.generators.fitting.PROBED", {"cpu"})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(KeyboardInterrupt):
            ImageGAN(**QUICK).fit(*shades())
    assert [str(warning.message) for warning in told] == said


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("FIND was unable to find an engine to execute this computation"),
        torch.AcceleratorError("CUDA error: out of memory"),
        MemoryError(),
    ],
)
def test_a_batch_size_that_does_not_fit_is_told_with_one_that_does(room_for, error):
    room_for(6, error)
    with pytest.raises(
        OutOfMemory,
        match=r"batch_size 40 does not fit into .* cpu; pass batch_size=5 \(--batch-size 5\), which",
    ):
        ImageGAN(**QUICK, batch_size=40).fit(*shades())


def test_members_of_a_table_gan_share_the_memory(room_for):
    rng = np.random.default_rng(0)
    room_for(12)
    with pytest.raises(OutOfMemory, match=r"batch_size 32 does not fit .* pass batch_size=4 \(--batch-size 4\)"):
        TableGAN(**QUICK, batch_size=32, members=3, width=8).fit(rng.normal(size=(20, 2)), np.arange(20) % 2)


@pytest.mark.parametrize("batch_size", ["auto", 16])
def test_where_nothing_fits_that_is_said(room_for, batch_size):
    room_for(0)
    with pytest.raises(OutOfMemory, match="not even a batch of one real and one generated sample fits"):
        ImageGAN(**QUICK, batch_size=batch_size).fit(*shades())


@pytest.mark.parametrize("said", ["size mismatch", "GET was unable to find an engine to execute this computation"])
def test_other_errors_stay_what_they_are(room_for, said):
    """A convolution that is not there for a single sample either lacks something else than memory."""
    room_for(0, RuntimeError(said))
    for batch_size in ("auto", 16):
        with pytest.raises(RuntimeError, match=said):
            ImageGAN(**QUICK, batch_size=batch_size).fit(*shades())


def test_a_run_keeps_the_batch_size_that_it_was_started_with(room_for, tmp_path):
    tried = room_for(8)
    with pytest.warns(UserWarning, match="it becomes 8"):
        first = ImageGAN(**QUICK, run=RunOptions(checkpoint_dir=tmp_path)).fit(*shades())
    tried.clear()
    again = ImageGAN(**QUICK, run=RunOptions(checkpoint_dir=tmp_path)).fit(*shades())
    assert tried == []
    assert again.config_ == first.config_


@pytest.mark.filterwarnings("default")
def test_from_the_shell_it_is_one_sentence(room_for, tmp_path, capsys):
    room_for(4)
    options = ("--steps", "3", "--device", "cpu", "-o", str(tmp_path / "m"))
    np.savez(tmp_path / "x.npz", images=shades()[0], labels=shades()[1])
    with pytest.raises(SystemExit):
        main(["fit", "images", str(tmp_path / "x.npz"), *options])
    printed = capsys.readouterr()
    assert printed.err == "Warning: batch_size 32 does not fit into the memory of cpu; it becomes 4\n"
    assert "Trained on 12 images" in printed.out
    room_for(0)
    with pytest.raises(SystemExit) as stop:
        main(["fit", "images", str(tmp_path / "x.npz"), *options, "--overwrite"])
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith("Error: not even a batch of one real")
