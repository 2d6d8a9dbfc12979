"""Pipes, sockets, devices, folders and files without an end in the place of what is read."""

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import test_fuzz_models
import test_fuzz_pools
import test_fuzz_suites
from mutations import Hang, limits
from test_fuzz_data import LABELS, PIXELS, image_parquet, picture

from ganaug import ImageGAN, SyntheticPool, TableGAN, labelled_images
from ganaug.bench import load_suite, run_suite
from ganaug.bench.results.report import read_summary
from ganaug.data.files import open_regular, read_regular
from ganaug.data.tables.files.table_files import read_table
from ganaug.engine.callbacks.checkpoints import Checkpoints, newest_valid
from ganaug.generators.model_folder import kind_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems have no such files")


@contextlib.contextmanager
def no_waiting(seconds=60):
    """Fail, in place of waiting for a pipe that nobody writes to."""

    def stop(*_):
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with limits():
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def pipe(path):
    os.mkfifo(path)


def endless(path):
    path.symlink_to("/dev/zero")


def listening(path):
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(path.parent, os.O_RDONLY)  # its name may be too long for a socket
        server.bind(f"/proc/self/fd/{here}/{path.name}" if Path("/proc/self/fd").is_dir() else str(path))
        os.close(here)


def folder(path):
    path.mkdir()


def huge(path):
    with path.open("wb") as file:
        file.truncate(2**40)  # without taking room on the disk


SPECIAL = {"a named pipe": pipe, "a device": endless, "a socket": listening, "a folder": folder}
TEXTS = [*SPECIAL.items(), ("bytes", huge)]


@functools.cache
def data_files():
    made = Path(tempfile.mkdtemp(prefix="fuzz-"))
    np.savez(made / "i.npz", images=PIXELS, labels=LABELS)
    (made / "i.parquet").write_bytes(image_parquet())
    frame = pd.DataFrame({"x": [1, 2, 3], "y": ["a", "b", "a"]})
    frame.to_csv(made / "t.csv", index=False)
    frame.to_parquet(made / "t.parquet")
    return made


def a_checkpoint():
    made = Path(tempfile.mkdtemp(prefix="fuzz-"))
    checkpoints = Checkpoints(made)
    checkpoints.describe({"width": 8})
    checkpoints.save(5, {}, {"step": 5})
    return made


def name_of_checkpoint(path):
    return next(path.glob("checkpoint-*")).name


READERS = {
    "configuration of images": (lambda: test_fuzz_models.model("image"), "config.json", ImageGAN.load),
    "configuration of rows": (lambda: test_fuzz_models.model("array"), "config.json", TableGAN.load),
    "weights": (lambda: test_fuzz_models.model("array"), "model.safetensors", TableGAN.load),
    "header of a pool": (test_fuzz_pools.pool, "pool.json", SyntheticPool),
    "grid of a run": (lambda: test_fuzz_suites.run()[0], "suite.json", read_summary),
    "suite": (lambda: test_fuzz_suites.run()[0].parent, "t.toml", lambda path: load_suite(path / "t.toml")),
    "table": (data_files, "t.csv", lambda path: read_table(path / "t.csv")),
    "table in parquet": (data_files, "t.parquet", lambda path: read_table(path / "t.parquet")),
    "images in npz": (data_files, "i.npz", lambda path: labelled_images(path / "i.npz")),
    "images in parquet": (data_files, "i.parquet", lambda path: labelled_images(path / "i.parquet")),
}


def with_special(template, name, make, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(template(), copy)
    (copy / name).unlink()
    make(copy / name)
    return copy


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_regular_file_is_refused(tmp_path, reader, kind):
    template, name, read = READERS[reader]
    path = with_special(template, name, SPECIAL[kind], tmp_path)
    (path / "summary.json").unlink(missing_ok=True)
    with no_waiting(), pytest.raises(ValueError, match=name.replace(".", r"\.")) as refusal:
        read(path)
    read_as_one = kind == "a folder" and reader.startswith("images in")  # a folder of images may have any name
    assert f"is {kind}" in str(refusal.value) or read_as_one
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("reader", ["configuration of rows", "weights", "header of a pool", "grid of a run", "suite"])
def test_what_is_larger_than_it_can_be_is_refused(tmp_path, reader):
    template, name, read = READERS[reader]
    path = with_special(template, name, huge, tmp_path)
    (path / "summary.json").unlink(missing_ok=True)
    with no_waiting(), pytest.raises(ValueError, match=r"1,099,511,627,776 bytes, and such a file has .* at most"):
        read(path)


@pytest.mark.parametrize(("kind", "make"), TEXTS)
def test_special_files_that_something_else_stands_in_for_are_passed_over(tmp_path, kind, make):
    with no_waiting():
        model = with_special(lambda: test_fuzz_models.model("array"), "config.json", make, tmp_path / "m")
        assert kind_of(model) == ""
        first = a_checkpoint()
        made = first / name_of_checkpoint(first)
        later = first / made.name.replace("000001", "000002")
        make(later)
        with pytest.warns(UserWarning, match=f"{kind}.* skipped"):
            header, _, damaged = newest_valid(first)
        assert header["run"] == {"width": 8}
        assert not damaged  # or it would be deleted
        images = tmp_path / "images"
        for name in ("a", "b"):
            (images / name).mkdir(parents=True)
            (images / name / "0.png").write_bytes(picture("PNG"))
        if kind != "bytes":
            make(images / "a" / "1.png")
            told = pytest.warns(UserWarning, match="1 no regular file")
            with nullcontext() if kind == "a folder" else told:  # one inside of a class is looked into
                assert len(labelled_images(images)) == 2


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_card_that_is_none_stays(tmp_path, kind):
    folder_of_model = test_fuzz_models.model("array")
    gan = TableGAN.load(folder_of_model)
    SPECIAL[kind](tmp_path / "README.md")
    with no_waiting(), pytest.warns(UserWarning, match=r"README\.md is no card of ganaug"):
        gan.save(tmp_path)
    TableGAN.load(tmp_path)


@pytest.mark.parametrize("kind", ["a named pipe", "a device"])
def test_a_cell_that_is_none_counts_as_not_run(tmp_path, kind):
    made, suite = test_fuzz_suites.run()
    name = min(made.joinpath("cells").iterdir()).name
    path = with_special(lambda: made, f"cells/{name}", SPECIAL[kind], tmp_path)
    with no_waiting(), pytest.warns(UserWarning, match="counts as not run"):
        run_suite(suite, path, jobs=1, verbose=False)
    assert json.loads((path / "cells" / name).read_text())["record"]["status"] == "done"


def test_links_to_regular_files_are_followed(tmp_path):
    original = test_fuzz_models.model("array")
    for file in original.iterdir():
        (tmp_path / file.name).symlink_to(file)
    assert TableGAN.load(tmp_path).classes_.tolist() == ["a", "b", "c"]


def test_a_pipe_that_comes_between_looking_and_opening_is_not_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "f"
    pipe(path)
    regular = os.stat(__file__)
    with no_waiting():
        monkeypatch.setattr(os, "stat", lambda *_, **__: regular)
        with pytest.raises(ValueError, match="named pipe"):
            open_regular(path)


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="there is no /proc")
def test_files_that_do_not_say_how_long_they_are(tmp_path):
    with pytest.raises(ValueError, match="longer than the 0 bytes that it says"):
        read_regular("/proc/self/maps")
    (tmp_path / "empty").write_bytes(b"")
    assert read_regular(tmp_path / "empty") == b""
