"""Fit small GANs in this process among others, and write their weights and readings: python share_run.py FOLDER."""

import json
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch.distributed as dist

from ganaug import ImageGAN, RunOptions, TableFlow, TableGAN
from ganaug.engine.callbacks import health
from ganaug.engine.callbacks import validation as selection
from ganaug.engine.distributed import _leave, current_context
from ganaug.objectives.adversarial import objective

ENGINE = {"random_state": 0, "device": "cpu", "verbose": False}
TOGETHER = RunOptions(distributed=True, precision="fp32")  # bf16 rounds gradients to eight bits in each process
ABOVE_ROUNDING = 1e-2  # Adam makes steps of full length of gradients that are rounding alone, unless this is added


def images():
    rng = np.random.default_rng(0)
    X = np.repeat([60, 190], 10)[:, None, None, None] + rng.integers(-30, 30, (20, 9, 8, 3))
    options = {
        "steps": 20,
        "batch_size": 8,
        "learning_rate": 1e-4,
        "augment_p": 0.5,
        "augment": ["translation", "cutout", "color", "hflip"],
    }
    return ImageGAN(**options, **ENGINE, run=TOGETHER).fit(X.astype(np.uint8), np.repeat(["a", "b"], 10))


def table(folder=None, **options):
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = np.c_[rng.normal(size=(40, 3)) + y[:, None], y ^ (rng.random(40) < 0.2)]
    options = {"steps": 20, "batch_size": 8, "members": 2, "width": 16, **ENGINE, **options}
    return TableGAN(run=RunOptions(distributed=True, checkpoint_dir=folder)).set_params(**options).fit(X, y)


def flow():
    """Noise and rows are paired in the whole batch."""
    X = np.random.default_rng(0).normal(size=(40, 3))
    options = {"steps": 20, "batch_size": 16, "learning_rate": 1e-4, "width": 16, **ENGINE}
    return TableFlow(run=RunOptions(distributed=True)).set_params(**options).fit(X, np.arange(40) % 2)


def refused(call):
    try:
        call()
    except ValueError as error:
        return str(error)
    return ""


def of_one_mind(rank):
    """What is measured on the way, by processes of which the second measures amiss."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (health, selection):
            right = module.spread
            patch.setattr(
                module, "spread", lambda samples, right=right: right(samples) / (1 + rank * len(samples) ** 3)
            )
        gan = table(steps=200, run__health="adapt", run__validation_fraction=0.3)
    return {"health": gan.health_, "validation": gan.validation_}


def main(folder):
    rank = current_context(True).rank
    fitted = {
        "images": images(),
        "table": table(folder / "checkpoints", run__log_dir=folder / "log", run__checkpoint_every=7),
        "flow": flow(),
    }
    tensors = {f"{name}.{part}": t for name, gan in fitted.items() for part, t in gan.tensors().items()}
    safetensors.torch.save_file({n: t.contiguous() for n, t in tensors.items()}, folder / f"rank{rank}.safetensors")
    found = {
        "losses": {
            name: gan.history_[-1]["flow_loss" if name == "flow" else "generator_loss"] for name, gan in fitted.items()
        },
        "unseeded": table(random_state=None).history_[-1]["generator_loss"],
        "measured": of_one_mind(rank),
        "odd": refused(lambda: table(batch_size=7)),
        "unlike": refused(lambda: table(gamma=1.0 + rank)),
    }
    fitted["table"].save(folder / "model")
    (folder / f"rank{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    objective.ADAM_EPSILON = ABOVE_ROUNDING
    main(Path(sys.argv[1]))
    group = weakref.ref(dist.group.WORLD)
    _leave()
    if group() is not None:
        sys.exit("the process group, with its threads, would live on while Python ends")
