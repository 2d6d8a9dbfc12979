from dataclasses import replace

import torch

from ganaug.bench.execution.workers import make_case
from ganaug.bench.records.store import Store
from ganaug.engine.devices import computes_bf16


def test_auto_is_recorded_as_what_it_is_on_this_machine(image_suite, tmp_path):
    def keys(precision):
        training = replace(image_suite.images.training, precision=precision)
        suite = replace(image_suite, images=replace(image_suite.images, training=training))
        return {task.keys[0] for task in make_case(suite, 0, Store(tmp_path)).tasks() if task.arm is not None}

    found = {precision: keys(precision) for precision in ("fp32", "bf16", "auto")}
    assert not found["fp32"] & found["bf16"]
    assert found["auto"] == found["bf16" if computes_bf16(torch.device("cpu")) else "fp32"]
