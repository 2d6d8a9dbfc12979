"""Fit a GAN in this process among others, of which the first runs out of memory: python memory_run.py FIFO BACKEND.

It has room for three samples in its first steps, and for one later. Once that was told, it does not end before another
process has opened the FIFO.
"""

import sys

import numpy as np
import silent_group
import torch
import torch.distributed as dist

from ganaug import OutOfMemory, RunOptions, TableGAN
from ganaug.engine.distributed import OtherProcessError, current_context
from ganaug.objectives.adversarial import objective

EARLY_STEPS = 4


def shrink(module):
    """Make memory run out."""
    step, calls = module.adversarial_step, []

    def shrunken(networks, real, *rest):
        calls.append(len(real))
        if len(real) > (3 if len(calls) <= EARLY_STEPS else 1):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return step(networks, real, *rest)

    module.adversarial_step = shrunken


def main(fifo, backend):
    if backend == "silent":
        silent_group.start()
    if current_context(True).first:
        shrink(objective)
    rng = np.random.default_rng(0)
    gan = TableGAN(steps=20, batch_size=6, width=8, random_state=0, verbose=False, run=RunOptions(distributed=True))
    try:
        gan.fit(rng.normal(size=(20, 3)), np.arange(20) % 2)
    except OutOfMemory as error:
        print(error, dist.is_initialized(), flush=True)
        open(fifo).close()
    except OtherProcessError as error:
        print(error, dist.is_initialized(), flush=True)
        open(fifo, "w").close()


if __name__ == "__main__":
    main(*sys.argv[1:])
