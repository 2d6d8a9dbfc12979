"""Fits each public thing at fixed seeds and prints a hash of what it makes.

python benchmarks/behaviour.py hashes.json. A change that is to change nothing leaves all hashes as they are on the same
machine: run it before and after, and compare the files.
"""

import functools
import hashlib
import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch

warnings.simplefilter("ignore")
torch.set_num_threads(1)

from ganaug import (  # noqa: E402
    AugmentedDataset,
    GANOverSampler,
    ImageGAN,
    RunOptions,
    SafeOverSampler,
    SyntheticMix,
    SyntheticPool,
    TableGAN,
    augment_dataset,
    choose_ratio,
    labelled_images,
)
from ganaug.audit import audit, explain  # noqa: E402
from ganaug.metrics import image_report, table_report  # noqa: E402


def digest(*things):
    found = hashlib.sha256()
    for given in things:
        thing = given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else given
        if isinstance(thing, np.ndarray) and thing.dtype.kind != "O":
            found.update(str((thing.dtype, thing.shape)).encode() + np.ascontiguousarray(thing).tobytes())
        elif isinstance(thing, pd.DataFrame):
            found.update(thing.to_csv().encode() + str(thing.dtypes.tolist()).encode())
        else:
            found.update(repr(thing).encode())
    return found.hexdigest()[:16]


def tensors(gan):
    return [t for _, t in sorted(gan.tensors().items())]


def history(gan):
    return [{k: v for k, v in e.items() if k not in ("seconds", "images_per_second")} for e in gan.history_]


CASES = []


def case(function):
    CASES.append(function)
    return function


digits = labelled_images("digits").subset(range(400))
QUIET = {"device": "cpu", "verbose": False}
rng = np.random.default_rng(0)
n = 240
table = pd.DataFrame(
    {
        "age": rng.integers(18, 80, n),
        "income": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
        "city": rng.choice(["Rome", "Oslo", "Bern"], n),
        "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
        "ok": rng.random(n) < 0.3,
    }
)
y = np.where(rng.random(n) < 0.2, "yes", "no")
colours = rng.integers(0, 256, (60, 10, 12, 3), dtype=np.uint8)
colour_labels = np.repeat(["a", "b", "c"], 20)


@functools.cache
def fitted_images():
    return ImageGAN(steps=60, random_state=0, **QUIET).fit(digits)


@functools.cache
def fitted_rows():
    return TableGAN(steps=60, random_state=0, verbose=False).fit(table, y)


@case
def image_gan():
    gan = fitted_images()
    return digest(*tensors(gan), gan.sample([3, 1, 4], random_state=1), history(gan), gan.training_data_)


@case
def image_gan_colour_validation_adapt():
    g = ImageGAN(
        steps=200,
        batch_size=8,
        random_state=1,
        augment=("translation", "color", "hflip"),
        run=RunOptions(validation_fraction=0.3, health="adapt"),
        **QUIET,
    )
    g.fit(colours, colour_labels)
    return digest(*tensors(g), g.sample(["b"], random_state=1), history(g), g.validation_, g.health_)


@case
def image_gan_unlabelled():
    labels = digits.labels.copy()
    labels[200:] = -1
    g = ImageGAN(steps=20, random_state=2, **QUIET).fit(digits.images.transpose(0, 2, 3, 1), labels)
    return digest(*tensors(g), g.sample([0, 9], random_state=1))


@case
def image_gan_resumed():
    with tempfile.TemporaryDirectory() as folder:
        options = {"run": RunOptions(checkpoint_dir=folder, checkpoint_every=10)}
        ImageGAN(steps=30, random_state=0, **options, **QUIET).fit(digits)
        for path in sorted(Path(folder).glob("checkpoint-*"))[1:]:
            path.unlink()
        g = ImageGAN(steps=30, random_state=0, **options, **QUIET).fit(digits)
    return digest(*tensors(g), history(g))


@case
def saved():
    with tempfile.TemporaryDirectory() as folder:
        fitted_images().save(Path(folder) / "m")
        g = ImageGAN.load(Path(folder) / "m", device="cpu")
    return digest(*tensors(g), g.sample([5], random_state=3))


@case
def table_gan():
    tgan = fitted_rows()
    return digest(*tensors(tgan), tgan.sample(["yes", "no"] * 5, random_state=1), history(tgan))


@case
def table_gan_members_validation():
    run = RunOptions(validation_fraction=0.2)
    g = TableGAN(steps=200, members=3, random_state=0, verbose=False, run=run).fit(table, y)
    return digest(*tensors(g), g.sample(["yes", "no"] * 5, random_state=1), g.validation_)


@case
def wide_table():
    X = np.random.default_rng(1).normal(size=(60, 300)).astype(np.float32)
    g = TableGAN(steps=20, random_state=0, verbose=False).fit(X, np.repeat([0, 1], 30))
    return digest(*tensors(g), g.sample([0, 1], random_state=1))


