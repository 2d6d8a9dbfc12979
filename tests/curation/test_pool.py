import json
import os
import pickle
import resource
import threading

import numpy as np
import pytest
import torch

from ganaug import ImageGAN, LabelledImages, SyntheticPool, labelled_images
from ganaug.curation import DiscriminatorRank, ImageConsistency, NoCopies, drawing
from ganaug.generators.model_folder import weights_checksum


@pytest.fixture(scope="module")
def digits():
    return labelled_images("digits").subset(range(300))


@pytest.fixture(scope="module")
def gan(digits):
    return ImageGAN(steps=150, device="cpu", random_state=0, verbose=False).fit(digits)


@pytest.fixture
def pool(gan, tmp_path):
    return SyntheticPool.build(gan, tmp_path / "pool", per_class=5, random_state=0)


def test_it_holds_what_was_asked_for(pool, tmp_path):
    assert len(pool) == 50
    assert pool.counts.tolist() == [5] * 10
    assert pool.labels.tolist() == np.repeat(range(10), 5).tolist()
    again = SyntheticPool(tmp_path / "pool")
    assert torch.equal(again.read(range(50)), pool.read(range(50)))
    assert sorted(path.name for path in (tmp_path / "pool").iterdir()) == ["images.u8", "pool.json"]
    assert list(tmp_path.iterdir()) == [tmp_path / "pool"]


def test_it_is_a_dataset(pool):
    image, label = pool[7]
    assert image.dtype == torch.uint8
    assert (tuple(image.shape), label) == ((1, 8, 8), 1)
    assert [label for _, label in pool] == pool.labels.tolist()


def test_images_are_of_their_class(pool):
    for label in (0, 4, 9):
        of_class = {image.numpy().tobytes() for image, other in pool if other == label}
        drawn = pool.draw([label] * 40)
        assert {image.numpy().tobytes() for image in drawn} == of_class


