"""Two processes on this machine against one, at the same global batch."""

import json
import os
from pathlib import Path

import pytest
import share_run
import torch
from launch import start
from safetensors.torch import load_file

from ganaug import TableGAN
from ganaug.engine.distributed import ALONE, DistributedContext, current_context
from ganaug.objectives.adversarial.augment import OPERATIONS, ImageAugmentation

HERE = Path(__file__).parent


def learnt(folder, count):
    """What so many processes learn."""
    folder.mkdir()
    done = start(HERE / "share_run.py", folder, count=count)
    assert [status for status, *_ in done] == [0] * count, done
    return [read(folder, rank) for rank in range(count)]


def read(folder, rank):
    return load_file(folder / f"rank{rank}.safetensors"), json.loads((folder / f"rank{rank}.json").read_text())


def check_equal(found, expected):
    for name in expected:
        worst = (found[name] - expected[name]).abs().max().item() if expected[name].numel() else 0
        assert worst <= 1e-6, name


@pytest.fixture(scope="module", autouse=True)
def above_rounding():
    """As in the processes that are started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganaug.objectives.adversarial.objective.ADAM_EPSILON", share_run.ABOVE_ROUNDING)
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory, above_rounding):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "one").mkdir()
    share_run.main(folder / "one")
    return folder, [read(folder / "one", 0)], learnt(folder / "two", 2)


def test_two_processes_learn_what_one_does(runs):
    """Lazy penalties, all augmentations, several members: weights after 20 steps differ by rounding only."""
    _, ((one, told_one),), ((two, told_two), _) = runs
    assert one.keys() == two.keys()
    check_equal(two, one)
    for name, loss in told_one["losses"].items():
        assert told_two["losses"][name] == pytest.approx(loss, abs=1e-5)


def test_all_processes_hold_the_same_weights_even_without_a_seed(runs):
    _, _, ((first, told_first), (second, told_second)) = runs
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert told_first["losses"] == told_second["losses"]
    assert told_first["unseeded"] == told_second["unseeded"]


def test_all_processes_go_by_what_the_first_measures(runs):
    _, ((_, alone),), ((_, first), (_, second)) = runs
    assert first["measured"] == second["measured"]
    assert first["measured"]["health"] == alone["measured"]["health"]
    for here, there in zip(first["measured"]["validation"], alone["measured"]["validation"], strict=True):
        assert here["step"] == there["step"]
        assert here["score"] == pytest.approx(there["score"], abs=1e-3)


def test_only_the_first_process_writes(runs):
    folder, _, _ = runs
    for run in ("one", "two"):
        lines = (folder / run / "log" / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == [20]
        assert sorted(p.name.split("-")[1] for p in (folder / run / "checkpoints").iterdir()) == [
            f"00000{n}" for n in (1, 2, 3)
        ]
    assert TableGAN.load(folder / "two" / "model").history_[-1]["step"] == 20


def test_checkpoints_do_not_tell_how_many_processes_wrote_them(runs):
    """A run of two processes, stopped, goes on in one."""
    folder, ((one, _),), _ = runs
    checkpoints = folder / "two" / "checkpoints"
    max(checkpoints.iterdir()).unlink()  # that of step 20, so that step 14 is the newest
    gan = share_run.table(checkpoints)
    found = {f"table.{name}": tensor for name, tensor in gan.tensors().items()}
    check_equal(found, {name: tensor for name, tensor in one.items() if name in found})


def test_what_cannot_be_shared_is_refused_in_every_process(runs):
    _, ((_, alone),), told = runs
    assert alone["odd"] == alone["unlike"] == ""
    for _, said in told:
        assert said["odd"] == "batch_size must be a multiple of the 2 processes that share each batch, got 7"
        assert said["unlike"].startswith("the processes that train together must be given the same data, parameters")


@pytest.mark.parametrize("backend", ["gloo", "silent"])
def test_no_process_waits_for_one_that_ran_out_of_memory(tmp_path, backend):
    """Not even for its end: a notebook lives on. Nor where, as by NCCL, gradients are sent without a word of it."""
    os.mkfifo(tmp_path / "fifo")
    done = start(HERE / "memory_run.py", tmp_path / "fifo", backend, count=2, timeout=120)
    assert [status for status, *_ in done] == [0, 0], done
    assert [output for _, output, _ in done] == [
        "batch_size 6 does not fit into the memory of cpu; pass batch_size=2 (--batch-size 2), which does False\n",
        "another of the processes that work together ran out of memory, failed otherwise or was ended; its own message "
        f"says why {backend == 'gloo'}\n",
    ]


def test_shares_make_up_the_whole():
    rows = torch.arange(24).view(12, 2)
    shares = [DistributedContext(rank, 3).share(rows, parts=2) for rank in range(3)]
    assert torch.equal(torch.cat([s[:2] for s in shares] + [s[2:] for s in shares]), rows)
    assert ALONE.share(rows) is rows


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_augmentation_treats_a_row_alike_wherever_it_is(name):
    def augment(images, among=ALONE):
        augmentation = ImageAugmentation([name], (3, 8, 8), torch.Generator().manual_seed(1), among)
        return augmentation.apply(images, augmentation.draw(len(images), 0.5))

    images = torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    whole = augment(images)
    for rank in range(3):
        among = DistributedContext(rank, 3)
        part = augment(among.share(images, parts=2), among)
        torch.testing.assert_close(part, among.share(whole, parts=2))


def test_without_others_a_process_is_alone(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert current_context(True) == ALONE
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert current_context(True) == DistributedContext(1, 2)
    assert current_context(False) == ALONE


def test_gpus_are_dealt_out_unless_one_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert DistributedContext(3, 4).place(torch.device("cuda")) == torch.device("cuda", 1)
    assert DistributedContext(3, 4).place(torch.device("cuda", 0)) == torch.device("cuda", 0)
    assert DistributedContext(3, 4).place(torch.device("cpu")) == torch.device("cpu")
    assert ALONE.place(torch.device("cuda")) == torch.device("cuda")
