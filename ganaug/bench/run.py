"""Running a suite: from declared grid to finished cells."""

from __future__ import annotations

import base64
import json
import shlex
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import ganaug
from ganaug.bench.arms import batch_drawer
from ganaug.bench.metrics import scores
from ganaug.bench.report import write_report
from ganaug.bench.splits import copies, disjoint_splits
from ganaug.bench.store import Store
from ganaug.bench.suite import Arm, Suite, digest, load_suite
from ganaug.data import LabelledImages, labelled_images
from ganaug.data.files import write_atomically
from ganaug.data.pictures import png_bytes
from ganaug.gans import ImageGAN
from ganaug.quality.classifier import SmallCNN, class_consistency, predict_proba, train_classifier
from ganaug.quality.sheets import comparison_sheet
from ganaug.training.devices import random_generator, resolve_device

__all__ = ["run_suite"]

JUDGE_STEPS = 1000


@dataclass(frozen=True)
class _Task:
    """One entry of the grid: a GAN to fit, or a cell to train and test a classifier in."""

    kind: str
    split: int
    arm: Arm | None
    repeat: int
    key: str
    seed: int

    @property
    def name(self) -> str:
        return f"split {self.split + 1}: " + (
            "GAN" if self.arm is None else f"{self.arm.name}, start {self.repeat + 1}"
        )


def _seed(*parts: int | str) -> int:
    """A seed of 32 bits of its own for each task, the same whatever the version or the data."""
    return int(digest(parts)[:8], 16)