def test_draws_follow_the_generator_or_the_global_state(pool):
    labels = list(range(10)) * 3
    first = pool.draw(labels, torch.Generator().manual_seed(1))
    assert torch.equal(first, pool.draw(labels, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, pool.draw(labels, torch.Generator().manual_seed(2)))
    torch.manual_seed(0)
    drawn = pool.draw(labels)
    torch.manual_seed(0)
    assert torch.equal(drawn, pool.draw(labels))


def test_same_seed_same_pool_and_the_header_says_where_it_comes_from(gan, pool, digits, tmp_path):
    again = SyntheticPool.build(gan, tmp_path / "again", per_class=5, random_state=0)
    assert (tmp_path / "again" / "images.u8").read_bytes() == (pool.path / "images.u8").read_bytes()
    other = SyntheticPool.build(gan, tmp_path / "other", per_class=5, random_state=1)
    assert not torch.equal(other.read(range(50)), again.read(range(50)))
    assert pool.provenance["random_state"] == 0
    assert pool.provenance["gan"]["training_data"]["sha256"] == digits.fingerprint()
    gan.save(tmp_path / "model")
    saved = json.loads((tmp_path / "model" / "config.json").read_text())
    assert pool.provenance["gan"]["weights_sha256"] == saved["weights_sha256"] == weights_checksum(gan.tensors())


def test_numbers_for_some_classes_only(gan, tmp_path):
    pool = SyntheticPool.build(gan, tmp_path / "pool", per_class={3: 4, 8: 1})
    assert pool.counts.tolist() == [0, 0, 0, 4, 0, 0, 0, 0, 1, 0]
    with pytest.raises(ValueError, match="the pool holds no images of class '0'; build the pool again with some"):
        pool.draw([3, 0])


def test_labels_and_names_come_back(tmp_path):
    images = np.random.default_rng(0).integers(256, size=(8, 3, 8, 10)).astype(np.uint8)
    data = LabelledImages(images, np.array([True, False] * 4), {True: "yes"})
    gan = ImageGAN(steps=2, device="cpu", verbose=False).fit(data)
    SyntheticPool.build(gan, tmp_path / "pool", per_class=2)
    pool = SyntheticPool(tmp_path / "pool")
    assert pool.classes.dtype == bool
    assert (pool.class_name(True), pool.class_name(False)) == ("yes", "False")
    assert pool.draw([True]).shape == (1, 3, 8, 10)


def test_a_pickled_pool_is_small_and_reads_again(pool):
    pool.draw([1])
    content = pickle.dumps(pool)
    assert len(content) < 5000
    assert torch.equal(pickle.loads(content).read([3]), pool.read([3]))


def test_threads_may_share_it(pool):
    expected = pool.read(range(50))
    found = []
    threads = [threading.Thread(target=lambda: found.append(pool.read(list(range(50)) * 20))) for _ in range(8)]
    pool.close()
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not before or len(os.listdir("/proc/self/fd")) <= before + 1
    assert all(torch.equal(images, expected.repeat(20, 1, 1, 1)) for images in found)


def test_it_can_be_closed_and_used_again(pool):
    before = pool.read([0])
    pool.close()
    assert torch.equal(pool.read([0]), before)


def test_an_existing_folder_is_not_overwritten(gan, pool, tmp_path):
    with pytest.raises(ValueError, match="exists and is not an empty folder"):
        SyntheticPool.build(gan, pool.path, per_class=1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    assert len(SyntheticPool.build(gan, tmp_path / "link", per_class=1)) == 10
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == ["images.u8", "pool.json"]


class Drawing:
    """Draws for the labels of a fitted generator by a function of its own."""

    def __init__(self, gan, draw):
        self.classes_, self.sample_spec_, self.training_data_ = gan.classes_, gan.sample_spec_, gan.training_data_
        self.draw = draw

    def fit(self, X, y=None):
        raise NotImplementedError

    def sample(self, labels, *, random_state=None):
        return self.draw(labels, random_state=random_state)


class Keeping:
    """A filter that keeps what a function of the number of candidates and the position says."""

    name = "keeping"
    needs_real = False

    def __init__(self, kept):
        self.kept = kept

    def fit(self, gan, real, randomness):
        return self

    def accepts(self, images, position):
        return self.kept(len(images), position)

    def describe(self):
        return {"name": self.name}


def test_a_pool_is_replaced_on_request_and_nothing_else_is(gan, pool, tmp_path):
    with pytest.raises(ValueError, match="choose another name or pass overwrite=True to replace the pool in it"):
        SyntheticPool.build(gan, pool.path, per_class=1)
    before = pool.read([0])
    with pytest.raises(ZeroDivisionError):
        SyntheticPool.build(Drawing(gan, lambda *a, **k: 1 / 0), pool.path, per_class=1, overwrite=True)
    assert torch.equal(SyntheticPool.load(pool.path).read([0]), before)
    assert SyntheticPool.build(gan, pool.path, per_class=2, random_state=1, overwrite=True).counts.tolist() == [2] * 10
    assert len(SyntheticPool.load(pool.path)) == 20
    assert torch.equal(pool.read([0]), before)  # it was open
    pool.close()
    with pytest.raises(ValueError, match="was changed after the pool was opened; open it again"):
        pool.read([0])


def leave(path, *names):
    path.mkdir()
    for name in names:
        (path / name).write_text("{}")


@pytest.mark.parametrize(
    "names", [("notes.txt",), ("pool.json",), ("images.u8", "pool.json", "mine"), ("config.json",), (".hidden",)]
)
def test_folders_of_others_are_not_replaced(gan, tmp_path, names):
    leave(tmp_path / "theirs", *names)
    with pytest.raises(ValueError, match="exists and is not an empty folder; choose another name or delete it"):
        SyntheticPool.build(gan, tmp_path / "theirs", per_class=1, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "theirs").iterdir()) == sorted(names)


def test_damaged_pools_can_be_built_again_in_their_place(gan, pool):
    truncated(pool.path)
    assert len(SyntheticPool.build(gan, pool.path, per_class=1, overwrite=True)) == 10
    assert len(SyntheticPool.load(pool.path)) == 10


@pytest.mark.parametrize("classes_of", [1, 2])
def test_a_full_disk_is_reported_and_leaves_nothing(gan, tmp_path, monkeypatch, classes_of):
    """Whether it is found out while the next batch is drawn, or at the end."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(drawing, "MIN_BATCH", 1000)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(OSError, match="too large"):
            SyntheticPool.build(
                gan, tmp_path / "pool", per_class=dict.fromkeys(range(classes_of), 1000), random_state=0
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_build_leaves_nothing(gan, tmp_path):
    with pytest.raises(ZeroDivisionError):
        SyntheticPool.build(Drawing(gan, lambda *a, **k: 1 / 0), tmp_path / "pool", per_class=1)
    assert list(tmp_path.iterdir()) == []


def truncated(folder):
    pixels = folder / "images.u8"
    pixels.write_bytes(pixels.read_bytes()[:-1])


def edited(folder):
    pixels = folder / "images.u8"
    content = bytearray(pixels.read_bytes())
    content[100] ^= 1
    pixels.write_bytes(content)


def header(change):
    def apply(folder):
        path = folder / "pool.json"
        found = json.loads(path.read_text())
        path.write_text(json.dumps({**found, **change}))

    return apply


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncated, "should hold 3,200 bytes and holds 3,199; build the pool again"),
        (edited, "images.u8 is damaged: its checksum differs from pool.json"),
        (lambda folder: (folder / "images.u8").unlink(), "should hold 3,200 bytes and holds 0"),
        (lambda folder: (folder / "pool.json").unlink(), "is no pool: it holds no pool.json"),
        (lambda folder: (folder / "pool.json").write_text("{"), "is damaged: it is not valid JSON"),
        (lambda folder: (folder / "pool.json").write_text("[]"), "is no pool of ganaug's"),
        (header({"format": "else"}), "is no pool of ganaug's"),
        (header({"format_version": 99}), "has format version 99, this ganaug .* reads up to 3; upgrade"),
        (header({"counts": [1] * 10}), "was edited: its checksum differs"),
    ],
)
def test_damaged_pools_are_refused(pool, damage, said):
    damage(pool.path)
    with pytest.raises(ValueError, match=said):
        SyntheticPool(pool.path)


def test_a_pool_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="is no pool: it does not exist"):
        SyntheticPool(tmp_path / "nowhere")


def test_a_pool_that_changes_while_it_is_used_is_refused(pool):
    waiting = pickle.loads(pickle.dumps(pool))
    edited(pool.path)
    with pytest.raises(ValueError, match="was changed after the pool was opened"):
        waiting.draw([1])


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"per_class": 0}, ValueError, "per_class must ask for at least one image"),
        ({"per_class": {0: -1, 1: 2}}, ValueError, "for no negative number"),
        ({"per_class": {"zero": 1}}, ValueError, "cannot sample class 'zero'"),
        ({"per_class": 2.9}, ValueError, "per_class must be a whole number, or a dict of them, got 2.9"),
        ({"per_class": "balance"}, ValueError, "per_class must be a whole number"),
        ({"keep": NoCopies()}, TypeError, "keep must be 'auto' or a sequence of filters"),
        ({"keep": [NoCopies]}, TypeError, "keep must hold filters such as NoCopies"),
        ({"max_draws": 0}, ValueError, "max_draws must be at least 1"),
        ({"keep": "best"}, ValueError, "keep must be 'auto' or a sequence of filters, got 'best'"),
        ({"keep": [NoCopies()]}, ValueError, "NoCopies compares with the training images; pass real="),
        ({"keep": [0.5]}, TypeError, "keep must hold filters such as NoCopies"),
    ],
)
def test_bad_requests_are_refused(gan, tmp_path, options, error, said):
    with pytest.raises(error, match=said):
        SyntheticPool.build(gan, tmp_path / "pool", **{"per_class": 1, **options})


@pytest.mark.parametrize("index", [50, -1])
def test_images_that_are_not_there(pool, index):
    with pytest.raises(IndexError, match="the pool holds images 0 to 49"):
        pool[index]
    with pytest.raises(IndexError, match="the pool holds images 0 to 49"):
        pool.read([0, index])


def test_an_unfitted_gan(tmp_path):
    with pytest.raises(ValueError, match="gan must be a fitted generator"):
        SyntheticPool.build(ImageGAN(), tmp_path / "pool", per_class=1)


def test_real_images_whose_names_differ_are_refused(digits, tmp_path):
    named = [LabelledImages(digits.images, digits.labels, {0: name}) for name in ("zero", "null")]
    gan = ImageGAN(steps=2, device="cpu", verbose=False).fit(named[0])
    with pytest.raises(ValueError, match="label 0 is 'null' in real and 'zero' for the generator"):
        SyntheticPool.build(gan, tmp_path / "pool", per_class=1, real=named[1])


def test_filters_record_what_they_let_through(gan, digits, tmp_path):
    filters = [DiscriminatorRank(0.5), ImageConsistency(0.02), NoCopies()]
    pool = SyntheticPool.build(
        gan, tmp_path / "pool", per_class=8, real=digits, keep=filters, max_draws=200, random_state=0
    )
    assert [step["name"] for step in pool.provenance["filters"]] == [step.name for step in filters]
    for record in pool.provenance["classes"]:
        assert record["kept"] == 8
        assert record["drawn"] >= 16
        assert abs(record["passed"]["discriminator rank"] - 0.5) < 0.02
        assert 0 < record["passed"]["class consistency"] <= 1


def test_copies_of_training_images_are_dropped_and_a_class_that_stays_short_is_named(gan, digits, tmp_path):
    def copying(labels, **options):
        images = gan.sample(labels, **options)
        if labels[0] == 3:
            images = torch.from_numpy(digits.images[digits.labels == 3][np.arange(len(labels)) % 10])
        return images

    with pytest.warns(UserWarning, match=r"class '3' could not be filled: of 40 images drawn 0 passed .* 4 were asked"):
        pool = SyntheticPool.build(
            Drawing(gan, copying), tmp_path / "pool", per_class=4, real=digits, keep=[NoCopies()]
        )
    assert pool.counts.tolist() == [4, 4, 4, 0, 4, 4, 4, 4, 4, 4]


def test_many_classes_that_stay_short_are_one_warning(gan, tmp_path):
    one = Keeping(lambda n, position: np.arange(n) < (position == 0))
    with pytest.warns(UserWarning, match="10 classes") as found:
        SyntheticPool.build(gan, tmp_path / "pool", per_class=2, keep=[one], max_draws=1)
    (warning,) = found
    assert str(warning.message) == (
        "10 classes could not be filled, as too few of the images drawn passed the filters: '0' (1 of 2, 2 drawn), "
        "'1' (0 of 2, 2 drawn), '2' (0 of 2, 2 drawn), '3' (0 of 2, 2 drawn) and 6 more"
    )
    assert warning.filename.endswith(("pool.py", "test_pool.py"))


def test_nothing_that_passes_is_no_pool(gan, tmp_path):
    none = Keeping(lambda n, position: np.zeros(n, dtype=bool))
    with (
        pytest.warns(UserWarning, match="could not be filled"),
        pytest.raises(ValueError, match=r'passed the filters, of which "keeping" let 0% pass; train the GAN'),
    ):
        SyntheticPool.build(gan, tmp_path / "pool", per_class=1, keep=[none])
    assert list(tmp_path.iterdir()) == []


def test_real_images_must_be_those_of_the_gan(gan, digits, tmp_path):
    with pytest.raises(ValueError, match="real holds no images of class 9"):
        SyntheticPool.build(gan, tmp_path / "pool", per_class=1, real=digits.subset(digits.labels != 9))
    other = LabelledImages(digits.images[:, :, :6], digits.labels)
    with pytest.raises(ValueError, match=r"the real images have shape \(1, 6, 8\)"):
        SyntheticPool.build(gan, tmp_path / "pool", per_class=1, real=other)
    with pytest.warns(UserWarning, match="real is not what the generator was trained on"):
        SyntheticPool.build(gan, tmp_path / "pool", per_class=1, real=digits.subset(range(200)), keep=[NoCopies()])
