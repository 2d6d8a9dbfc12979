import html
import json
import pickle
import re

import numpy as np
import pytest
from huggingface_hub import ModelCard

import ganaug
from ganaug import ImageGAN, LabelledImages, TableGAN

QUICK = {"steps": 2, "batch_size": 4, "device": "cpu", "random_state": 0, "verbose": False}
NASTY = "a|b\n# heading `code` <script>x</script> [link](http://x) **bold** \\ \u202e --- é"


def shades():
    return np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)


@pytest.fixture(scope="module")
def fitted():
    return ImageGAN(**QUICK).fit(LabelledImages(shades().transpose(0, 3, 1, 2), np.repeat([3, 7], 6), {7: NASTY}))


@pytest.fixture(scope="module")
def table_gan():
    rows = np.random.default_rng(0).normal(size=(40, 3))
    return TableGAN(**QUICK, width=8).fit(rows, np.repeat(["no", "yes"], 20))


def card(gan, path, **facts):
    return (gan.save(path, **facts) / "README.md").read_text(encoding="utf-8")


def rows_below(text, heading):
    """Cells of the table under a heading, as Markdown shows them."""
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [[re.sub(r"\\(.)", r"\1", html.unescape(cell)) for cell in row] for row in cells]


def test_the_front_matter_is_what_hubs_read(fitted, table_gan, tmp_path):
    data = ModelCard(card(fitted, tmp_path / "images", license="cc-by-4.0")).data
    assert data.license == "cc-by-4.0"
    assert data.library_name == "ganaug"
    assert data.pipeline_tag == "unconditional-image-generation"
    assert {"gan", "image"} <= set(data.tags)
    data = ModelCard(card(table_gan, tmp_path / "table")).data
    assert data.license == "unknown"
    assert data.pipeline_tag is None
    assert "tabular" in data.tags


@pytest.mark.parametrize("license", ["no", "1.0", "a: b", "#x", "- y", 'q"uo\\te', "{x}", "é🙂"])
def test_a_licence_stays_the_text_that_it_is(fitted, tmp_path, license):
    assert ModelCard(card(fitted, tmp_path, license=license)).data.license == license


def test_classes_data_and_figures_are_told(fitted, tmp_path):
    text = card(fitted, tmp_path, figures={"FID, own features": np.float32(12.5), "classes lost": 0})
    assert rows_below(text, "Training data") == [
        ["images", "12"],
        ["SHA-256 of the data", fitted.training_data_["sha256"]],
    ]
    assert rows_below(text, "Figures") == [["FID, own features", "12.5"], ["classes lost", "0"]]
    settings = dict(rows_below(text, "Configuration"))
    assert settings["steps"] == "2"
    assert settings["channels height width"] == "1 x 8 x 8"
    assert settings["preset"] == "tiny"
    assert f"Saved by ganaug {ganaug.__version__} with torch " in text
    assert "gan.sample([3] * 10)" in text


def test_names_of_classes_are_text_not_markup(fitted, tmp_path):
    text = card(fitted, tmp_path)
    seen = "a|b # heading `code` <script>x</script> [link](http://x) **bold** \\ --- é"
    assert rows_below(text, "Classes") == [["0", "3", "3"], ["1", "7", seen]]
    (line,) = (line for line in text.splitlines() if "heading" in line)
    assert not re.search(r"(?<!\\)[<>`*\[\](#]", line)


def test_what_was_found_in_training_is_told(fitted, tmp_path):
    assert "## Findings of the training\n\nNone." in card(fitted, tmp_path)
    troubled = ImageGAN.load(tmp_path, device="cpu")
    collapse = {"finding": "mode_collapse", "step": 1200, "class": "a_b", "value": 0.25, "threshold": 0.5}
    troubled.health_ = [{**collapse, "action": "reported"}, {"finding": "not_finite", "step": 9, "action": "again"}]
    assert rows_below(card(troubled, tmp_path), "Findings of the training") == [
        ["mode collapse", "1,200", "a_b", "0.25", "0.5", "reported"],
        ["not finite", "9", "", "", "", "again"],
    ]


def test_tables_tell_that_their_values_are_in_the_file(table_gan, fitted, tmp_path):
    told = "`config.json` holds values of the training data"
    text = card(table_gan, tmp_path / "table")
    assert told in text
    assert told not in card(fitted, tmp_path / "images")
    assert rows_below(text, "Training data")[0] == ["rows", "40"]


def test_many_classes_are_cut_short(table_gan, tmp_path):
    many = TableGAN.load(table_gan.save(tmp_path), device="cpu")
    many.classes_ = np.arange(1234)
    text = card(many, tmp_path)
    assert len(rows_below(text, "Classes")) == 200
    assert "And 1,034 more, in `config.json`." in text


def test_the_python_in_it_runs(fitted, tmp_path, monkeypatch):
    folder = tmp_path / "path" / "of" / "this" / "folder"
    (code,) = re.findall(r"```python\n(.*?)```", card(fitted, folder), re.S)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["samples"].shape == (10, 1, 8, 8)


