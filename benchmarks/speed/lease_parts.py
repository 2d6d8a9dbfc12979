"""What lease.py runs, a part in a process: python lease_parts.py PART ROWS SAMPLES STARTED DEVICE DATA SIZE."""

from __future__ import annotations

import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from lease_run import Run

from ganaug import Callback, RunOptions, SyntheticMix, SyntheticPool, TableGAN, labelled_images
from ganaug.engine.distributed import DistributedContext, group_options

LISTED = 12  # kernels of a step that a row names


def limits(run: Run) -> None:
    """Versions, and the rates that bound all others."""
    versions = {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda}
    if run.device.type == "cuda":
        about = torch.cuda.get_device_properties(run.device)
        versions |= {"cudnn": torch.backends.cudnn.version(), "memory_GiB": round(about.total_memory / 2**30, 1)}
        versions |= {"multiprocessors": about.multi_processor_count}
    run.row("versions", **versions)
    n = run.size.matrix
    for dtype in (torch.bfloat16, torch.float32):
        a, b = (torch.randn(n, n, device=run.device, dtype=dtype) for _ in range(2))
        fastest = min(run.seconds(lambda a=a, b=b: a @ b) for _ in range(10))
        run.row("matrix product", dtype=str(dtype), n=n, TFLOP_per_s=2 * n**3 / fastest / 1e12)
    source = torch.ones(run.size.copied, dtype=torch.uint8, device=run.device)
    target = torch.empty_like(source)
    fastest = min(run.seconds(lambda: target.copy_(source)) for _ in range(10))
    run.row("copy", bytes=source.nbytes, GB_per_s=2 * source.nbytes / fastest / 1e9)


class Watch(Callback):
    """Times single steps of a training, and profiles a plain and a penalised one."""

    name = "watch"

    def __init__(self, run: Run, period: int) -> None:
        self._run, self._period = run, period
        self._profiled = (2 * period, 2 * period + 1)  # the first of them is penalised
        self.seconds: dict[str, list[float]] = {"penalised": [], "plain": []}
        self.profiles: dict[str, Any] = {}

    def kind(self, step: int) -> str:
        """Of a step, by its number from 0."""
        return "plain" if step % self._period else "penalised"

    def on_begin(self, state: Any) -> None:
        """The first step begins."""
        self._last = self._run.wait()

    def on_step(self, state: Any) -> None:
        """Note what the step took; those that are profiled are not timed."""
        now, done = self._run.wait(), state.step - 1
        if done in self._profiled:
            self._profile.stop()
            self.profiles[self.kind(done)] = self._profile.key_averages()
        else:
            self.seconds[self.kind(done)].append(now - self._last)
        if state.step in self._profiled:
            kinds = [torch.profiler.ProfilerActivity.CPU]
            if self._run.device.type == "cuda":
                kinds.append(torch.profiler.ProfilerActivity.CUDA)
            self._profile = torch.profiler.profile(activities=kinds)
            self._profile.start()
        self._last = self._run.wait()


def step(run: Run) -> None:
    """Eager steps: the first of each kind, the others, and what they consist of."""
    for preset in run.size.presets:
        gan = run.gan(preset)
        period = gan.resolve(run.data).objective.penalty_every
        watch = Watch(run, period)
        gan.set_params(steps=5 * period, run=RunOptions(cuda_graph=False, callbacks=[watch])).fit(run.data)
        for kind, seconds in watch.seconds.items():
            rest = statistics.median(seconds[1:])
            batch = gan.config_.training.batch_size
            run.row("eager step", preset=preset, batch=batch, kind=kind, first_s=seconds[0], ms=1000 * rest)
        for kind, events in watch.profiles.items():
            convolutions = sum(e.count for e in events if e.key in ("aten::convolution", "aten::convolution_backward"))
            of_device = [e for e in events if e.device_type.name.lower() == run.device.type]
            taken = "self_device_time_total" if run.device.type == "cuda" else "self_cpu_time_total"
            ordered = sorted(of_device, key=lambda event: -getattr(event, taken))
            longest = [{"name": e.key[:100], "count": e.count, "us": round(getattr(e, taken))} for e in ordered]
            total = {"kernels": sum(e.count for e in of_device), "us": sum(entry["us"] for entry in longest)}
            run.row("profile", preset=preset, kind=kind, convolutions=convolutions, **total, longest=longest[:LISTED])


