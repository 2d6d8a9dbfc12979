"""Names in data that would move, clear or reverse what a terminal shows, from all commands and reports."""

import json
import unicodedata
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from shell import run

from ganaug import ImageGAN, SyntheticPool, TableGAN
from ganaug._text import visible
from ganaug.audit import audit, explain
from ganaug.engine.callbacks.monitor import Monitor
from ganaug.metrics import table_report

pytestmark = pytest.mark.filterwarnings("ignore:steps=1 of")

NAMES = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "cat\u202egod",
    "\u2066left\u2069",
    "\u200e\u200bnothing",
    "line\nError: another",
    "tab\tand\rback",
    "[bold]loud[/]",
    "[/]",
    ":warning:",
    "e" + "\u0301" * 9,
    "\ufeff\u3164",
    "\udcff",
    "\u2028\x00",
]
PLAIN = ["Zürich", "日本語", "नमस्ते", "ไทย", "e\u0301", "a b", "C:\\x", "[x]"]


def check_harmless(text):
    marks = 0
    for character in text:
        assert character == "\n" or character.isprintable(), ascii(text)
        marks = marks + 1 if unicodedata.category(character) == "Mn" else 0
        assert marks <= 3, ascii(text)
    assert not [line for line in text.splitlines() if line.startswith("Error: another")]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_what_could_do_harm_is_escaped_and_can_be_told_apart(name):
    check_harmless(visible(name))
    assert "\n" not in visible(name)
    assert visible(visible(name)) == visible(name)
    assert len({visible(other) for other in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", PLAIN)
def test_ordinary_names_of_any_language_stay(name):
    assert visible(name) == name


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """An .npz file with all these names as classes, and a model of it."""
    folder = tmp_path_factory.mktemp("hostile")
    classes = [name for name in NAMES if "\0" not in name]  # which numpy cuts off
    labels = np.repeat(classes, 4)
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8), dtype=np.uint8)
    np.savez(folder / "i.npz", images=pixels, labels=labels)
    gan = ImageGAN(steps=1, batch_size=4, device="cpu", random_state=0, verbose=False).fit(pixels, labels)
    gan.save(folder / "model")
    return folder


def printed(capsys, *arguments, status=0):
    assert run(*arguments) == status
    told = capsys.readouterr()
    check_harmless(told.out)
    check_harmless(told.err)
    return told.out + told.err


def test_models_with_such_classes_are_saved_and_loaded(images):
    loaded = ImageGAN.load(images / "model", device="cpu")
    assert set(loaded.classes_.tolist()) == {name for name in NAMES if "\0" not in name}
    (card,) = (images / "model").glob("README.md")
    check_harmless(card.read_text(encoding="utf-8"))


@pytest.mark.filterwarnings("default")  # of folders that are called otherwise
def test_commands_on_images(images, tmp_path, capsys):
    model, source = images / "model", images / "i.npz"
    printed(capsys, "fit", "images", source, "-o", tmp_path / "m", "--steps", 1, "--device", "cpu")
    told = printed(capsys, "sample", model, "-o", tmp_path / "o", "--class", "\x1b[3J", status=2)
    assert r"\x1b[3J" in told
    told = printed(capsys, "fit", "images", source, "-o", tmp_path / "n", "--unlabelled", "\u202e", status=2)
    assert r"\u202e" in told
    told = printed(capsys, "sample", model, "-o", tmp_path / "out", "--per-class", 1)
    assert "more in such ones" in told
    for written in (tmp_path / "out").rglob("*"):
        check_harmless(str(written.relative_to(tmp_path)))
    written = tmp_path / "o.npz"
    printed(capsys, "augment", "images", source, "-o", written, "--model", model, "--per-class", 1, "--keep-all")
    told = printed(capsys, "sample", model, "-o", tmp_path / "p", "--per-class", 2, "--pool", "--rank", 0.5)
    assert r"\u2066left\u2069: 2 of" in told


def test_messages_of_models_and_pools(images, tmp_path):
    gan = ImageGAN.load(images / "model", device="cpu")
    hostile = [name for name in NAMES if name in gan.classes_.tolist()]
    for label in (*hostile, "\x1b[9m"):
        others = {name: 1 for name in hostile if name != label}
        with pytest.raises(ValueError, match="class") as refusal:
            gan.sample(["no\x1b", label] if label in hostile else [label])
        check_harmless(str(refusal.value))
        if label in hostile[:3]:
            pool = SyntheticPool.build(gan, tmp_path / str(hostile.index(label)), per_class=others)
            with pytest.raises(ValueError, match="no images of class") as refusal:
                pool.draw([label])
            check_harmless(str(refusal.value))


def test_reports_and_explanations_of_rows():
    randomness = np.random.default_rng(0)
    columns = [*NAMES[:4], "line\nError: another"]
    X = pd.DataFrame(randomness.normal(size=(40, 5)), columns=columns)
    X["\u202etext"] = randomness.choice(NAMES[:8], size=40)
    y = np.repeat(NAMES[3:5], 20)
    gan = TableGAN(steps=2, width=8, random_state=0, verbose=False).fit(X, y)
    rows = gan.sample(y, random_state=0)
    check_harmless(str(table_report(X, y, rows, y, random_state=0)))
    check_harmless(str(audit(gan, X, train_labels=y, random_state=0)))
    for explanation in explain(rows[:2], X, labels=y[:2], train_labels=y, random_state=0):
        check_harmless(str(explanation))


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_events_of_a_training(capsys, name):
    monitor, state = Monitor(4, verbose=True), SimpleNamespace(step=0)
    monitor.on_begin(state)
    monitor.on_event("mode_collapse", step=1, **{"class": name}, value=0.5)
    monitor.on_end(state)
    told = capsys.readouterr().err
    assert "".join(visible(name).split()) in "".join(told.split())
    check_harmless(told)


def test_benchmarks_of_ones_own_table(tmp_path, capsys):
    randomness = np.random.default_rng(0)
    y = np.repeat(["no\u202e", "[/]\x1b[2J"], [30, 12])
    table = pd.DataFrame(randomness.normal(size=(42, 2)), columns=["a\x1b[2J", "[bold]"]).assign(y=y)
    table.to_csv(tmp_path / "t[b].csv", index=False)
    arm = json.dumps("[red]\u202e[/]\u001b[2J")
    (tmp_path / "s.toml").write_text(
        f"""
        name = "t"
        title = "[/]t"
        [tables]
        datasets = [{{source = "{tmp_path / "t[b].csv"}", target = "y"}}]
        folds = 2
        baselines = ["none"]
        classifiers = ["logistic"]
        arms = [{{name = "none"}}, {{name = {arm}, sampler = "smote", against = ["none"]}}]
        """,
        encoding="utf-8",
    )
    assert run("bench", "run", tmp_path / "s.toml", "-o", tmp_path / "r", "--jobs", 1) == 0
    told = capsys.readouterr().out
    check_harmless(told)
    assert r"[red]\u202e[/]\x1b[2J" in told
    for page in ("report.html", "report.md"):
        content = (tmp_path / "r" / page).read_text(encoding="utf-8")
        check_harmless(content.replace("\t", ""))
        assert r"\u202e" in content.replace("\\\\", "\\")
