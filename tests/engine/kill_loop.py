"""Fit a small GAN in child processes, each killed at a random moment, until the run is through; print what came of it.

    python kill_loop.py FOLDER KILLS SEED KIND

Children are forked, so that torch is imported once.
"""

import json
import os
import random
import signal
import sys
from pathlib import Path

import numpy as np

from ganaug import ImageGAN, RunOptions, TableGAN
from ganaug.objectives.adversarial import objective


def fit(kind, folder, log_dir):
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    engine = {"batch_size": 4, "random_state": 0, "verbose": False, "device": "cpu"}
    engine["run"] = RunOptions(log_dir=log_dir, checkpoint_dir=folder, checkpoint_every=1)
    if kind == "images":
        X = rng.integers(0, 100, (40, 8, 8)).astype(np.uint8) + y[:, None, None].astype(np.uint8) * 100
        return ImageGAN(steps=40, augment_p=0.5, **engine).fit(X, y)
    return TableGAN(steps=150, width=8, **engine).fit(rng.normal(size=(40, 3)) + y[:, None], y)


def report_to(pipe):
    """Write a byte into the pipe at every step and at every stage of writing a checkpoint."""

    def reported(function):
        def call(*arguments, **options):
            os.write(pipe, b".")
            return function(*arguments, **options)

        return call

    objective.adversarial_step = reported(objective.adversarial_step)
    os.fsync, os.chmod, os.replace = reported(os.fsync), reported(os.chmod), reported(os.replace)
    Path.unlink = reported(Path.unlink)


def killed_run(kind, folder, events):
    """Start the run, or go on with it, and kill it after so many events; whether it was killed before its end."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        report_to(write)
        fit(kind, folder, folder / "log")
        os._exit(0)
    os.close(write)
    for _ in range(events):
        if not os.read(read, 1):
            break
    os.kill(pid, signal.SIGKILL)
    os.close(read)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def main(folder, kills, seed, kind):
    whole = fit(kind, None, folder / "log of the whole run")  # first, so that everything is imported before the forks
    chance = random.Random(seed)
    killed = sum(killed_run(kind, folder, chance.randint(1, 20)) for _ in range(kills))
    resumed_from = sorted(path.name for path in folder.glob("checkpoint-*"))[-1]
    gan = fit(kind, folder, folder / "log")
    lines = [json.loads(line) for line in (folder / "log" / "metrics.jsonl").read_text().splitlines()]
    found = {
        "killed": killed,
        "resumed_from": int(resumed_from.split("-step")[1].split("-")[0]),
        "equal": all(
            np.array_equal(a, b) for a, b in zip(gan.tensors().values(), whole.tensors().values(), strict=True)
        ),
        "readings": [entry["step"] for entry in gan.history_],
        "logged": [line["step"] for line in lines],
        "losses_equal": [e["generator_loss"] for e in gan.history_] == [e["generator_loss"] for e in whole.history_],
        "files": len([path for path in folder.iterdir() if path.is_file()]),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