def speed(run: Run) -> None:
    """Milliseconds of recorded steps, plain and penalised apart, from trainings with and without the penalty."""
    for preset, batches in run.size.batches.items():
        for batch, recorded in [(batches[0], False), *((batch, True) for batch in batches)]:
            seconds = {}
            if run.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(run.device)
            for gamma in (0.0, "auto"):
                gan = run.gan(preset, batch_size=batch, gamma=gamma, run=RunOptions(cuda_graph=recorded)).fit(run.data)
                rate = gan.history_[-1]["images_per_second"]
                seconds[gamma] = batch / rate
            period, plain = gan.config_.objective.penalty_every, seconds[0.0]
            penalised = plain + period * (seconds["auto"] - plain)
            values = {"images_per_s": rate, "plain_ms": 1000 * plain, "penalised_ms": 1000 * penalised}
            memory = torch.cuda.max_memory_allocated(run.device) / 2**20 if run.device.type == "cuda" else None
            graph = recorded and run.device.type == "cuda"
            run.row("step", preset=preset, batch=batch, graph=graph, **values, peak_MiB=memory)


def quality(run: Run) -> None:
    """Trainings of so many seconds, and samples of each."""
    train = run.split()[0]
    tried = run.gan().fit(train)
    rate = tried.history_[-1]["images_per_second"] / tried.config_.training.batch_size
    for budget in run.size.budgets:
        gan = run.gan(steps=max(50, int(budget * rate)))
        seconds = run.seconds(lambda gan=gan: gan.fit(train))
        labels = np.resize(gan.classes_, run.size.kept)
        pixels = gan.sample(labels, random_state=1).permute(0, 2, 3, 1).numpy()
        file = run.samples / f"samples-{budget:g}s.npz"
        np.savez_compressed(file, images=pixels, labels=labels)
        about = {"images_per_s": gan.history_[-1]["images_per_second"], "found": [f["finding"] for f in gan.health_]}
        run.row("training", budget_s=budget, seconds=seconds, steps=gan.steps, samples=file.name, **about)


def score(run: Run) -> None:
    """Measure the samples that were kept, beside the real images that were held out."""
    from ganaug.metrics import image_report

    train, held_out = run.split()
    for file in sorted(run.samples.glob("samples-*.npz")):
        report = image_report(train, labelled_images(str(file)), holdout=held_out, device=run.device)
        real = report.real.overall if report.real is not None else {}
        found = {name: [value, real.get(name)] for name, value in report.overall.items()}
        run.row("score", samples=file.name, measured_and_of_real_images=found)


def graphs(run: Run) -> dict[str, Any]:
    """Largest differences of weights: between recorded and eager steps, and between two trainings in eager steps."""
    fitted = []
    for recorded in (True, False, False):
        tensors = run.gan(steps=50, run=RunOptions(cuda_graph=recorded)).fit(run.data).tensors()
        fitted.append({name: tensor.float().cpu() for name, tensor in tensors.items()})

    def furthest(one: dict[str, Any], other: dict[str, Any]) -> float:
        return max((one[name] - other[name]).abs().max().item() for name in one if one[name].numel())

    return {"recorded_eager": furthest(*fitted[:2]), "eager_eager": furthest(*fitted[1:])}


class _Interrupt(Callback):
    name = "interrupt"

    def on_step(self, state: Any) -> None:
        if state.step == 60:
            raise KeyboardInterrupt


class _Poison(Callback):
    name = "poison"
    done = False

    def on_step(self, state: Any) -> None:
        if state.step == 60 and not self.done:
            self.done = True
            next(state.objective.networks["generator"].parameters()).data.fill_(torch.nan)


def resume(run: Run) -> dict[str, Any]:
    """A training that is interrupted at step 60 and resumed."""
    with tempfile.TemporaryDirectory() as folder:
        gan = run.gan(steps=100, run=RunOptions(checkpoint_dir=folder, checkpoint_every=20, callbacks=[_Interrupt()]))
        try:
            gan.fit(run.data)
        except KeyboardInterrupt:
            gan.set_params(run__callbacks=[]).fit(run.data)
    return {"readings_at": [reading["step"] for reading in gan.history_]}


def roll_back(run: Run) -> dict[str, Any]:
    """A training whose weights become NaN once."""
    gan = run.gan(steps=150, run=RunOptions(callbacks=[_Poison()])).fit(run.data)
    return {"found": [f"{f['finding']} at {f['step']}" for f in gan.health_]}


