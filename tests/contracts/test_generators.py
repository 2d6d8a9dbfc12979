"""What every registered generator does alike. One of another family is checked as soon as it is registered."""

import inspect
import pickle
import random

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ganaug
from ganaug.generators import Generator, Scorer, generator_class, generator_names
from ganaug.generators.contract import draw_images, takes

# Each class takes those that it has.
QUICK = {"device": "cpu", "verbose": False, "random_state": 0}
SMALL = {"steps": 3, "batch_size": 8, "width": 16}
ENOUGH = {
    "images": {"steps": 80, "batch_size": 8},
    "rows": {"steps": 120, "batch_size": 64},
}  # to learn what the classes are
N = 40


def data(kind, classes=("dark", "light"), n=N):
    """Two classes that differ clearly, of images or of rows of mixed columns with missing values."""
    rng = np.random.default_rng(0)
    second = np.arange(n) % 2 == 1
    y = np.where(second, classes[1], classes[0])
    if kind == "images":
        return (np.where(second, 190, 60)[:, None, None] + rng.integers(-30, 30, (n, 8, 8))).astype(np.uint8), y
    columns = {
        "age": rng.integers(18, 40, n) + 60 * second,
        "income": np.where(rng.random(n) < 0.2, np.nan, rng.lognormal(size=n)),
        "city": pd.Categorical(np.where(rng.random(n) < 0.9, np.where(second, "Rome", "Oslo"), "Bonn")),
        "active": rng.random(n) < 0.2 + 0.6 * second,
    }
    return pd.DataFrame(columns), y


GROUPS = ("new", "old", "older")


def grouped(kind, n=60, *, whole=False):
    """Two classes of three groups, each told by a shift of its own; the new group lacks "light", unless it is whole."""
    rng, place = np.random.default_rng(0), np.arange(n)
    second, group = place % 2 == 1, place // 2 % 3
    keep = whole | ~(second & (group == 0))
    y, groups = np.where(second, "light", "dark")[keep], np.array(GROUPS)[group][keep]
    if kind == "images":
        level = np.stack([np.where(second, 180, 60), 40 + 80 * group], 1).repeat(4, 1)  # of the left and the right half
        X = level[:, None] + rng.integers(-20, 20, (n, 8, 8))
        return X.astype(np.uint8)[keep], y, groups
    age, height = rng.integers(18, 40, n) + 60 * second, rng.normal(size=n) + 6 * group
    return pd.DataFrame({"age": age, "height": height}).assign(city="Oslo").iloc[keep], y, groups


def numbers(samples):
    """Samples as something that a simple classifier can learn from, one row each."""
    if isinstance(samples, pd.DataFrame):
        return samples[[c for c in ("age", "height") if c in samples]].to_numpy(dtype=float)
    return np.asarray(samples, dtype=float).reshape(len(samples), -1) / 255


def same(one, other):
    return one.equals(other) if isinstance(one, pd.DataFrame) else bool((torch.as_tensor(one) == other).all())


class Family:
    """A class of generators with the data of its kind."""

    def __init__(self, name):
        self.name, self.cls = name, generator_class(name)
        self.kind = self.cls.sample_kind

    def made(self, size=SMALL, **options):
        gan = self.cls()
        known = gan.get_params()
        asked = {**QUICK, **size, **options}
        places = {key: next((p for p in (key, f"run__{key}") if p in known), None) for key in asked}
        return gan.set_params(**{places[key]: value for key, value in asked.items() if places[key]})

    def has(self, option):
        return {option, f"run__{option}"} & self.cls().get_params().keys()

    def real(self, *args, **options):
        """Images in the order that samples have their axes in, or rows; and their labels."""
        X, y = data(self.kind, *args, **options)
        return (X[:, None] if self.kind == "images" else X), y


@pytest.fixture(scope="module", params=generator_names())
def family(request):
    return Family(request.param)


@pytest.fixture(scope="module")
def quick(family):
    return family.made().fit(*data(family.kind))


@pytest.fixture(scope="module")
def trained(family):
    return family.made(ENOUGH[family.kind]).fit(*data(family.kind))


@pytest.fixture(scope="module")
def saved(quick, tmp_path_factory):
    return quick.save(tmp_path_factory.mktemp("models") / "a model é")