@case
def over_sampler():
    s = GANOverSampler(generator=TableGAN(steps=40, verbose=False), random_state=0)
    X_new, y_new = s.fit_resample(table, y)
    return digest(X_new, np.asarray(y_new), s.synthetic_mask_, s.anchor_indices_)


@case
def over_sampler_without_selection():
    s = GANOverSampler(generator=TableGAN(steps=40, verbose=False), random_state=0, selection=False, local_share=0.0)
    return digest(*s.fit_resample(table, y))


@case
def over_sampler_images():
    keep = np.concatenate([np.flatnonzero(digits.labels == c)[: 20 - c] for c in range(10)])
    s = GANOverSampler(generator=ImageGAN(steps=10, **QUIET), random_state=0)
    X_new, y_new = s.fit_resample(digits.images[keep].transpose(0, 2, 3, 1), digits.labels[keep])
    return digest(X_new, y_new)


@case
def safe():
    s = SafeOverSampler(sampler=GANOverSampler(generator=TableGAN(steps=20, verbose=False)), cv=2, random_state=0)
    return digest(*s.fit_resample(table, y), s.scores_)


@case
def pool():
    with tempfile.TemporaryDirectory() as folder:
        p = SyntheticPool.build(fitted_images(), Path(folder) / "p", per_class=8, random_state=0)
        x = p.read(np.arange(len(p.labels)))
    return digest(x, p.labels)


@case
def pool_filtered():
    from ganaug.curation import DiscriminatorRank

    with tempfile.TemporaryDirectory() as folder:
        p = SyntheticPool.build(
            fitted_images(), Path(folder) / "p", per_class=8, random_state=0, real=digits, keep=[DiscriminatorRank()]
        )
        torch.manual_seed(0)
        mixed = SyntheticMix(p, p=0.5)(torch.from_numpy(digits.images[:20]), torch.from_numpy(digits.labels[:20]))
    return digest(*mixed)


@case
def mix():
    torch.manual_seed(0)
    batch = torch.from_numpy(digits.images[:20]), torch.from_numpy(digits.labels[:20])
    return digest(*SyntheticMix(fitted_images(), p=0.5)(*batch))


@case
def augmented_dataset():
    from torch.utils.data import TensorDataset

    real = TensorDataset(torch.from_numpy(digits.images[:50]), torch.from_numpy(digits.labels[:50]))
    data = AugmentedDataset(real, fitted_images(), per_class=dict.fromkeys(range(10), 10), random_state=0)
    return digest(
        *[torch.as_tensor(np.asarray(data[i][0])) for i in range(len(data))],
        [int(data[i][1]) for i in range(len(data))],
    )


@case
def hugging_face():
    import datasets
    from PIL import Image

    ds = datasets.Dataset.from_dict(
        {"image": [Image.fromarray(x[0]) for x in digits.images[:40]], "label": digits.labels[:40].tolist()},
        features=datasets.Features(
            {"image": datasets.Image(), "label": datasets.ClassLabel(names=[str(i) for i in range(10)])}
        ),
    )
    new = augment_dataset(ds, fitted_images(), per_class=dict.fromkeys(range(10), 8), random_state=0)
    return digest(*[np.asarray(r["image"]) for r in new], new["label"][:], new["is_synthetic"][:])


@case
def images_report():
    made = fitted_images().sample(np.repeat(np.arange(10), 20), random_state=5)
    from ganaug import LabelledImages

    r = image_report(digits, LabelledImages(made.numpy(), np.repeat(np.arange(10), 20)), random_state=0, device="cpu")
    return digest(r.overall, str(r))


@case
def tables_report():
    labels = np.array(["yes", "no"] * 60)
    r = table_report(table, y, fitted_rows().sample(labels, random_state=1), labels, random_state=0)
    return digest(r.overall, str(r))


@case
def audits():
    halves = digits.subset(range(200)), digits.subset(range(200, 400))
    found = audit(fitted_images(), *halves, random_state=0, device="cpu")
    again = audit(fitted_rows(), table[:120], table[120:], train_labels=y[:120], holdout_labels=y[120:], random_state=0)
    return digest(str(found), str(again))


@case
def explained():
    made = fitted_images().sample([3, 4], random_state=0)
    e = explain(made, digits, labels=[3, 4], gan=fitted_images(), random_state=0, device="cpu", classifier_steps=50)
    return digest([{k: v for k, v in vars(x).items() if isinstance(v, (int, float, str, dict, list))} for x in e])


@case
def ratio():
    d = choose_ratio(ImageGAN(steps=5, **QUIET), digits, ratios=(0, 0.5), filters=[()], random_state=0, device="cpu")
    return digest(json.dumps(d.to_dict(), sort_keys=True))


@case
def smoke():
    from ganaug.bench import load_suite, run_suite

    with tempfile.TemporaryDirectory() as folder:
        run_suite(load_suite("smoke"), folder, jobs=1, verbose=False)
        cells = (Path(folder) / "cells.csv").read_text()
    return digest(cells)


def main():
    found = {}
    for function in CASES:
        found[function.__name__] = function()
        print(function.__name__, found[function.__name__], flush=True)
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
