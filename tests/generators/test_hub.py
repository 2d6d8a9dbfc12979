import hashlib
import json
import os
import subprocess
import sys

import huggingface_hub
import numpy as np
import pandas as pd
import pytest
import torch
from hub_server import TOKEN, running
from huggingface_hub import ModelCard, constants

from ganaug import ImageGAN, RunOptions, TableGAN

QUICK = {"steps": 2, "batch_size": 4, "device": "cpu", "random_state": 0, "verbose": False}
FILES = {"README.md", "config.json", "model.safetensors"}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
    log = tmp_path_factory.mktemp("alice") / "log"
    return ImageGAN(**QUICK, run=RunOptions(log_dir=log)).fit(images, np.repeat(["dark", "light"], 6))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that this process speaks to, and an empty cache."""
    with running() as hub:
        pattern = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.endpoint)
        assert pattern.startswith(hub.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", pattern)
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield hub
        huggingface_hub.close_session()


def drawn(gan):
    return gan.sample(["dark", "light", "light"], random_state=0)


def fingerprint(gan):
    return hashlib.sha256(drawn(gan).numpy().tobytes()).hexdigest()


def in_a_process(code, *arguments, **environment):
    """Standard output of Python code in a process of its own, which reads the environment anew."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    command = [sys.executable, "-W", "error::UserWarning", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**env, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


LOAD = """
import hashlib, sys
from ganaug import ImageGAN
gan = ImageGAN.from_pretrained("user/shades", device="cpu")
print(hashlib.sha256(gan.sample(["dark", "light", "light"], random_state=0).numpy().tobytes()).hexdigest())
"""
PUSH = """
import sys
from ganaug import ImageGAN
print(ImageGAN.load(sys.argv[1], device="cpu").push_to_hub("user/shades", license="mit", private=True))
"""


def test_what_was_pushed_is_loaded_back_and_then_from_the_cache_alone(fitted, tmp_path):
    model, cache = fitted.save(tmp_path / "model"), str(tmp_path / "cache")
    with running() as hub:
        told = in_a_process(PUSH + LOAD, model, HF_ENDPOINT=hub.endpoint, HF_HUB_CACHE=cache, HF_TOKEN=TOKEN)
        address, online = told.split()
        (commits,) = hub.repositories["user/shades"].values()
        assert hub.created == [{"name": "shades", "organization": "user", "visibility": "private"}]
    assert address.startswith(f"{hub.endpoint}/user/shades/commit/")
    assert len(commits) == 2
    assert set(commits[1]) - set(commits[0]) == FILES
    card = commits[1]["README.md"].decode()
    assert ModelCard(card).data.license == "mit"
    assert "gan = ImageGAN.from_pretrained('user/shades')" in card
    offline = in_a_process(LOAD, HF_HUB_OFFLINE="1", HF_HUB_CACHE=cache).strip()
    assert online == offline == fingerprint(fitted)


def test_a_cache_that_another_program_filled_is_read_offline(fitted, tmp_path, monkeypatch):
    """The layout is that of huggingface_hub: refs name a commit, snapshots hold links to blobs."""
    oid = "0123456789" * 4
    repository = tmp_path / "models--user--shades"
    model, snapshot = fitted.save(tmp_path / "model"), repository / "snapshots" / oid
    for folder in ("refs", "blobs", f"snapshots/{oid}"):
        (repository / folder).mkdir(parents=True)
    (repository / "refs" / "main").write_text(oid)
    for name in FILES:
        blob = repository / "blobs" / hashlib.sha256((model / name).read_bytes()).hexdigest()
        (model / name).rename(blob)
        (snapshot / name).symlink_to(blob)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for revision in (None, "main", oid):
        loaded = ImageGAN.from_pretrained("user/shades", revision=revision, device="cpu")
        assert torch.equal(drawn(loaded), drawn(fitted))
    with pytest.raises(ValueError, match=r"'user/others' is not in the cache and the hub cannot be reached"):
        ImageGAN.from_pretrained("user/others")


def test_a_table_gan_travels_too(hub):
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["a", "b", "c"])
    gan = TableGAN(**QUICK, width=8).fit(rows, np.repeat(["no", "yes"], 20))
    gan.push_to_hub("user/rows", token=TOKEN, figures={"AUC": 0.75})
    (commits,) = hub.repositories["user/rows"].values()
    assert "| AUC | 0.75 |" in commits[-1]["README.md"].decode()
    loaded = TableGAN.from_pretrained("user/rows", device="cpu")
    expected = gan.sample(["yes", "no"], random_state=0)
    pd.testing.assert_frame_equal(loaded.sample(["yes", "no"], random_state=0), expected)
    with pytest.raises(ValueError, match=r"^repository 'user/rows' holds a TableGAN, not a ImageGAN"):
        ImageGAN.from_pretrained("user/rows")