def short_of_memory(run: Run) -> dict[str, Any]:
    """A training with "auto" for its batch size, in little memory."""
    if run.device.type != "cuda":
        return {"left_out": "needs a GPU"}
    total = torch.cuda.get_device_properties(run.device).total_memory
    torch.cuda.empty_cache()
    allowed = torch.cuda.memory_reserved(run.device) + 600 * 2**20
    torch.cuda.set_per_process_memory_fraction(allowed / total, run.device)
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            gan = run.gan(steps=50, batch_size="auto").fit(run.data)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, run.device)
    return {"batch": gan.config_.training.batch_size, "warnings": [str(warning.message) for warning in told]}


def draw(run: Run) -> dict[str, Any]:
    """Images a second, to memory and into a pool; SyntheticMix on batches of the device."""
    gan = run.gan(steps=50).fit(run.data)
    labels = np.resize(gan.classes_, run.size.drawn)
    gan.sample(labels[: len(labels) // 10], random_state=0)  # warms up
    memory = run.seconds(lambda: gan.sample(labels, random_state=0))
    per_class = len(labels) // len(gan.classes_)
    with tempfile.TemporaryDirectory() as folder:
        built = run.seconds(
            lambda: SyntheticPool.build(gan, f"{folder}/p", per_class=per_class, random_state=0).close()
        )
    images, of = (torch.from_numpy(part[:64]).to(run.device) for part in (run.data.images, run.data.labels))
    mixed, _ = SyntheticMix(gan, p=0.5)(images, of)
    changed = (mixed != images).flatten(1).any(1).float().mean().item()
    rates = {"to_memory_per_s": len(labels) / memory, "to_a_pool_per_s": len(labels) / built}
    return {
        **rates,
        "mixed_on": str(mixed.device),
        "mixed_share": changed,
    }


def table(run: Run) -> dict[str, Any]:
    """TableGAN on the device."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1000, 10)), np.arange(1000) % 2
    X[:, 0] = y ^ (rng.random(1000) < 0.2)
    gan = TableGAN(steps=run.size.steps, device=str(run.device), random_state=0, verbose=False)
    fitted, drawn = run.seconds(lambda: gan.fit(X, y)), run.seconds(lambda: gan.sample(np.resize(y, run.size.drawn)))
    return {"ms_per_step": 1000 * fitted / run.size.steps, "rows_per_s": run.size.drawn / drawn}


def features(run: Run) -> None:
    """What else a GPU has to do; what fails is a row."""
    for part in (graphs, resume, roll_back, short_of_memory, draw, table):
        started = time.perf_counter()
        try:
            found = part(run)
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"[:500]}
        run.row(part.__name__, seconds=time.perf_counter() - started, **found)


def processes(run: Run) -> None:
    """Two processes that share the device; the groups that are used where each has its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    shared = {**os.environ, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    shared |= {"MASTER_PORT": str(port)}
    command = [sys.executable, __file__, "shared", *run.arguments]
    ranks = [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    children = [subprocess.Popen(command, env=rank, stdout=subprocess.PIPE, text=True) for rank in ranks]
    found = [child.communicate()[0].split() for child in children]
    run.row("two processes", ms_per_step=[float(s) for s, _ in found], equal=len({of for _, of in found}) == 1)
    options = group_options(run.device, alone_on_gpu=run.device.type == "cuda")
    dist.init_process_group(**options, store=dist.HashStore(), rank=0, world_size=1)
    context, numbers = DistributedContext(0, 2), torch.ones(1000, device=run.device)  # as if there were another
    context.join(run.device)
    dist.all_reduce(numbers)
    agreed = context.any(True)
    context.abandon()
    values = {"backend": options["backend"], "sum": numbers.sum().item(), "agreed": agreed}
    run.row("process group", **values, left=not dist.is_initialized())


def shared(run: Run) -> None:
    """One of the two processes: prints milliseconds of a step, and what the weights come to."""
    from ganaug.generators.model_folder import weights_checksum

    gan = run.gan(steps=50, run=RunOptions(distributed=True, precision="fp32")).fit(run.data)
    print(
        1000 * gan.config_.training.batch_size / gan.history_[-1]["images_per_second"], weights_checksum(gan.tensors())
    )


PARTS = {part.__name__: part for part in (limits, step, features, speed, processes, shared, quality, score)}

if __name__ == "__main__":
    PARTS[sys.argv[1]](Run(*sys.argv[1:]))
