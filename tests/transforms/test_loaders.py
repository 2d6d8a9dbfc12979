"""DataLoaders of every kind: workers differ, epochs differ, a seed repeats, nothing leaks."""

import multiprocessing
import os

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset, default_collate

from ganaug import AugmentedDataset, RandomSynthetic, SyntheticMix
from ganaug.curation import ImageMixture

N, BATCH = 64, 16


class Collate:
    def __init__(self, mix):
        self.mix = mix

    def __call__(self, samples):
        return self.mix(*default_collate(samples))


class Pairs(Dataset):
    """The same blank image of class 3 over and over: only what the transform draws tells items apart."""

    def __init__(self, transform=None):
        self.transform = transform

    def __len__(self):
        return N

    def __getitem__(self, index):
        image, label = torch.full((1, 8, 8), 7, dtype=torch.uint8), 3
        return self.transform(image, label) if self.transform else (image, label)


KINDS = [
    ("fork", 0, False),
    ("fork", 2, False),
    ("fork", 2, True),
    ("fork", 4, False),
    ("spawn", 1, True),
    ("forkserver", 2, True),
]

SLOW = {("collate_fn", "spawn"), ("dataset", "forkserver")}  # to start; each kind is tried in the other place
PLACES = [(where, *kind) for where in ("collate_fn", "dataset") for kind in KINDS if (where, kind[0]) not in SLOW]


@pytest.fixture(scope="module", autouse=True)
def preloaded():
    """The server that workers are forked from imports once what each of them would."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["ganaug.transforms", "ganaug.curation"])


def epochs(loader, n=2):
    return [torch.cat([images for images, _ in loader]) for _ in range(n)]


def loader_of(dataset, context, workers, persistent, **options):
    return DataLoader(
        dataset,
        batch_size=BATCH,
        num_workers=workers,
        multiprocessing_context=context if workers else None,
        persistent_workers=persistent,
        generator=torch.Generator().manual_seed(0),
        timeout=120 if workers else 0,
        **options,
    )


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # on machines with few cores
@pytest.mark.parametrize(("where", "context", "workers", "persistent"), PLACES)
def test_workers_and_epochs_differ_and_a_seed_repeats(pool, of_class, where, context, workers, persistent):
    def make():
        if where == "dataset":
            return loader_of(Pairs(RandomSynthetic(pool, 0.5)), context, workers, persistent)
        return loader_of(Pairs(), context, workers, persistent, collate_fn=Collate(SyntheticMix(pool, 0.5)))

    torch.manual_seed(0)  # without workers the numbers are the global ones
    first, second = epochs(make())
    assert not torch.equal(first, second)
    batches = first.split(BATCH)
    assert all(not torch.equal(batches[0], other) for other in batches[1:])
    blank = torch.full((1, 8, 8), 7, dtype=torch.uint8)
    assert all(torch.equal(image, blank) or image.numpy().tobytes() in of_class[3] for image in first)
    torch.manual_seed(0)
    again, _ = epochs(make())
    assert torch.equal(first, again)


@pytest.mark.parametrize("context", ["fork", "forkserver"])
def test_a_gan_on_the_cpu_draws_in_workers(gan, context):
    loader = loader_of(Pairs(), context, 2, False, collate_fn=Collate(SyntheticMix(gan, 1.0)))
    first, second = epochs(loader)
    assert not torch.equal(first, second)
    assert not torch.equal(first[:BATCH], first[BATCH : 2 * BATCH])


class OnAGpu:
    """Says that it draws on a GPU."""

    device_ = "cuda"

    def __init__(self, gan):
        self.classes_, self.sample_spec_, self.sample = gan.classes_, gan.sample_spec_, gan.sample

    def fit(self, X, y=None):
        raise NotImplementedError


@pytest.mark.parametrize("mixed", [False, True])
def test_a_gan_on_a_gpu_in_a_worker_is_refused_with_the_remedy(gan, mixed):
    source = OnAGpu(gan)
    if mixed:
        source = ImageMixture([gan, source])
        source.generators_, source.classes_ = source.generators, gan.classes_
        source.sample_spec_, source.class_names_, source.groups_ = gan.sample_spec_, {}, None
    loader = loader_of(Pairs(), "fork", 1, False, collate_fn=Collate(SyntheticMix(source, 1.0)))
    with pytest.raises(RuntimeError, match="cannot draw inside a DataLoader worker; apply the transform to batches"):
        epochs(loader, 1)


@pytest.mark.parametrize("context", ["fork", "forkserver"])
def test_an_augmented_dataset_in_workers(pool, digits, context):
    real = TensorDataset(torch.from_numpy(digits.images), torch.from_numpy(digits.labels))
    dataset = AugmentedDataset(real, pool, per_class=4)
    found = torch.cat([images for images, _ in loader_of(dataset, context, 2, False)])
    assert torch.equal(found, torch.stack([dataset[index][0] for index in range(len(dataset))]))


def resident():
    """Memory of this process in MiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux")
@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_leave_nothing_behind(pool, workers):
    loader = loader_of(Pairs(), "fork", workers, False, collate_fn=Collate(SyntheticMix(pool, 0.5)))
    epochs(loader, 5)
    files, memory = len(os.listdir("/proc/self/fd")), resident()
    epochs(loader, 30)
    assert len(os.listdir("/proc/self/fd")) - files < 15  # a file an epoch would be 30; workers may yet be ending
    assert resident() - memory < 12
