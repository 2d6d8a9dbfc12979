import gc
import os
import re
import shutil
import warnings

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value, load_dataset
from datasets import Image as ImageFeature
from launch import start
from PIL import Image
from shell import run

from ganaug import ImageGAN, SyntheticPool, labelled_images
from ganaug.cli.image_files import without_label
from ganaug.curation import NoCopies
from ganaug.data import LabelledImages

QUICK = ("--steps", "3", "--device", "cpu", "--seed", "0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """8 dark and 3 light pictures."""
    path = tmp_path_factory.mktemp("images") / "photos"
    randomness = np.random.default_rng(0)
    for name, n, shade in (("dark", 8, 0), ("light", 3, 150)):
        (path / name).mkdir(parents=True)
        for number in range(n):
            pixels = randomness.integers(shade, shade + 100, (8, 8, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(path / name / f"{number}.png")
    return path


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model"
    assert run("fit", "images", folder, "-o", path, *QUICK) == 0
    return path


def test_a_folder_gets_marked_files(folder, tmp_path, capsys):
    assert run("augment", "images", folder, "-o", tmp_path / "out", "--keep-all", *QUICK) == 0
    assert "Wrote 16 images, 5 of them synthetic" in capsys.readouterr().out
    new = sorted(path.name for path in (tmp_path / "out" / "light").glob("synthetic_*"))
    assert new == [f"synthetic_{i:06d}.png" for i in range(3, 8)]
    data = labelled_images(str(tmp_path / "out"))
    assert np.unique(data.labels, return_counts=True)[1].tolist() == [8, 8]
    originals = {image.tobytes() for image in labelled_images(str(folder)).images}
    assert originals < {image.tobytes() for image in data.images}


def load_folder(path, cache, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # datasets leaves metadata.csv open
        rows = load_dataset("imagefolder", data_dir=str(path), split="train", cache_dir=str(cache), **options)
        gc.collect()
    return rows


@pytest.mark.parametrize("drop_labels", [None, False])
def test_a_folder_says_to_datasets_what_is_synthetic_and_keeps_names(model, folder, tmp_path, drop_labels):
    source = tmp_path / "photos"
    shutil.copytree(folder, source)
    (source / "dark" / "inner").mkdir()
    for place in ("dark/cat, 1.png", "dark/inner/x.png", "light/synthetic_000003.png"):
        shutil.copy(source / "light" / "0.png", source / place)
    Image.open(source / "light" / "0.png").save(source / "light" / "0.bmp")
    assert (
        run("augment", "images", source, "-o", tmp_path / "out", "--keep-all", "--model", model, "--device", "cpu") == 0
    )
    rows = load_folder(tmp_path / "out", tmp_path / "cache", drop_labels=drop_labels)
    data = labelled_images(source)
    assert len(rows) == 20
    real = rows.filter(lambda flag: not flag, input_columns="is_synthetic")
    assert dict(zip(real["original_file"], real["label"], strict=True)) == dict(
        zip(data.files, data.labels, strict=True)
    )
    pixels = dict(zip(data.files, data.images.transpose(0, 2, 3, 1), strict=True))
    assert all(np.array_equal(np.asarray(row["image"]), pixels[row["original_file"]]) for row in real)
    assert sum(label == "light" for label in rows["label"]) == 10
    for kept in ("dark/7.png", "dark/cat, 1.png", "dark/inner/x.png", "light/0.png", "light/0_1.png"):
        assert (tmp_path / "out" / kept).is_file()
    again = labelled_images(tmp_path / "out")
    assert (len(again), again.skipped) == (20, ())
    assert rows.class_encode_column("label").features["label"].names == ["dark", "light"]


def test_odd_names_of_classes_and_files_are_written_and_audited(folder, tmp_path, capsys):
    source, out = tmp_path / "photos", tmp_path / "out"
    for name, new in (("dark", "dog (small), & king's"), ("light", "dogs")):
        shutil.copytree(folder / name, source / new)
    shutil.copy(source / "dogs" / "0.png", os.fsencode(source / "dogs") + b"/\xff\xfe.png")
    model = tmp_path / "model"
    assert run("fit", "images", source, "-o", model, *QUICK) == 0
    assert run("augment", "images", source, "-o", out, "--keep-all", "--model", model, "--device", "cpu") == 0
    assert labelled_images(out).class_names == labelled_images(source).class_names
    assert len(labelled_images(out)) == 16
    assert "dogs/\\udcff\\udcfe.png" in (out / "metadata.csv").read_text()
    assert run("sample", model, "-o", tmp_path / "drawn", "--per-class", 20, "--device", "cpu") == 0
    capsys.readouterr()
    assert run("audit", tmp_path / "drawn", "--real", source, "--device", "cpu") in (0, 1)


def test_what_was_augmented_is_not_augmented_again_and_its_audit_knows_what_is_synthetic(
    folder, model, tmp_path, refused, capsys
):
    out = tmp_path / "out"
    assert run("augment", "images", folder, "-o", out, "--keep-all", "--model", model, "--device", "cpu") == 0
    capsys.readouterr()
    said = refused("augment", "images", out, "-o", tmp_path / "more", "--model", model)
    assert "holds 5 synthetic images already (metadata.csv); pass real ones only" in said
    for real in ("--real", "--train"):  # too few for an audit, and the real ones do not count
        assert "synthetic holds 5 samples of class 'light'" in refused("audit", out, real, folder)
    whole = labelled_images(out)
    flags = np.array(["synthetic_" in file for file in whole.files])
    np.savez(tmp_path / "out.npz", images=whole.images[:, 0], labels=whole.labels, is_synthetic=flags)
    for source, where in ((out, "metadata.csv"), (tmp_path / "out.npz", "is_synthetic")):
        marked = f"holds 5 synthetic images already ({where}); pass real ones only"
        assert marked in refused("audit", model, "--real", source)
        assert marked in refused("audit", model, "--real", folder, "--holdout", source)
        assert marked in refused("bench", "run", "--data", source, "--dry-run")


def test_a_folder_that_was_left_half_written_is_not_taken_for_real_images(
    folder, model, tmp_path, refused, monkeypatch
):
    out, saved = tmp_path / "out", []
    plain = Image.Image.save

    def interrupted(image, path, *args, **kwargs):
        if len(saved) == 14:
            raise KeyboardInterrupt
        saved.append(path)
        plain(image, path, *args, **kwargs)

    monkeypatch.setattr(Image.Image, "save", interrupted)
    augment = ("augment", "images", folder, "-o", out, "--keep-all", "--model", model, "--device", "cpu")
    assert run(*augment) == 130
    monkeypatch.undo()
    assert len(list(out.rglob("*.png"))) == 14
    said = refused("fit", "images", out, "-o", tmp_path / "other", *QUICK)
    assert "holds 3 synthetic images already (metadata.csv); pass real ones only" in said


def test_parquet_gets_a_column(folder, tmp_path):
    out = tmp_path / "out.parquet"
    assert run("augment", "images", folder, "-o", out, "--keep-all", "--per-class", "4", *QUICK) == 0
    rows = Dataset.from_parquet(str(out), cache_dir=str(tmp_path))
    assert rows["is_synthetic"][:] == [False] * 11 + [True] * 8
    assert rows["label"][11:] == [0] * 4 + [1] * 4
    assert rows.features["label"].names == ["dark", "light"]


@pytest.mark.filterwarnings("default")
def test_parquet_keeps_the_numbers_and_names_of_classes(tmp_path, capsys):
    shades = np.random.default_rng(0).integers(0, 256, (12, 8, 8)).astype(np.uint8)
    names, labels = ["apple", "bear", "cat"], [1] * 8 + [2] * 4  # no apples
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=names), "patient": Value("string")})
    rows = {"image": list(map(Image.fromarray, shades)), "label": labels, "patient": ["p"] * 12}
    Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "real.parquet")
    out = tmp_path / "more.parquet"
    assert run("augment", "images", tmp_path / "real.parquet", "-o", out, "--keep-all", *QUICK) == 0
    assert re.search(r"other columns of .* are not in .*: patient; ganaug", capsys.readouterr().err)
    found = Dataset.from_parquet(str(out), cache_dir=str(tmp_path / "cache"))
    assert found.features["label"] == ClassLabel(names=names)
    assert found["label"][:] == [*labels, *[2] * 4]

    np.savez(tmp_path / "large.npz", images=shades, labels=np.repeat([7, 10**9], [8, 4]))
    assert run("augment", "images", tmp_path / "large.npz", "-o", out, "--keep-all", "--overwrite", *QUICK) == 0
    assert list(map(labelled_images(out).name, [0, 1])) == ["7", "1000000000"]


def test_numbers_a_class_may_be_written_with_an_exponent_and_cannot_be_endless(
    folder, model, tmp_path, refused, capsys
):
    augment = ("augment", "images", folder, "-o", tmp_path / "more", "--keep-all", "--model", model, "--device", "cpu")
    assert run(*augment, "--per-class", "1e1") == 0
    assert "20 of them synthetic" in capsys.readouterr().out
    said = refused("sample", model, "-o", tmp_path / "x.npz", "--per-class", "1000000000000", "--device", "cpu")
    assert "there is not enough memory for what is asked for" in said


def test_npz_gets_an_array_and_the_same_seed_the_same_file(folder, tmp_path):
    for name in ("a.npz", "b.npz"):
        command = ("augment", "images", folder, "-o", tmp_path / name, "--keep-all", "--per-class", "0.5", *QUICK)
        assert run(*command) == 0
    with np.load(tmp_path / "a.npz") as first, np.load(tmp_path / "b.npz") as second:
        assert first["is_synthetic"].sum() == 4 + 2
        assert (first["images"] == second["images"]).all()


def test_a_model_takes_the_place_of_training(folder, model, tmp_path, monkeypatch):
    monkeypatch.setattr(ImageGAN, "fit", lambda *a: 1 / 0)
    out = tmp_path / "out.npz"
    assert run("augment", "images", folder, "-o", out, "--keep-all", "--model", model, "--device", "cpu") == 0
    with np.load(out) as written:
        assert written["is_synthetic"].sum() == 5


@pytest.fixture(scope="module")
def partly(tmp_path_factory):
    """Images of the classes 3 and 9, and of 5, which stands for no label; a model of them."""
    path = tmp_path_factory.mktemp("partly")
    labels = np.repeat([3, 5, 9], [4, 6, 2])
    shades = np.random.default_rng(0).integers(0, 256, (12, 8, 8)).astype(np.uint8)
    np.savez(path / "images.npz", images=shades, labels=labels)
    np.savez(path / "labelled.npz", images=shades[labels != 5], labels=labels[labels != 5])
    np.savez(path / "marked.npz", images=shades, labels=np.where(labels == 5, -1, labels))
    assert run("fit", "images", path / "images.npz", "-o", path / "model", "--unlabelled", "5", *QUICK) == 0
    return path


@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        ("images", ("--unlabelled", "5", *QUICK), [3, 5, 9]),
        ("images", ("--model", "MODEL"), [3, 5, 9]),
        ("images", ("--model", "MODEL", "--unlabelled", "5"), [3, 5, 9]),
        ("labelled", ("--model", "MODEL"), [3, 9]),
        ("marked", QUICK, [-1, 3, 9]),
    ],
)
def test_images_without_a_label_are_kept_and_none_are_added_to_them(partly, tmp_path, source, options, expected):
    options = [partly / "model" if option == "MODEL" else option for option in options]
    out = tmp_path / "out.npz"
    assert run("augment", "images", partly / f"{source}.npz", "-o", out, "--keep-all", *options) == 0
    with np.load(partly / f"{source}.npz") as before, np.load(out) as after:
        n = len(before["labels"])
        assert np.unique(before["labels"]).tolist() == expected
        assert after["labels"].tolist() == [*before["labels"].tolist(), 9, 9]
        assert after["images"][:n].squeeze(-1).tolist() == before["images"].tolist()
        assert after["is_synthetic"].tolist() == [False] * n + [True] * 2


def test_they_are_trained_on(partly, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(ImageGAN, "fit", lambda self, data: seen.append(data.labels.tolist()) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("augment", "images", partly / "images.npz", "-o", tmp_path / "x.npz", "--unlabelled", "5", *QUICK)
    assert seen == [[3] * 4 + [-1] * 6 + [9] * 2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--unlabelled", "6"), "--unlabelled must be the name of a class, got '6', there are 3, 5, 9"),
        (
            ("--unlabelled", "9", "--model", "MODEL"),
            "cannot sample class 5: the generator was trained on",
        ),
        (("--unlabelled", "5", "--per-class", "auto"), "validates with labels, which 6 images lack"),
        (("--model", "MODEL", "--per-class", "auto"), "validates with labels, which 6 images lack"),
    ],
)
def test_what_images_without_a_label_cannot_be_used_for_is_told(partly, tmp_path, refused, options, said):
    options = [partly / "model" if option == "MODEL" else option for option in options]
    assert said in refused("augment", "images", partly / "images.npz", "-o", tmp_path / "out.npz", *options)
    assert not (tmp_path / "out.npz").exists()


def test_nothing_to_add_means_no_training(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(ImageGAN, "fit", lambda *a: 1 / 0)
    assert run("augment", "images", folder, "-o", tmp_path / "out.npz", "--per-class", "0") == 0
    with np.load(tmp_path / "out.npz") as written:
        assert not written["is_synthetic"].any()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--per-class", "all"), "per_class must be a number, a share, 'balance' or a dict, got 'all'"),
        (("--per-class", "-3"), "per_class must not be negative"),
        (("--model", "MODEL", "--steps", "3"), "are for training; leave them out with --model"),
        (("--model", "MODEL", "--precision", "fp32"), "are for training; leave them out with --model"),
        (("--model", "MODEL", "--size", "12"), "draws images of shape (3, 8, 8), those in"),
        (("--model", "nowhere"), "is not a saved ganaug model"),
        (("--size", "large"), "--size must be a number of pixels"),
    ],
)
def test_bad_requests_end_with_one_sentence(folder, model, tmp_path, refused, options, said):
    options = [model if option == "MODEL" else option for option in options]
    assert said in refused("augment", "images", folder, "-o", tmp_path / "out.npz", *options)
    assert not (tmp_path / "out.npz").exists()


def test_a_folder_in_use_is_not_written_into(folder, tmp_path, refused):
    (tmp_path / "notes.txt").touch()
    for option in ((), ("--overwrite",)):
        assert "exists and is not an empty folder" in refused("augment", "images", folder, "-o", tmp_path, *option)


@pytest.mark.parametrize("name", ["s.csv", "s.txt"])
def test_names_of_other_files_are_no_folders(folder, model, tmp_path, refused, capsys, name):
    for command in (("sample", model, "--per-class", "2"), ("augment", "images", folder)):
        assert f"{name} must end in .npz or .parquet, or be a folder" in refused(*command, "-o", tmp_path / name)
    assert not (tmp_path / name).exists()
    assert run("sample", model, "--per-class", "2", "-o", tmp_path / name, "--format", "folder") == 0
    assert (tmp_path / name / "dark").is_dir()


def test_a_pool_of_samples(model, tmp_path, capsys):
    out = tmp_path / "pool"
    assert run("sample", model, "-o", out, "--pool", "--per-class", "7", "--class", "light", "--seed", "1") == 0
    assert "Wrote a pool of 7 images of 1 classes" in capsys.readouterr().out
    pool = SyntheticPool(out)
    assert pool.counts.tolist() == [0, 7]
    assert pool.provenance["random_state"] == 1


def test_several_processes_write_one_pool(model, tmp_path):
    draw = ("-m", "ganaug", "sample", model, "--per-class", "7", "--seed", "1", "--device", "cpu", "-o")
    done = start(*draw, tmp_path / "pool", "--pool", count=2)
    assert [(status, errors) for status, _, errors in done] == [(0, "")] * 2
    assert sorted(output.split("\n")[0].split(" to ")[0] for _, output, _ in done) == [
        "",
        "Wrote a pool of 14 images of 2 classes",
    ]
    assert len(SyntheticPool(tmp_path / "pool")) == 14


def test_what_several_processes_cannot_share_is_refused(folder, model, tmp_path, refused, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    out = tmp_path / "out"
    # Each of them would write the same files.
    assert refused("sample", model, "-o", out).startswith("Error: several processes draw pools only; add --pool")
    for name, *rest in (
        ("augment", "images", folder),
        ("augment", "table", folder, "--target", "y"),
        ("export", model),
    ):
        said = refused(name, *rest, "-o", out)
        assert said.startswith("Error: several processes can share fit and sample only")
        assert said.endswith(f"the same work of {name}; start it without torchrun\n")
    assert not out.exists()


@pytest.mark.filterwarnings("always:10 classes could not be filled:UserWarning")
def test_a_pool_with_filters_tells_their_rates(tmp_path, capsys):
    model = tmp_path / "model"
    data = labelled_images("digits")
    np.savez(tmp_path / "digits.npz", images=data.images[:200, 0], labels=data.labels[:200])
    assert run("fit", "images", tmp_path / "digits.npz", "-o", model, "--steps", "200", "--device", "cpu") == 0
    few = ("--per-class", "20", "--rank", "0.05")  # 5 % of at most ten times as many
    assert run("sample", model, "-o", tmp_path / "p", "--pool", *few, "--real", tmp_path / "digits.npz") == 0
    printed = capsys.readouterr()
    assert "Warning: 10 classes could not be filled" in printed.err
    assert re.search(r"passed [56] % discriminator rank", printed.out)
    assert "% class consistency" in printed.out
    assert "% no copies" in printed.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rank", "0.5"), "--real, --rank and --size are for pools; add --pool"),
        (("--pool", "--rank", "2"), "share must be in (0, 1], got 2.0"),
        (("--size", "8"), "--real, --rank and --size are for pools; add --pool"),
        (("--pool", "--size", "8"), "--size is for --real"),
        (("--pool", "--format", "npz"), "--format and --pool exclude each other"),
        (("--pool", "--class", "red"), "the model knows no class 'red'; its classes are dark, light"),
        (("--pool", "--real", "nowhere/"), "nowhere"),
    ],
)
def test_bad_pools_end_with_one_sentence(model, tmp_path, refused, options, said):
    assert said in refused("sample", model, "-o", tmp_path / "pool", *options)
    assert not (tmp_path / "pool").exists()


def test_auto_with_too_few_images_adds_none_and_trains_nothing(folder, tmp_path, capsys, monkeypatch, refused):
    monkeypatch.setattr(ImageGAN, "fit", lambda *_: pytest.fail("training started"))
    assert run("augment", "images", folder, "-o", tmp_path / "out.npz", "--per-class", "auto", *QUICK) == 0
    printed = capsys.readouterr().out
    assert "3 validation images are too few to see any gain" in printed
    assert "0 of them synthetic" in printed
    command = ("augment", "images", folder, "-o", tmp_path / "again.npz", "--per-class", "auto", "--keep-all")
    assert "--per-class auto chooses filters too" in refused(*command)


def test_images_without_a_label_stay_so_where_another_class_is_taken_for_unlabelled():
    images = np.zeros((5, 1, 8, 8), dtype=np.uint8)
    data = without_label(LabelledImages(images, np.array([-1, 0, 1, 2, 2]), {}), "1")
    assert data.labels.tolist() == [-1, 0, -1, 2, 2]
    assert data.class_names == {0: "0", 2: "2"}
    data = without_label(LabelledImages(images, np.array(["a", "2", "10", "10", "2"]), {}), "a")
    assert data.labels.tolist() == [-1, 2, 10, 10, 2]
    data = without_label(LabelledImages(images, np.array(["a", "02", "10", "10", "02"]), {}), "a")
    assert (data.labels.tolist(), data.class_names) == ([-1, 0, 1, 1, 0], {0: "02", 1: "10"})


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """The same images as an array with integer labels and as folders of their numbers, and a model of each."""
    path = tmp_path_factory.mktemp("numbered")
    shades = np.random.default_rng(0).integers(0, 256, (14, 8, 8)).astype(np.uint8)
    labels = np.repeat([3, 10], [8, 6])
    np.savez(path / "array.npz", images=shades, labels=labels)
    for number, (image, label) in enumerate(zip(shades, labels.tolist(), strict=True)):
        (path / "folder" / f"{label:02d}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path / "folder" / f"{label:02d}" / f"{number:02d}.png")
    assert run("fit", "images", path / "array.npz", "-o", path / "of_array", *QUICK) == 0
    assert run("fit", "images", path / "folder", "-o", path / "of_folder", *QUICK) == 0
    return path


@pytest.mark.parametrize(
    ("source", "model", "added"),
    [("folder", "of_array", "10"), ("array.npz", "of_folder", 10), ("folder", "of_folder", "10")],
)
def test_numbers_of_classes_and_folders_of_their_names_are_the_same(numbered, tmp_path, source, model, added):
    out = tmp_path / "out.npz"
    command = ("augment", "images", numbered / source, "-o", out, "--model", numbered / model, "--device", "cpu")
    assert run(*command, "--keep-all") == 0
    with np.load(out) as written:
        assert written["labels"][14:].tolist() == [added] * 2
        assert written["is_synthetic"].sum() == 2


@pytest.mark.parametrize(("source", "model"), [("folder", "of_array"), ("array.npz", "of_folder")])
def test_they_are_in_audits_and_pools_too(numbered, tmp_path, capsys, source, model):
    seeded = ("--seed", "0", "--device", "cpu", "--per-class", "10")
    assert run("audit", numbered / model, "--train", numbered / source, *seeded) == 0
    assert "20 synthetic images against 14 training" in capsys.readouterr().out
    gan = ImageGAN.load(numbered / model, device="cpu")
    real = str(numbered / source)
    pool = SyntheticPool.build(gan, tmp_path / "pool", per_class=2, real=real, keep=[NoCopies()], random_state=0)
    assert pool.counts.tolist() == [2, 2]
    assert pool.class_indices([10, 3, 3]).tolist() == pool.class_indices(["10", "3", "3"]).tolist() == [1, 0, 0]


@pytest.mark.filterwarnings("default")
def test_images_without_a_label_are_no_class_when_they_are_written(partly, tmp_path, capsys):
    command = ("augment", "images", partly / "marked.npz", "--keep-all", *QUICK)
    assert run(*command, "-o", tmp_path / "out.parquet") == 0
    data = labelled_images(tmp_path / "out.parquet")
    assert dict(zip(*np.unique(data.labels, return_counts=True), strict=True)) == {-1: 6, 3: 4, 9: 4}
    assert (data.name(3), data.name(9)) == ("3", "9")
    capsys.readouterr()
    assert run(*command, "-o", tmp_path / "out") == 0
    assert re.search(r"the 6 images without a label are in .*; pass --unlabelled unlabelled", capsys.readouterr().err)
    assert sorted(path.name for path in (tmp_path / "out").glob("*/")) == ["3", "9", "unlabelled"]
    assert len(list((tmp_path / "out" / "unlabelled").iterdir())) == 6
