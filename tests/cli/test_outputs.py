"""Outputs that would harm the input or files of others, for every command that writes."""

import hashlib
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shell import run

from ganaug import ImageGAN, RunOptions, TableGAN
from ganaug.cli import outputs

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 8, 8), dtype=np.uint8)
LABELS = np.repeat(["cat", "dog"], 4)
QUICK = ("--steps", 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Data and models of both kinds."""
    folder = tmp_path_factory.mktemp("made")
    for index, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        (folder / "photos" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "photos" / label / f"{index}.png")
    np.savez(folder / "i.npz", images=IMAGES, labels=LABELS)
    frame = pd.DataFrame({"x": np.arange(24.0), "y": ["a", "b"] * 12})
    frame.to_csv(folder / "t.csv", index=False)
    ImageGAN(steps=1, batch_size=4, random_state=0, device="cpu", verbose=False).fit(IMAGES, LABELS).save(folder / "m")
    assert run("fit", "table", folder / "t.csv", "--target", "y", "-o", folder / "rows", *QUICK) == 0
    shutil.rmtree(folder / "rows" / "log")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of them, in the current folder."""
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def content(folder):
    """All files below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# What is read, and the command but for its output.
COMMANDS = {
    "fit images": ("photos", ("fit", "images", "photos", *QUICK)),
    "fit table": ("t.csv", ("fit", "table", "t.csv", "--target", "y", *QUICK)),
    "augment images": ("photos", ("augment", "images", "photos", *QUICK)),
    "augment images of a file": ("i.npz", ("augment", "images", "i.npz", *QUICK)),
    "augment table": ("t.csv", ("augment", "table", "t.csv", "--target", "y", *QUICK)),
    "sample": ("m", ("sample", "m")),
    "sample --pool": ("m", ("sample", "m", "--pool")),
    "sample --real": ("photos", ("sample", "m", "--pool", "--real", "photos")),
    "export": ("m", ("export", "m")),
    "audit": ("photos", ("audit", "m", "--train", "photos")),
    "bench run": ("photos", ("bench", "run", "--data", "photos")),
}
ENDINGS = {"sample": ".npz", "export": ".onnx", "augment images": ".npz", "audit": ".json"}


def spellings(here, source, ending):
    """Names of places that are an input or lie in it."""
    (here / "link").symlink_to(here / source)
    (here / "aside").mkdir()
    yield from (here / source, source, f"aside/../{source}", "link", f"../here/{source}")
    if (here / source).is_dir():
        (here / "aside" / "deep").symlink_to(here / source)
        for folder in (source, "link/a", "aside/deep", f"{source}/x/.."):
            yield f"{folder}/new{ending}"
    else:
        os.link(here / source, here / f"hard{(here / source).suffix}")
        yield f"hard{(here / source).suffix}"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_input_is_not_written_to(here, name, refused):
    source, command = COMMANDS[name]
    outputs = list(spellings(here, source, ENDINGS.get(name, "")))
    if name == "bench run":  # which reads the data each time
        outputs = outputs[::4]
    before = content(here)
    for output in outputs:
        force = ("--overwrite",) if output == source and name != "bench run" else ()
        told = refused(*command, "-o", output, *force)
        assert "input" in told or "is a file" in told or "must end in" in told or "looks like a file" in told, told
    assert content(here) == before


@pytest.mark.parametrize("option", ["--log-dir", "--checkpoints"])
def test_neither_logs_nor_checkpoints_go_into_the_input(here, refused, option):
    before = content(here)
    told = refused("fit", "images", "photos", "-o", "new", option, "photos/log", *QUICK)
    assert "photos/log: it lies in the input photos" in told
    assert content(here) == before


@pytest.mark.parametrize("text", ['{"step": 1, "loss": 2}\n', "[]", "x", "\xff"])
def test_logs_of_other_programs_are_not_begun_anew(here, refused, text):
    (here / "log").mkdir()
    (here / "log" / "metrics.jsonl").write_text(text, encoding="latin-1")
    told = refused("fit", "images", "i.npz", "-o", "new", "--log-dir", "log", *QUICK)
    assert "is no log of ganaug" in told
    assert not (here / "new").exists()
    assert (here / "log" / "metrics.jsonl").read_text(encoding="latin-1") == text


def test_a_class_that_is_a_link_is_input_too(here, refused):
    (here / "elsewhere").mkdir()
    for number in range(2):
        Image.fromarray(IMAGES[number]).save(here / "elsewhere" / f"{number}.png")
    (here / "photos" / "fox").symlink_to(here / "elsewhere")
    assert "lies in the input photos" in refused("fit", "images", "photos", "-o", "elsewhere/model", *QUICK)


FOREIGN = {
    "configuration": {"config.json": '{"format": "other"}'},
    "broken configuration": {"config.json": "{"},
    "weights": {"model.safetensors": "x"},
    "file": {"notes.txt": "x"},
    "folder": {"log/notes.txt": "x"},
    "image": {"samples.png": "x"},
}


@pytest.mark.parametrize("what", FOREIGN)
def test_models_are_not_mixed_into_folders_of_others(here, refused, what):
    for name, text in FOREIGN[what].items():
        (here / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (here / "out" / name).write_text(text)
    before = content(here)
    for options in ((), ("--overwrite",)):
        for command in ("fit images", "fit table"):
            told = refused(*COMMANDS[command][1], "-o", "out", *options)
            assert "ganaug" in told
            assert "choose" in told
    mixed = not {"config.json", "model.safetensors"} & FOREIGN[what].keys()
    for gan in (ImageGAN.load("m", device="cpu"), TableGAN.load("rows")):
        for overwrite in () if mixed else (True, False):
            with pytest.raises(ValueError, match="choose"):
                gan.save("out", overwrite=overwrite)
    assert content(here) == before
    if mixed:  # who calls save knows the folder: what is in it stays as it is
        gan.save("out", overwrite=False)
        assert before.items() <= content(here).items()


def test_saving_over_a_model_of_ones_own(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    gan = ImageGAN.load("m", device="cpu")
    (here / "m" / "notes.txt").write_text("x")
    gan.save("m")
    assert (here / "m" / "notes.txt").read_text() == "x"
    with pytest.raises(ValueError, match="m holds a model already; pass overwrite=True"):
        gan.save("m", overwrite=False)
    with pytest.raises(ValueError, match="holds a model already; pass overwrite=True"):
        gan.save("~/m", overwrite=False)
    gan.save("new", overwrite=False)
    (here / "m" / "config.json").write_text("{")  # damaged, but its card is there
    gan.save("m")
    ImageGAN.load("m", device="cpu")


def test_models_go_where_logs_checkpoints_and_hidden_files_are(here):
    gan = ImageGAN(
        steps=1,
        batch_size=4,
        random_state=0,
        device="cpu",
        verbose=False,
        run=RunOptions(log_dir="run", checkpoint_dir="run"),
    ).fit(IMAGES, LABELS)
    (here / "run" / ".gitattributes").touch()
    gan.save("run", overwrite=False)
    with pytest.raises(ValueError, match="is a file"):
        gan.save("t.csv")
    (here / "loose").symlink_to("nowhere")
    with pytest.raises(ValueError, match="is a file"):
        gan.save("loose")


# Commands, where they write to, and what is left there by something else.
WRITING = {
    "fit images": (("fit", "images", "i.npz", *QUICK), "new", "holds a model"),
    "fit table": (COMMANDS["fit table"][1], "new", "holds a model"),
    "augment images": (("augment", "images", "i.npz", *QUICK), "new.npz", "exists"),
    "augment images to parquet": (("augment", "images", "i.npz", *QUICK), "new.parquet", "exists"),
    "augment table": (COMMANDS["augment table"][1], "new.csv", "exists"),
    "augment table to parquet": (COMMANDS["augment table"][1], "new.parquet", "exists"),
    "sample images": (("sample", "m", "--per-class", 1), "new.npz", "exists"),
    "sample to a pool": (("sample", "m", "--pool", "--per-class", 1), "new", "holds a pool"),
    "sample rows": (("sample", "rows", "--per-class", 4), "new.csv", "exists"),
    "sample rows to parquet": (("sample", "rows", "--per-class", 4), "new.parquet", "exists"),
    "export": (("export", "m"), "new.pt2", "exists"),
    "audit": (("audit", "m", "--train", "photos", "--per-class", 10), "new.json", "exists"),
    "audit to a folder": (("audit", "m", "--train", "photos", "--per-class", 10), "new", "exists"),
}


@pytest.mark.parametrize("name", WRITING)
def test_what_ganaug_has_written_is_replaced_where_that_is_asked_for_and_nothing_else_is(here, refused, capsys, name):
    command, output, exists = WRITING[name]
    assert run(*command, "-o", output) == 0
    capsys.readouterr()
    before = content(here)
    told = refused(*command, "-o", output)
    assert exists in told
    assert "pass --overwrite" in told
    assert content(here) == before
    assert run(*command, "-o", output, "--overwrite") == 0
    capsys.readouterr()
    assert content(here).keys() >= before.keys()
    if output == "new":
        return
    foreign = [
        b"",
        {".npz": b"PK\3\4", ".json": b'{"verdict": "pass"}', ".parquet": b"PAR1" * 3}.get(output[3:], b"x,z\n1,a\n"),
    ]
    for text in foreign:
        (here / output).write_bytes(text)
        assert "is not known to be written by ganaug" in refused(*command, "-o", output, "--overwrite")
        assert (here / output).read_bytes() == text


def test_what_has_the_form_of_samples_need_not_be_samples(here, refused, capsys):
    command = ("sample", "rows", "--per-class", 2, "--overwrite", "-o")
    shutil.copy("t.csv", "copy.csv")
    assert run(*command, "edited.csv") == 0
    with (here / "edited.csv").open("a") as file:
        file.write("1.5,a\n")
    capsys.readouterr()
    before = content(here)
    for output in ("copy.csv", "edited.csv"):
        assert "is not known to be written by ganaug" in refused(*command, output)
    assert content(here) == before


def test_without_a_cache_samples_are_written_and_not_replaced(here, refused, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "t.csv"))
    command = ("sample", "rows", "--per-class", 2, "--overwrite", "-o", "new.csv")
    assert run(*command) == 0
    capsys.readouterr()
    assert "is not known to be written by ganaug" in refused(*command)
    command = ("augment", "table", "t.csv", "--target", "y", "-o", "more.csv", "--overwrite", *QUICK)
    assert run(*command) == run(*command) == 0  # which has a column that says so


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="other systems have no such file")
@pytest.mark.parametrize("name", ["augment table to parquet", "sample images", "export", "audit"])
def test_devices_and_loose_links_are_not_replaced(here, refused, name):
    command, output, _ = WRITING[name]
    for target in ("/dev/null", "nowhere"):
        (here / output).unlink(missing_ok=True)
        (here / output).symlink_to(target)
        refused(*command, "-o", output, "--overwrite")
        assert (here / output).is_symlink()


def test_an_interrupted_training_starts_again_and_a_resumed_one_replaces_its_own_model(here, refused, capsys):
    command = ("fit", "table", "t.csv", "--target", "y", "-o", "new", "--checkpoints", "run", *QUICK)
    (here / "new" / "log").mkdir(parents=True)
    (here / "new" / "log" / "metrics.jsonl").touch()
    assert run(*command, "--resume") == 0
    assert run(*command, "--resume") == 0
    shutil.rmtree("run")
    capsys.readouterr()
    assert "holds a model" in refused(*command, "--resume")


@pytest.mark.parametrize("name", ["report.html", "cells/x", "samples-1.png"])
def test_runs_are_not_mixed_into_folders_of_others(here, refused, name):
    (here / "out" / name).parent.mkdir(parents=True, exist_ok=True)
    (here / "out" / name).write_text("x")
    before = content(here)
    assert "holds no run" in refused("bench", "run", "smoke", "-o", "out")
    assert content(here) == before


def test_of_the_files_that_were_written_the_latest_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "MOST_REMEMBERED", 3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for number in range(5):
        (tmp_path / f"{number}.csv").write_text(str(number))
        outputs.remember(tmp_path / f"{number}.csv")
        for file in (tmp_path / "cache" / "ganaug" / "written").iterdir():  # clocks of file systems are coarse
            os.utime(file, ns=(0, file.stat().st_mtime_ns - 10**9))
    known = [outputs._is_remembered(tmp_path / f"{number}.csv") for number in range(5)]
    assert known == [False, False, True, True, True]