def test_it_is_a_generator_once_it_is_fitted(family, quick):
    unfitted = family.made()
    assert not isinstance(unfitted, Generator)
    assert isinstance(quick, Generator)
    assert quick.sample_spec_.kind == family.kind
    drawn = quick.sample(["dark"] * 2, random_state=0)
    assert tuple(drawn.shape[1:]) == quick.sample_spec_.shape
    parameters = inspect.signature(family.cls).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters)
    for use in (lambda: unfitted.sample(["dark"]), lambda: unfitted.save("nowhere")):
        with pytest.raises(Exception, match=r"not fitted yet"):
            use()


def test_seeds_say_what_is_drawn_and_the_global_states_stay(family, quick):
    def states():
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()

    y = data(family.kind)[1]
    before = states()
    again = family.made().fit(*data(family.kind))
    other = family.made(random_state=1).fit(*data(family.kind))
    drawn = quick.sample(y, random_state=5)
    assert same(again.sample(y, random_state=5), drawn)
    assert same(
        quick.sample(y, random_state=np.random.RandomState(3)), quick.sample(y, random_state=np.random.RandomState(3))
    )
    assert not same(quick.sample(y, random_state=6), drawn)
    assert not same(other.sample(y, random_state=5), drawn)
    quick.sample(y)  # without a seed of its own
    assert states() == before


def one_kind(kind, n=N):
    """A table whose columns are all of a kind, with missing values in the first."""
    rng = np.random.default_rng(0)
    names = pd.DataFrame(rng.choice(["red", "green", "blue"], (n, 3)), columns=list("abc"), dtype=object)
    numbers = pd.DataFrame({"x": rng.normal(size=n), "y": rng.integers(5, size=n), "z": rng.exponential(size=n)})
    table = {"names": names, "numbers": numbers, "one name": names[["a"]], "one number": numbers[["x"]]}[kind].copy()
    table.iloc[::5, 0] = np.nan
    return table


@pytest.mark.parametrize("columns", ["names", "numbers", "one name", "one number"])
@pytest.mark.parametrize("name", generator_names("rows"))
def test_columns_may_all_be_of_one_kind(name, columns, tmp_path):
    family, X, y = Family(name), one_kind(columns), np.arange(N) % 2
    gan = family.made().fit(X, y)
    drawn = gan.sample(y, random_state=0)
    assert drawn.columns.equals(X.columns)
    assert drawn.dtypes.equals(X.dtypes)
    assert drawn.iloc[:, 1:].notna().all(axis=None)
    assert np.isfinite(gan.score_samples(X, y)).all()
    assert same(family.cls.load(gan.save(tmp_path), device="cpu").sample(y, random_state=0), drawn)
    mixed, _ = ganaug.GANOverSampler(generator=family.made(), selection=False, random_state=0).fit_resample(
        X, np.arange(N) < N // 4
    )
    assert mixed.dtypes.equals(X.dtypes)


@pytest.mark.parametrize("classes", [(3, -2), (False, True), (1.0, 2.0), ("b", "a")])
def test_labels_come_back_as_they_went_in(family, classes, tmp_path):
    X, y = data(family.kind, classes)
    gan = family.made(steps=1).fit(X, y)
    for one in (gan, ganaug.load(gan.save(tmp_path / "model"), device="cpu")):
        assert one.classes_.tolist() == sorted(classes)
        assert one.classes_.dtype == y.dtype
        assert len(one.sample([classes[1], classes[0], classes[0]])) == 3


def test_no_labels_no_samples(quick):
    none = quick.sample([])
    assert tuple(none.shape) == (0, *quick.sample_spec_.shape)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["dim"], "cannot sample class 'dim': the generator was trained on the classes 'dark', 'light'"),
        ([0, 1], "cannot sample class 0: "),
        ("dark", "labels must have one dimension"),
        ([["dark"]], "labels must have one dimension"),
    ],
)
def test_labels_that_are_none_of_its_classes_are_refused(quick, labels, message):
    with pytest.raises(ValueError, match=message):
        quick.sample(labels)


def test_a_clone_has_the_parameters_and_nothing_else(family, quick):
    copy = clone(quick)
    assert {k: v for k, v in copy.get_params().items() if k != "run"} == {
        k: v for k, v in quick.get_params().items() if k != "run"
    }
    assert [name for name in vars(copy) if name.endswith("_")] == []