class _Run:
    """One run of one suite: its data, its grid and what its tasks share."""

    def __init__(self, suite: Suite, store: Store) -> None:
        self.suite = suite
        self.store = store
        self.data = labelled_images(suite.dataset, train=True)
        self.classes, self.targets = np.unique(self.data.labels, return_inverse=True)
        self.training, self.test = disjoint_splits(self.data.labels, suite.n_per_class, suite.splits, suite.seed)
        self.gan_config = ImageGAN(**suite.gan).resolve(self.data.subset(self.training[0])).to_dict()
        self.tasks = list(self._grid())
        self._synthetic: tuple[str, tuple[NDArray[np.uint8], NDArray[np.int64]]] | None = None
        self._judge: SmallCNN | None = None

    def _grid(self) -> Iterator[_Task]:
        suite = self.suite
        shared = {
            "version": ganaug.__version__,
            "data": self.data.fingerprint(),
            "seed": suite.seed,
        }
        for split, indices in enumerate(self.training):
            of_split = {**shared, "training": digest(indices.tolist()), "test": digest(self.test.tolist())}
            gan = {
                **of_split,
                "kind": "gan",
                "gan": suite.gan,
                "config": self.gan_config,
                "synthetic_per_class": suite.synthetic_per_class,
            }
            if any(arm.synthetic > 0 for arm in suite.arms):
                yield _Task("gan", split, None, 0, digest(gan), _seed(suite.seed, "gan", split))
            for arm in suite.arms:
                for repeat in range(suite.repeats):
                    cell = {
                        **of_split,
                        "kind": "cell",
                        "arm": asdict(arm),
                        "repeat": repeat,
                        "classifier": asdict(suite.classifier),
                    }
                    if arm.synthetic > 0:
                        cell["gan"] = digest(gan)
                    seed = _seed(suite.seed, "cell", split, arm.name, repeat)
                    yield _Task("cell", split, arm, repeat, digest(cell), seed)

    def gan_task(self, split: int) -> _Task:
        return next(task for task in self.tasks if task.kind == "gan" and task.split == split)

    def execute(self, task: _Task) -> dict[str, Any]:
        """Do a task; a failure becomes a record with its reason, never a gap."""
        started = time.perf_counter()
        common = {"kind": task.kind, "split": task.split, "arm": task.arm and task.arm.name, "repeat": task.repeat}
        try:
            result = self.fit_gan(task) if task.arm is None else self.train_and_test(task, task.arm)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            return {**common, "status": "failed", "reason": reason, "traceback": traceback.format_exc()}
        return {**common, "status": "done", "seconds": time.perf_counter() - started, **result}

    def fit_gan(self, task: _Task) -> dict[str, Any]:
        real = self.data.subset(self.training[task.split])
        gan = ImageGAN(**{"random_state": task.seed, **self.suite.gan, "verbose": False}).fit(real)
        seconds = gan.history_[-1]["seconds"]
        gan.save(self.store.gan_folder(task.key))
        images, labels = self._sample(gan, task)
        consistency = class_consistency(self.judge(), images, labels, len(self.classes))
        if task.split == 0:
            sheet = comparison_sheet(real, images, self.classes[labels])
            write_atomically(self.store.root / "samples.png", png_bytes(sheet))
        return {"fit_seconds": seconds, "consistency": consistency.tolist(), "steps": gan.config_.training.steps}

    def train_and_test(self, task: _Task, arm: Arm) -> dict[str, Any]:
        synthetic = self.synthetic(task.split) if arm.synthetic > 0 else None
        chosen = self.training[task.split]
        generator = random_generator(task.seed, "classifier")
        with torch.random.fork_rng(devices=[]):
            # torchvision's transforms draw from the global state.
            torch.default_generator.manual_seed(random_generator(task.seed, "transform").initial_seed())
            draw = batch_drawer(arm, (self.data.images[chosen], self.targets[chosen]), synthetic, generator)
            network = train_classifier(draw, self.data.image_shape, len(self.classes), self.suite.classifier, generator)
        probabilities = predict_proba(network, self.data.images[self.test])
        targets = self.targets[self.test]
        hit = probabilities.argmax(1) == targets
        recall = [float(hit[targets == c].mean()) for c in range(len(self.classes))]
        kept = base64.b64encode(probabilities.astype(np.float16).tobytes()).decode()
        return {"metrics": scores(targets, probabilities), "recall": recall, "probabilities": kept}

    def judge(self) -> SmallCNN:
        """A classifier trained on the real test images, which no GAN has seen; it decides nothing."""
        if self._judge is None:
            generator = random_generator(self.suite.seed, "judge")
            real = self.data.images[self.test], self.targets[self.test]
            draw = batch_drawer(Arm("judge"), real, None, generator)
            config = type(self.suite.classifier)(steps=JUDGE_STEPS)
            self._judge = train_classifier(draw, self.data.image_shape, len(self.classes), config, generator)
        return self._judge

    def synthetic(self, split: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The synthetic images of a split, from its saved GAN."""
        task = self.gan_task(split)
        fitted = self.store.read(task.key)
        if fitted is None or fitted["status"] == "failed":
            raise RuntimeError("the GAN of this split failed")
        if self._synthetic is None or self._synthetic[0] != task.key:
            folder, device = self.store.gan_folder(task.key), self.suite.gan.get("device", "auto")
            try:
                gan = ImageGAN.load(folder, device=device)
            except ValueError:
                # Its folder was deleted or damaged after it was finished.
                self.fit_gan(task)
                gan = ImageGAN.load(folder, device=device)
            self._synthetic = task.key, self._sample(gan, task)
        return self._synthetic[1]

    def _sample(self, gan: ImageGAN, task: _Task) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        labels = np.repeat(np.arange(len(self.classes)), self.suite.synthetic_per_class)
        images = gan.sample(self.classes[labels], random_state=task.seed).numpy()
        # What stands in both parts of the data itself is no sign of a leak.
        test, training = self.data.images[self.test], self.data.images[self.training[task.split]]
        leaked = copies(images, test) & ~copies(images, training)
        if leaked.any():
            raise RuntimeError(f"{leaked.sum()} of {len(images)} synthetic images are test images: the test set leaked")
        return images, labels


def run_suite(
    suite: Suite | str | Path,
    out: str | Path,
    *,
    jobs: int | None = None,
    verbose: bool = True,
    on_cell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Run a suite, or go on with an interrupted run of it, and write its report.

    Parameters
    ----------
    suite : Suite, str or path-like
        A suite, or what :func:`~ganaug.bench.suite.load_suite` takes.
    out : path-like
        Folder of the run. Cells that are finished there are not run again; failed ones are.
    jobs : int, optional
        Processes to share the work; by default one for each CPU core, or a single one where the GANs are trained on a
        GPU. Every cell computes on one thread, so that the result does not depend on the number of jobs.
    verbose : bool
        Show the progress, and cells that failed, on standard error.
    on_cell : callable, optional
        Told the name of each cell when it is finished.

    Returns
    -------
    dict
        The summary, as in ``summary.json``.

    Raises
    ------
    ValueError
        For a suite or a folder that cannot be used, before the first cell runs.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    command = None if isinstance(suite, Suite) else f"ganaug bench run {shlex.quote(str(suite))}"
    if not isinstance(suite, Suite):
        suite = load_suite(suite)
    store = Store(out)
    run = _Run(suite, store)
    store.open(suite, [task.key for task in run.tasks])
    jobs = jobs or (joblib.cpu_count() if resolve_device(suite.gan.get("device", "auto")).type == "cpu" else 1)

    stored = ((task.key, store.read(task.key)) for task in run.tasks)
    records = {key: record for key, record in stored if record is not None and record["status"] == "done"}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not verbose,
    ) as progress:
        bar = progress.add_task(suite.name, total=len(run.tasks))
        for kind in ("gan", "cell"):  # the cells need the GANs
            of_kind = [task for task in run.tasks if task.kind == kind]
            waiting = [task for task in of_kind if task.key not in records]
            progress.update(bar, advance=len(of_kind) - len(waiting))
            # With one job this runs here, in this process.
            finished = joblib.Parallel(n_jobs=min(jobs, max(1, len(waiting))), return_as="generator_unordered")(
                joblib.delayed(_execute)(run if jobs == 1 else (suite, store.root.resolve()), task) for task in waiting
            )
            for task, record in finished:
                records[task.key] = record
                if record["status"] == "failed" and verbose:
                    progress.console.print(f"{task.name} failed: {record['reason']}")
                progress.update(bar, advance=1, description=f"{suite.name}, {task.name} finished")
                if on_cell is not None:
                    on_cell(task.name)
        progress.update(bar, description=suite.name)
    return write_report(store.root, suite, [records[task.key] for task in run.tasks], _description(run), command)


_latest: _Run | None = None  # of this process: its data, judge and synthetic images serve one task after another


def _execute(run: _Run | tuple[Suite, Path], task: _Task) -> tuple[_Task, dict[str, Any]]:
    """Do a task in any process and store its record."""
    if isinstance(run, tuple):
        global _latest  # noqa: PLW0603
        suite, root = run
        # The key of a task is the hash of all that it depends on, data included.
        if _latest is None or _latest.store.root != root or task not in _latest.tasks:
            _latest = _Run(suite, Store(root))
        if task not in _latest.tasks:
            raise RuntimeError(f"{suite.dataset} has changed since the run began; run the suite again")
        run = _latest
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        record = run.execute(task)
    finally:
        torch.set_num_threads(threads)
    run.store.write(task.key, record)
    return task, record


def _description(run: _Run) -> dict[str, Any]:
    data: LabelledImages = run.data
    return {
        "classes": [data.name(label) for label in run.classes.tolist()],
        "image_shape": list(data.image_shape),
        "n_train": len(run.training[0]),
        "n_test": len(run.test),
        "duplicates": int(copies(data.images[run.test], data.images[np.concatenate(run.training)]).sum()),
        "sha256": data.fingerprint(),
        "grid": json.loads((run.store.root / "suite.json").read_text())["grid"],
    }
