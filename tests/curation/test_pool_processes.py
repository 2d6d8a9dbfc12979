"""Two processes that build a pool together."""

import json
from pathlib import Path

import pytest
from launch import start

from ganaug import ImageGAN, SyntheticPool, labelled_images
from ganaug.curation import DiscriminatorRank, NoCopies


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pools")
    digits = labelled_images("digits").subset(range(300))
    gan = ImageGAN(steps=20, random_state=0, device="cpu", verbose=False).fit(digits)
    gan.save(folder / "model")
    (folder / "there").mkdir()
    done = start(Path(__file__).with_name("pool_run.py"), folder / "model", folder, count=2)
    assert [status for status, *_ in done] == [0, 0], done
    return folder, gan, digits, [json.loads(output) for _, output, _ in done]


def test_together_they_write_what_one_writes(runs):
    folder, gan, digits, reports = runs
    alone = SyntheticPool.build(
        gan,
        folder / "alone",
        per_class=40,
        real=digits,
        keep=[DiscriminatorRank(0.5), NoCopies()],
        random_state=3,
    )
    assert [found["seeded"] for found in reports] == [len(alone)] * 2
    for name in ("images.u8", "pool.json"):
        assert (folder / "seeded" / name).read_bytes() == (folder / "alone" / name).read_bytes()


def test_without_a_seed_they_take_the_same(runs):
    folder, _, _, reports = runs
    assert [found["unseeded"] for found in reports] == [11, 11]
    assert SyntheticPool(folder / "unseeded").counts.tolist() == [0, 0, 5, 0, 0, 0, 0, 6, 0, 0]


def test_a_folder_that_is_there_is_filled(runs):
    folder, _, _, reports = runs
    assert [found["there"] for found in reports] == [10, 10]
    assert len(SyntheticPool(folder / "there")) == 10


def test_all_are_reports_what_is_wrong_and_nothing_is_left(runs):
    folder, _, _, (first, second) = runs
    assert "not an empty folder" in first["in use"] == second["in use"]
    assert "must be given the same" in first["unlike"] == second["unlike"]
    assert second["full"] == "OSError: no space left"
    assert first["full"].startswith("OtherProcessError: another of the processes")
    assert {path.name for path in folder.iterdir()} - {"alone"} == {"model", "seeded", "unseeded", "there"}