def test_pickled_or_saved_and_loaded_it_draws_the_same(family, quick, saved, tmp_path):
    y = data(family.kind)[1]
    expected = quick.sample(y, random_state=3)
    copies = [pickle.loads(pickle.dumps(quick)), family.cls.load(saved, device="cpu"), ganaug.load(saved, device="cpu")]
    for copy in copies:
        assert type(copy) is family.cls
        assert copy.sample_spec_ == quick.sample_spec_
        assert same(copy.sample(y, random_state=3), expected)
    assert sorted(path.name for path in saved.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    again = copies[-1].save(tmp_path / "again")
    for name in ("config.json", "model.safetensors"):
        assert (again / name).read_bytes() == (saved / name).read_bytes()


def test_what_is_no_model_of_its_kind_is_refused(family, saved, tmp_path):
    with pytest.raises(ValueError, match="it does not exist"):
        family.cls.load(tmp_path / "nothing")
    for name in generator_names():
        other = generator_class(name)
        if other is not family.cls:
            with pytest.raises(ValueError, match=f"holds a {family.cls.__name__}, not a {other.__name__}"):
                other.load(saved)


def test_facts_about_the_data_are_kept(family, tmp_path):
    facts = {"target": "shade", "year": 2024}
    gan = family.made(steps=1).fit(*data(family.kind), metadata=facts)
    for one in (gan, ganaug.load(gan.save(tmp_path / "model"), device="cpu")):
        assert facts.items() <= one.training_data_.items()
    for wrong in ("shade", {"target": ["shade"]}, {1: "shade"}):
        with pytest.raises(TypeError, match="metadata must"):
            family.made(steps=1).fit(*data(family.kind), metadata=wrong)


def test_killed_and_resumed_equals_never_killed(family, tmp_path):
    """Checkpoints after the first are deleted, as if the training had been killed before them."""
    if not family.has("checkpoint_dir"):
        pytest.skip("it writes no checkpoints")
    y = data(family.kind)[1]
    options = {"steps": 6, "checkpoint_every": 2}
    whole = family.made(steps=6).fit(*data(family.kind))
    folder = tmp_path / "checkpoints"
    family.made(**options, checkpoint_dir=folder).fit(*data(family.kind))
    for later in sorted(folder.glob("checkpoint-*"))[1:]:
        later.unlink()
    resumed = family.made(**options, checkpoint_dir=folder).fit(*data(family.kind))
    assert resumed.resumed_from_ == 2
    assert same(resumed.sample(y, random_state=0), whole.sample(y, random_state=0))
    with pytest.raises(ValueError, match=r"which is 7 now"):
        family.made(**options | {"steps": 7}, checkpoint_dir=folder).fit(*data(family.kind))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, y[:-1]), "length|labels"),
        (lambda X, y: (X[:0], y[:0]), "empty|no rows|no images|at least"),
        (lambda X, y: (X, np.array([None, *y[1:]], dtype=object)), "missing|None"),
        (lambda X, y: (object(), y), "object|got shape"),
    ],
)
def test_what_cannot_be_learnt_is_refused_in_a_sentence(family, change, message):
    with pytest.raises((ValueError, TypeError), match=message) as refused:
        family.made().fit(*change(*data(family.kind)))
    assert "\n" not in str(refused.value)


def test_samples_are_of_the_class_that_was_asked_for(family, trained):
    X, y = family.real()
    judge = LogisticRegression().fit(numbers(X), y)
    asked = np.repeat(["dark", "light"], 50)
    assert judge.score(numbers(trained.sample(asked, random_state=0)), asked) > 0.75


def test_samples_of_a_class_score_higher_in_it_than_others(family, trained):
    if not isinstance(trained, Scorer):
        pytest.skip("it scores no samples")
    X, y = family.real()
    ahead = []
    for label in ("dark", "light"):
        scores = trained.score_samples(X, [label] * len(y))
        assert scores.shape == (len(y),)
        ahead.append(scores[y == label].mean() - scores[y != label].mean())
    assert np.mean(ahead) > 0
    assert trained.score_samples(X[:0], []).shape == (0,)
    with pytest.raises(ValueError, match="must have the same length"):
        trained.score_samples(X, ["dark"])
    with pytest.raises(ValueError, match="trained on the classes 'dark', 'light'"):
        trained.score_samples(X[:1], ["dim"])


@pytest.fixture(scope="module")
def with_groups(family):
    if not takes(family.cls.fit, "groups"):
        pytest.skip("it learns no groups")
    # What a flow makes of a cell without images differs from seed to seed after fewer.
    steps = 500 if family.name == "image-flow" else {"images": 250, "rows": 80}[family.kind]
    return family.made({"steps": steps, "batch_size": 16, "width": 32}).fit(*grouped(family.kind))


