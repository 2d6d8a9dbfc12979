import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from shell import run

from ganaug import ImageGAN, TableGAN
from ganaug.data import files
from ganaug.objectives.adversarial import objective


@pytest.fixture
def commands(tmp_path):
    """What to fit, for both kinds of data, without the output."""
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b"], 10)
    np.savez(tmp_path / "x.npz", images=rng.integers(0, 255, (20, 8, 8)).astype(np.uint8), labels=labels)
    pd.DataFrame(rng.normal(size=(20, 2)), columns=["x", "z"]).assign(y=labels).to_csv(tmp_path / "x.csv", index=False)
    return {
        ImageGAN: ("fit", "images", tmp_path / "x.npz", "--device", "cpu", "--steps", 4, "--seed", 0),
        TableGAN: ("fit", "table", tmp_path / "x.csv", "--target", "y", "--steps", 4, "--seed", 0),
    }


@pytest.mark.parametrize("kind", [ImageGAN, TableGAN])
def test_an_interrupted_training_is_resumed(kind, commands, tmp_path, monkeypatch, capsys):
    assert run(*commands[kind], "-o", tmp_path / "whole") == 0
    safe = (*commands[kind], "-o", tmp_path / "m", "--checkpoints", tmp_path / "c")
    calls, step = [], objective.adversarial_step

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return step(*arguments)

    monkeypatch.setattr(objective, "adversarial_step", interrupted)
    assert run(*safe) != 0
    assert not (tmp_path / "m" / "config.json").exists()
    capsys.readouterr()
    assert run(*safe) == 2
    assert "holds a run already; resume it by resume=True (--resume)" in capsys.readouterr().err
    assert run(*safe, "--resume") == 0
    assert len(calls) == 4
    assert ", from step 3 on. Model in" in capsys.readouterr().out
    pairs = [kind.load(tmp_path / name, device="cpu").tensors() for name in ("whole", "m")]
    assert all(torch.equal(pairs[0][name], pairs[1][name]) for name in pairs[0])
    # The same command may be given from the start, and after the end.
    assert run(*safe, "--resume") == 0
    assert len(calls) == 4
    assert re.search(r"2 classes was finished before, in \d+ s\. Model in", capsys.readouterr().out)


def test_a_changed_option_is_refused_and_named(commands, tmp_path, refused, capsys):
    options = ("-o", tmp_path / "m", "--checkpoints", tmp_path / "c", "--resume")
    assert run(*commands[ImageGAN], *options, "--checkpoint-every", 2) == 0
    assert len(list((tmp_path / "c").iterdir())) == 2
    capsys.readouterr()
    assert "training.steps 4, which is 5 now" in refused(*commands[ImageGAN], *options, "--steps", 5)
    assert "kind 'ImageGAN', which is 'TableGAN' now" in refused(*commands[TableGAN], *options)


@pytest.mark.parametrize("option", [("--resume",), ("--checkpoint-every", 5)])
def test_options_without_their_folder_are_refused(commands, tmp_path, refused, option):
    message = refused(*commands[TableGAN], "-o", tmp_path / "m", *option)
    assert f"{option[0]} needs the folder of the checkpoints; pass --checkpoints too" in message


@pytest.mark.filterwarnings("always:.* could .*be written to:UserWarning")
@pytest.mark.parametrize("kind", [ImageGAN, TableGAN])
def test_a_model_that_finds_no_room_can_be_had_from_the_checkpoints(kind, commands, tmp_path, monkeypatch, capsys):
    """The disk is full when training ends: neither the model nor the last checkpoint can be written."""
    options = ("-o", tmp_path / "m", "--checkpoints", tmp_path / "c")
    assert run(*commands[kind], "-o", tmp_path / "whole") == 0
    write = files.write_atomically

    def full(path, content):
        if "-step4-" in path.name or path.parent.name != "c":
            raise OSError(28, "No space left on device")
        write(path, content)

    with monkeypatch.context() as patch:
        for module in ("ganaug.generators.model_folder", "ganaug.engine.callbacks.checkpoints"):
            patch.setattr(f"{module}.write_atomically", full)
        capsys.readouterr()
        assert run(*commands[kind], *options, "--checkpoint-every", 3) == 2
        assert capsys.readouterr().err.splitlines()[-1] == (
            f"Error: the trained model could not be written to {tmp_path / 'm'} (No space left on device); make room "
            f"and give the same command with --resume, which resumes from the last checkpoint in {tmp_path / 'c'}"
        )
        assert run(*commands[kind], "-o", tmp_path / "n") == 2
        assert "make room and train again; with --checkpoints the training would" in capsys.readouterr().err
    assert run(*commands[kind], *options, "--resume") == 0
    pairs = [kind.load(tmp_path / name, device="cpu").tensors() for name in ("whole", "m")]
    assert all(torch.equal(pairs[0][name], pairs[1][name]) for name in pairs[0])


def test_torchrun_starts_again_from_the_last_checkpoint(tmp_path):
    """A process that is killed takes the others with it; torchrun starts all of them again, and they go on."""
    labels = np.repeat(["a", "b"], 10)
    pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["x", "z"]).assign(y=labels).to_csv(
        tmp_path / "x.csv", index=False
    )
    fit = ("fit", "table", str(tmp_path / "x.csv"), "--target", "y", "--steps", "12", "--seed", "0")
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1")
    safe = ("--checkpoints", str(tmp_path / "c"), "--checkpoint-every", "3", "--resume")
    script = Path(__file__).with_name("elastic_run.py")
    done = subprocess.run(
        [sys.executable, *launch, script, *fit, "-o", tmp_path / "m", *safe],
        env={**os.environ, "KILLED": str(tmp_path / "killed"), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killed").exists()
    assert done.stdout.count("Trained on 20 rows") == 1
    assert run(*fit, "-o", tmp_path / "alone") == 0
    together, alone = (TableGAN.load(tmp_path / name, device="cpu") for name in ("m", "alone"))
    # Rounding, which training amplifies, is all that is different.
    assert together.history_[-1]["generator_loss"] == pytest.approx(alone.history_[-1]["generator_loss"], abs=1e-3)
    pairs = zip(together.generator_.parameters(), alone.generator_.parameters(), strict=True)
    assert max((a - b).abs().max().item() for a, b in pairs) <= 2e-3
    steps = [json.loads(line)["step"] for line in (tmp_path / "m" / "log" / "metrics.jsonl").read_text().splitlines()]
    assert steps == [12]
