"""Pools from anyone: ``pool.json``, whose checksum is made to fit, and ``images.u8``."""

import functools
import json
import shutil
import tempfile
from pathlib import Path

import torch
from hypothesis import example, given
from mutations import as_json, byte_edits, damaged, edited, edits, fuzzed, has_nested, read_or_refused

from ganaug import ImageGAN, SyntheticPool, labelled_images
from ganaug.curation import AdditiveTransfer
from ganaug.curation.pool_files import CHECKSUM, _checksum
from ganaug.data.files import sha256_of


@functools.cache
def pool():
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    gan = ImageGAN(steps=1, random_state=0, verbose=False, device="cpu")
    gan.fit(labelled_images("digits").subset(range(20)))
    SyntheticPool.build(gan, folder, per_class={0: 3, 1: 2, 7: 1}, random_state=0)
    return folder


@functools.cache
def cell_pool():
    data = labelled_images("digits", groups=["a", "b", "b"] * 599).subset(range(60))
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    SyntheticPool.build(AdditiveTransfer().fit(data), folder, per_cell={(0, "a"): 1, (3, "b"): 2}, random_state=0)
    return folder


@functools.cache
def header():
    return json.loads((pool() / "pool.json").read_text())


@functools.cache
def cell_header():
    return json.loads((cell_pool() / "pool.json").read_text())


def check_pool(text, images=None, of=pool):
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "p"
        shutil.copytree(of(), path)
        (path / "pool.json").write_bytes(text if isinstance(text, bytes) else text.encode())
        if images is not None:
            (path / "images.u8").write_bytes(images)
        opened = read_or_refused(lambda: SyntheticPool(path), named=path)
        if opened is not None:
            with_images = opened.classes[opened.counts > 0]
            drawn = opened.draw(with_images, torch.Generator().manual_seed(0))
            assert drawn.shape == (len(with_images), *opened.image_shape)
            assert len(opened.labels) == len(opened) == opened.counts.sum()
            assert opened[len(opened) - 1][1] == with_images[-1]
            assert all(isinstance(opened.class_name(label), str) for label in opened.classes)
            repr(opened)
            if opened.cell_counts is not None:
                assert opened.draw(opened.labels, groups=opened.groups).shape == (len(opened), *opened.image_shape)
                assert opened.training_cell_counts.shape == opened.cell_counts.shape
            opened.close()
    return opened


def signed(tree):
    """Header text whose checksum is right, where one can be made."""
    tree.pop(CHECKSUM, None)
    return as_json({**tree, CHECKSUM: "" if has_nested(tree) else _checksum(json.loads(as_json(tree)))})


def test_the_pool_is_read_as_it_is():
    assert len(check_pool(json.dumps(header()))) == len(check_pool(signed(dict(header())))) == 6


@fuzzed()
@given(edits(header))
@example([(("counts",), "set", [3, 2, 0, 0, 0, 0, 0, 2, -1, 0])])
@example([(("counts",), "set", [2**63 - 1, 2**63 - 1, 8, 0, 0, 0, 0, 0, 0, 0])])
@example([(("counts", 0), "set", 10**30)])
@example([(("image_shape",), "set", [1, -8, -8])])
@example([(("image_shape", 0), "set", float("inf"))])
@example([(("classes", "values", 1), "set", 0)])
@example([(("classes", "dtype"), "set", "<U999999999")])
@example([(("class_names",), "set", [None] * 9 + ["a"])])
@example([(("provenance",), "set", {})])
def test_header(changes):
    check_pool(signed(edited(header(), changes)))


@fuzzed(20)
@given(edits(cell_header))
@example([(("cell_counts", 0), "set", [0, 1])])
@example([(("cell_counts", 0), "set", [2, 0])])
@example([(("cell_counts", 0, 0), "set", -1)])
@example([(("cell_counts",), "set", [3, 0])])
@example([(("training_cell_counts",), "set", [])])
@example([(("groups", "values"), "set", ["a"])])
@example([(("groups", "values"), "set", ["b", "b"])])
@example([(("groups",), "set", None)])
def test_header_of_cells(changes):
    check_pool(signed(edited(cell_header(), changes)), of=cell_pool)


@fuzzed(20)
@given(byte_edits())
def test_bytes_of_the_header(changes):
    check_pool(damaged((pool() / "pool.json").read_bytes(), changes))


def test_a_header_nested_as_deeply_as_json_may_be():
    for depth in range(900, 1000, 7):
        text = json.dumps({**header(), "provenance": {"x": 0}}).replace('{"x": 0}', "[" * depth + "]" * depth)
        assert check_pool(text) is None


@fuzzed(20)
@given(byte_edits())
def test_bytes_of_the_images(changes):
    content = (pool() / "images.u8").read_bytes()
    images = damaged(content, changes)
    assert (check_pool(json.dumps(header()), images) is None) == (images != content)


def test_an_empty_pool_is_refused():
    assert check_pool(signed({**header(), "counts": [0] * 10, "images_sha256": sha256_of(b"")}), b"") is None