def test_a_pair_of_class_and_group_that_no_data_show_is_drawn_as_asked(family, with_groups):
    X, y, groups = grouped(family.kind, whole=True)
    assert with_groups.groups_.tolist() == list(GROUPS)
    assert with_groups.cell_counts_.dtype == np.int64
    assert with_groups.cell_counts_.tolist() == [[10, 10, 10], [0, 10, 10]]
    X = numbers(X[:, None] if family.kind == "images" else X)
    judges = [make_pipeline(StandardScaler(), LogisticRegression()).fit(X, target) for target in (y, groups)]
    drawn = numbers(with_groups.sample(["light"] * 60, ["new"] * 60, random_state=0))
    assert (judges[0].predict(drawn) == "light").mean() > 0.8
    assert (judges[1].predict(drawn) == "new").mean() > 0.6
    of_training = judges[1].predict(numbers(with_groups.sample(["light"] * 60, random_state=0)))
    assert (of_training == "new").mean() < 0.2


def test_with_groups_it_is_kept_and_copied_too(family, with_groups, tmp_path):
    asked = ["light", "dark"] * 6, [*GROUPS] * 4
    expected, unasked = with_groups.sample(*asked, random_state=3), with_groups.sample(asked[0], random_state=3)
    assert "groups_" not in vars(clone(with_groups))
    saved = with_groups.save(tmp_path / "model")
    assert "| 0 | 'new' | 10 | light |" in (saved / "README.md").read_text()
    for copy in (pickle.loads(pickle.dumps(with_groups)), ganaug.load(saved, device="cpu")):
        assert copy.groups_.tolist() == list(GROUPS)
        assert (copy.cell_counts_ == with_groups.cell_counts_).all()
        assert same(copy.sample(*asked, random_state=3), expected)
        assert same(copy.sample(asked[0], random_state=3), unasked)
    if family.kind == "images":
        places = with_groups.class_indices(asked[0]), with_groups.group_indices(asked[1])
        assert same(draw_images(with_groups, *places, random_state=3), expected)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            ["new", "newer"],
            "cannot sample group 'newer': the generator was trained on the groups 'new', 'old', 'older'",
        ),
        (["new"], "got 2 labels and 1 groups; pass a group for each label"),
        ("new", "groups must have one dimension"),
    ],
)
def test_groups_that_are_none_of_its_own_are_refused(with_groups, quick, groups, message):
    with pytest.raises(ValueError, match=message):
        with_groups.sample(["dark", "light"], groups)
    with pytest.raises(ValueError, match="was trained without groups"):
        quick.sample(["dark", "light"], ["new", "old"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda y: y[:-1], "groups|length"),
        (lambda y: np.arange(len(y)), "got a different one for each of"),
        (lambda y: y, "groups equal the labels"),
        (lambda y: np.full(len(y), "one"), "at least two groups"),
        (lambda y: np.full(len(y), np.nan), "groups are missing for all"),
        (lambda y: np.where(y == "dark", "a", np.repeat(["b", "c"], len(y) // 2)), "nothing separates class"),
    ],
)
def test_groups_that_cannot_be_learnt_are_refused_in_a_sentence(family, wrong, message):
    X, y = data(family.kind)
    with pytest.raises(ValueError, match=message) as refused:
        family.made().fit(X, y, groups=wrong(y))
    assert "\n" not in str(refused.value)


def test_missing_groups_are_one_of_their_own_and_another_grouping_is_not_resumed(family, tmp_path):
    X, y, groups = grouped(family.kind)
    groups = np.where(groups == "new", None, groups)
    options = {"steps": 6, "checkpoint_every": 2}
    whole = family.made(steps=6).fit(X, y, groups)
    assert whole.groups_.tolist() == ["old", "older", "unknown"]
    asked = ["light"] * 4, ["unknown"] * 4
    drawn = whole.sample(*asked, random_state=0)
    if not family.has("checkpoint_dir"):
        assert len(drawn) == 4
        return
    folder = tmp_path / "checkpoints"
    family.made(**options, checkpoint_dir=folder).fit(X, y, groups)
    for later in sorted(folder.glob("checkpoint-*"))[1:]:
        later.unlink()
    resumed = family.made(**options, checkpoint_dir=folder).fit(X, y, groups)
    assert resumed.resumed_from_ == 2
    assert same(resumed.sample(*asked, random_state=0), drawn)
    for other in (groups[::-1], None):
        with pytest.raises(ValueError, match="checkpoint_dir"):
            family.made(**options, checkpoint_dir=folder).fit(X, y, other)