def test_an_own_folder_is_loaded_as_such(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    fitted.save("user/shades")
    for path in ("user/shades", tmp_path / "user" / "shades"):
        assert torch.equal(drawn(ImageGAN.from_pretrained(path, device="cpu")), drawn(fitted))
    (tmp_path / "user" / "shades" / "config.json").unlink()
    with pytest.raises(ValueError, match=r"shades is not a saved ganaug model: it holds no config.json"):
        ImageGAN.from_pretrained("user/shades")


def test_paths_of_this_machine_stay_here(fitted, hub):
    fitted.push_to_hub("user/shades", token=TOKEN)
    (commits,) = hub.repositories["user/shades"].values()
    params = json.loads(commits[-1]["config.json"])["params"]
    assert params == {name: value for name, value in fitted.get_params().items() if name in params}
    assert set(params).isdisjoint({"run", "run__log_dir", "run__checkpoint_dir", "device", "run__resume"})
    assert fitted.run.log_dir is not None
    assert b"alice" not in b"".join(commits[-1].values())


def test_branches_and_messages(fitted, hub):
    assert fitted.push_to_hub("shades", token=TOKEN).startswith(f"{hub.endpoint}/user/shades/commit/")
    other = ImageGAN(**{**QUICK, "random_state": 1}).fit(
        np.random.default_rng(1).integers(0, 256, (12, 8, 8, 1), np.uint8), np.repeat(["dark", "light"], 6)
    )
    for again in (other, other):
        again.push_to_hub("user/shades", token=TOKEN, revision="small", commit_message="A second one")
    assert hub.messages == ["A generator by ganaug", "A second one", "A second one"]
    branches = hub.repositories["user/shades"]
    assert {name: len(commits) for name, commits in branches.items()} == {"main": 2, "small": 3}
    for branch in ("main", "small"):
        assert "from_pretrained('user/shades')" in branches[branch][-1]["README.md"].decode()
    assert torch.equal(drawn(ImageGAN.from_pretrained("user/shades", device="cpu")), drawn(fitted))
    small = ImageGAN.from_pretrained("user/shades", revision="small", device="cpu")
    assert torch.equal(drawn(small), drawn(other))


def test_weights_of_other_models_are_not_downloaded(hub):
    hub.repositories["user/bert"] = {"main": [{"config.json": b'{"model_type": "bert"}', "model.safetensors": b"big"}]}
    with pytest.raises(ValueError, match=r"^repository 'user/bert' was not written by ganaug"):
        ImageGAN.from_pretrained("user/bert")
    assert hub.sent == ["config.json"]


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("user/none", None, "repository 'user/none' does not exist or is private; check the name, or pass a token"),
        ("user/shades", "v9", "repository 'user/shades' has no revision 'v9'"),
        ("user/empty", None, "repository 'user/empty' is not a saved ganaug model: it lacks config.json"),
        ("user/half", None, "repository 'user/half' is not a saved ganaug model: it lacks .* model.safetensors"),
        ("no/such/folder", None, "'no/such/folder' is neither a folder nor the name of a repository"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_sentence(fitted, hub, name, revision, message):
    fitted.push_to_hub("user/shades", token=TOKEN)
    config = hub.repositories["user/shades"]["main"][-1]["config.json"]
    hub.repositories["user/empty"] = {"main": [{"README.md": b""}]}
    hub.repositories["user/half"] = {"main": [{"config.json": config}]}
    with pytest.raises(ValueError, match=message) as caught:
        ImageGAN.from_pretrained(name, revision=revision)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "user/shades",
            {"token": "hf_wrong"},
            "the hub refused repository 'user/shades' .*401.*; check the name and the",
        ),
        ("user/shades", {"license": "not a licence"}, r"Invalid metadata in README.md. .* one of \[apache-2.0, mit\]"),
        ("a/b/c", {}, "'a/b/c' is neither a folder nor the name of a repository such as 'user/digits'"),
        ("user/shades", {"license": "a\nb"}, "license must be a name on one line"),
        ("user/shades", {"figures": {"FID": "low"}}, "figures must be numbers by name"),
    ],
)
def test_what_cannot_be_pushed_is_refused_in_one_sentence(fitted, hub, name, options, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        fitted.push_to_hub(name, **{"token": TOKEN, **options})
    assert "\n" not in str(caught.value)
    assert not hub.messages


def test_without_a_network_pushing_says_so(fitted, hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"the hub cannot be reached for repository 'user/shades'"):
        fitted.push_to_hub("user/shades", token=TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # the port that nothing answers on
    with pytest.raises(ValueError, match=r"the hub cannot be reached for repository 'user/shades'"):
        fitted.push_to_hub("user/shades", token=TOKEN)
    assert hub.created == []