def test_two_saves_are_equal_byte_for_byte(fitted, tmp_path):
    facts = {"license": "mit", "figures": {"FID": 1.0}}
    first, second = (fitted.save(tmp_path / name, **facts) for name in "ab")
    names = sorted(path.name for path in first.iterdir())
    assert names == ["README.md", "config.json", "model.safetensors"]
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
    loaded = ImageGAN.load(first, device="cpu").save(tmp_path / "c", **facts)
    assert (loaded / "README.md").read_bytes() == (first / "README.md").read_bytes()


NAMED = {"a|b\n# c <i> é🙂": 0.1, "": -0.0, "huge": 1e300, "nan": float("nan"), "inf": -float("inf")}


@pytest.mark.parametrize("kind", ["fitted", "table_gan"])
def test_license_and_figures_are_kept_by_a_model_that_is_loaded(kind, request, tmp_path):
    gan = request.getfixturevalue(kind)
    first = card(gan, tmp_path / "a", license="cc-by-4.0", figures=NAMED)
    loaded = type(gan).load(tmp_path / "a", device="cpu")
    assert loaded.license_ == "cc-by-4.0"
    assert repr(loaded.figures_) == repr(NAMED)
    assert card(loaded, tmp_path / "b") == first
    assert (tmp_path / "b" / "config.json").read_bytes() == (tmp_path / "a" / "config.json").read_bytes()
    json.loads((tmp_path / "a" / "config.json").read_text(), parse_constant=pytest.fail)  # NaN, which is no JSON
    changed = card(pickle.loads(pickle.dumps(loaded)), tmp_path / "c", license="mit")
    assert changed == first.replace("license: cc-by-4.0", "license: mit")
    assert "## Figures\n\nNone were given." in card(loaded, tmp_path / "d", figures={})
    assert "unknown" in card(gan, tmp_path / "e")  # what a file was told of is not the fitted GAN's


def test_what_is_said_of_a_model_is_not_said_of_the_next(tmp_path):
    rows, y = np.random.default_rng(0).normal(size=(40, 3)), np.repeat(["no", "yes"], 20)
    gan = TableGAN(**QUICK, width=8).fit(rows, y)
    again = TableGAN.load(gan.save(tmp_path, license="mit", figures={"AUC": 0.7}), device="cpu").fit(rows, y)
    assert (again.license_, again.figures_) == ("unknown", {})


@pytest.mark.parametrize(
    "facts",
    [
        {"license": "mit\n---\ntags: x"},
        {"license": None},
        {"license": "\ud800"},
        {"figures": None},
        {"figures": ["FID"]},
        {"figures": {"FID": "low"}},
        {"figures": {"FID": "infinity"}},
        {"figures": {"FID": True}},
        {"figures": {"FID": 10**400}},
        {"figures": {"\ud800": 1.0}},
    ],
)
def test_hostile_facts_are_refused_where_a_model_is_loaded(fitted, tmp_path, facts):
    fitted.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | facts))
    with pytest.raises(ValueError, match=r"is damaged: (config\.json and the weights|it holds a n)") as caught:
        ImageGAN.load(tmp_path, device="cpu")
    assert "\n" not in str(caught.value)


def test_models_that_were_saved_without_facts_load(fitted, tmp_path):
    fitted.save(tmp_path, license="mit", figures={"FID": 1.0})
    config = json.loads((tmp_path / "config.json").read_text())
    del config["license"], config["figures"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = ImageGAN.load(tmp_path, device="cpu")
    assert (loaded.license_, loaded.figures_) == ("unknown", {})


def test_models_without_a_card_load_and_get_one(fitted, tmp_path):
    (fitted.save(tmp_path) / "README.md").unlink()
    assert "## Classes" in card(ImageGAN.load(tmp_path, device="cpu"), tmp_path)


def test_a_card_follows_its_model_and_another_readme_stays(fitted, table_gan, tmp_path):
    card(fitted, tmp_path, license="mit")
    assert "A `TableGAN`" in card(table_gan, tmp_path)
    (tmp_path / "README.md").write_text("My project")
    with pytest.warns(UserWarning, match=r"README.md is no card of ganaug and stays as it is") as caught:
        fitted.save(tmp_path)
    assert caught[0].filename == __file__
    assert (tmp_path / "README.md").read_text() == "My project"
    assert ImageGAN.load(tmp_path, device="cpu").sample([3]).shape == (1, 1, 8, 8)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"license": ""}, "license must be a name on one line"),
        ({"license": "mit\ntags: x"}, "license must be a name on one line"),
        ({"license": 3}, "license must be a name on one line"),
        ({"figures": ["FID"]}, "figures must be a dict of numbers by name, got list"),
        ({"figures": {"FID": "low"}}, "figures must be numbers by name, got 'FID': 'low'"),
        ({"figures": {"passed": True}}, "figures must be numbers by name, got 'passed': True"),
        ({"figures": {1: 2.0}}, "figures must be numbers by name, got 1: 2.0"),
        ({"figures": {"\ud800": 2.0}}, r"figures must have names that UTF-8 can hold, got '\\ud800'; rename it"),
    ],
)
def test_facts_that_cannot_be_told_are_refused_before_anything_is_written(fitted, tmp_path, facts, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fitted.save(tmp_path / "model", **facts)
    assert not (tmp_path / "model").exists()
