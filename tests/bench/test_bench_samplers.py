import sys
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import RandomOverSampler

from ganaug.bench.inputs.datasets import TableData, load_table
from ganaug.bench.methods.classifiers import Columns
from ganaug.bench.methods.generators import CTGANGenerator, Gaussian, Kernel
from ganaug.bench.methods.peers import PACKAGES
from ganaug.bench.methods.samplers import SAMPLERS, check_sampler, resample
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import TableArm

QUICK = {"generator": {"steps": 5}, "selection": False}
FAST = {"gan": QUICK, "safe": {"sampler": QUICK, "cv": 2, "ratios": [1.0]}}
FAST["table-gan"] = {"steps": 5}  # a registered generator, on its own
NAMES = sorted({*SAMPLERS, "table-gan"} - {*PACKAGES, "gaussian"})  # which draws numbers only


def mixed(counts=(60, 20, 9), seed=0, numeric=True, nominal=True):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    columns = {}
    if numeric:
        columns |= {"a": rng.normal(size=len(y)) + y, "b": rng.integers(0, 9, len(y)) + y}
    if nominal:
        columns |= {"kind": rng.choice(["u", "v", "w"], len(y)), "town": rng.choice(["x", "y"], len(y))}
    return TableData(pd.DataFrame(columns), y, ("kind", "town") if nominal else ())


def drawn(name, data, seed=0, **arm):
    treated = TableArm(name, Plugin(name, name, FAST.get(name, {})), **arm)
    return resample(treated, data, Columns(data), seed)


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_filled_up_originals_come_first_and_the_seed_decides(name):
    data = mixed()
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    (X, y), _ = drawn(name, data)
    if name == "adasyn":  # it draws about as many as are asked for
        assert np.abs(np.bincount(y) - 60).max() < 12
    elif name != "safe":  # which may add nothing
        assert np.bincount(y).tolist() == [60, 60, 60]
    np.testing.assert_array_equal(y[:89], data.y)
    np.testing.assert_allclose(X[:89], Columns(data)(data.X), atol=1e-9)
    assert np.isfinite(X).all()
    np.testing.assert_array_equal(drawn(name, data)[0][0], X)
    if name != "safe":
        other = drawn(name, data, seed=1)[0][0]
        assert other.shape != X.shape or not np.allclose(other, X)
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"adasyn", "safe"}))
def test_a_ratio_fills_up_in_part(name):
    (_, y), _ = drawn(name, mixed(), ratio=0.5)
    assert np.bincount(y).tolist() == [60, 40, 9 + round(0.5 * 51)]


@pytest.mark.parametrize("name", ["smote", "smotenc", "copula", "gan", "table-gan"])
def test_rows_are_added_to_each_class_though_all_are_equal(name):
    (_, y), _ = drawn(name, mixed((20, 20, 12)), per_class=9)
    assert np.bincount(y).tolist() == [29, 29, 21]


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"safe"}))
@pytest.mark.parametrize("kinds", [{"numeric": False}, {"nominal": False}])
def test_tables_of_one_kind(name, kinds):
    (_, y), _ = drawn(name, mixed((40, 15), **kinds))
    assert abs(int((y == 1).sum()) - 40) < 8


@pytest.mark.parametrize("name", ["random", "smoothed-bootstrap", "smote", "smotenc", "borderline", "adasyn", "gan"])
@pytest.mark.parametrize("numeric", [True, False])
@pytest.mark.filterwarnings("ignore:class 2 has a single row")
def test_a_class_of_one_row(name, numeric):
    (X, y), note = drawn(name, mixed((30, 12, 1), numeric=numeric))
    assert len(X) == len(y)
    assert abs(int((y == 2).sum()) - 30) < 8
    if name in ("smote", "smotenc", "borderline", "adasyn"):
        assert "classes of one row were duplicated" in note or "SMOTE in its place" in note


def test_a_table_that_a_sampler_refuses_is_left_to_smote_and_told():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [60, 20])
    apart = TableData(pd.DataFrame(rng.normal(size=(80, 2)) + 100 * y[:, None], columns=["a", "b"]), y, ())
    (_, labels), note = drawn("adasyn", apart)
    assert note.startswith("SMOTE in its place, for it refused: ")
    assert np.bincount(labels).tolist() == [60, 60]


def test_a_sampler_that_finds_nothing_to_add_says_so():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [60, 20])
    apart = TableData(pd.DataFrame(rng.normal(size=(80, 2)) + 100 * y[:, None], columns=["a", "b"]), y, ())
    (_, labels), note = drawn("borderline", apart)  # which looks at rows that have others of their class around
    assert np.bincount(labels).tolist() == [60, 20]
    assert note == "classes that it found no rows to add to: 1"
    assert drawn("smote", apart)[1] is None


@pytest.mark.parametrize(
    ("name", "params"),
    [("adasyn", {"n_neighbors": -3}), ("adasyn", {"n_neighbors": 200}), ("borderline", {"kind": "foo"})],
)
def test_nothing_runs_in_the_place_of_a_sampler_with_wrong_parameters(name, params):
    data = mixed((60, 20))
    with pytest.raises(ValueError, match=r"n_neighbors|kind"):
        resample(TableArm(name, Plugin(name, name, params)), data, Columns(data), 0)


def test_missing_values_reach_the_gan_and_no_classifier():
    data = mixed()
    data.X.loc[:20, "a"] = np.nan
    data.X.loc[10:30, "kind"] = None
    (X, y), _ = drawn("gan", data)
    assert np.bincount(y).tolist() == [60, 60, 60]
    assert np.isfinite(X).all()


@pytest.fixture
def gaps(tmp_path):
    """A table as CSV files are read, with dates, missing values in each column, and a column of nothing else."""
    data = mixed((60, 20))
    table = data.X.assign(since=pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(80), unit="D"), empty=None)
    table["b"] = table["b"].astype("Int64")
    for i, name in enumerate(["a", "b", "kind", "town", "since"]):
        table.loc[i::7, name] = None
    table.assign(y=data.y).to_csv(tmp_path / "gaps.csv", index=False)
    return load_table(Plugin("gaps", str(tmp_path / "gaps.csv"), {"target": "y"}))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"safe"}))
@pytest.mark.filterwarnings("ignore:column 'empty'")
def test_dates_missing_values_and_empty_columns_are_no_obstacle(name, gaps):
    assert gaps.X.isna().any().all()
    (X, y), _ = drawn(name, gaps)
    assert np.isfinite(X).all()
    assert abs(int((y == 1).sum()) - 60) < 8
    if name not in ("random", "smoothed-bootstrap"):
        assert len(np.unique(X[80:], axis=0)) > 20


@pytest.mark.parametrize("make", [Kernel])
def test_generators_give_back_dates_and_gaps(make, gaps):
    labels = np.repeat([0, 1], 200)
    rows = make(nominal=gaps.nominal).fit(gaps.X, gaps.y).sample(labels, random_state=0)
    assert rows.dtypes.tolist() == gaps.X.dtypes.tolist()
    shares = gaps.X[gaps.y == 0].isna().mean()
    assert (rows[labels == 0].isna().mean() - shares).abs().max() < 0.1
    assert abs(rows["since"].mean() - gaps.X["since"].mean()) < pd.Timedelta(days=15)
    assert rows["since"].nunique() > 100


@pytest.mark.parametrize("make", [Kernel])
def test_a_generator_of_a_table_without_gaps_fills_in_nothing(make):
    data = mixed((60, 20))
    generator = make(nominal=data.nominal).fit(data.X, data.y)
    part = generator.parts_[0]
    pd.testing.assert_frame_equal(generator._filled(part, part.isna(), None), part)


class Seeing(RandomOverSampler):
    seen: ClassVar[list] = []

    def fit_resample(self, X, y):
        self.seen.append(X)
        return super().fit_resample(X, y)


@pytest.mark.parametrize("raw", [True, False])
def test_samplers_by_import_path_get_numbers_or_the_table_itself(raw, monkeypatch):
    monkeypatch.setitem(sys.modules, "own_seeing", sys.modules[__name__])
    data = mixed()
    arm = TableArm("mine", Plugin("mine", "own_seeing.Seeing"), raw=raw, ratio=0.5)
    (X, y), _ = resample(arm, data, Columns(data), seed=3)
    assert isinstance(Seeing.seen[-1], pd.DataFrame if raw else np.ndarray)
    assert np.bincount(y).tolist() == [60, 40, 35]
    assert X.shape[1] == 2 + 3 + 2


def test_missing_generators_are_told_before_anything_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctgan", None)
    for plugin in (Plugin("ctgan", "ctgan"), Plugin("gan", "gan", {"generator": "tvae"})):
        with pytest.raises(ValueError, match="needs the package ctgan, which is not there: pip install ctgan"):
            check_sampler(plugin)
    for name, package in (("arf", "arfpy"), ("forest-diffusion", "ForestDiffusion"), ("tabular-argn", "mostlyai")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ValueError, match=rf'needs the package {package}, which .*: pip install "ganaug\[peers\]"'):
            check_sampler(Plugin("gan", "gan", {"generator": name}))
    with pytest.raises(ValueError, match="there is no sampler 'table-gam'; did you mean 'table-gan'"):
        check_sampler(Plugin("table-gam", "table-gam"))
    with pytest.raises(ValueError, match="there is no generator 'cpula'; did you mean 'copula'"):
        check_sampler(Plugin("gan", "gan", {"generator": "cpula"}))


@pytest.mark.parametrize("make", [Kernel])
def test_generators_know_the_classes_and_keep_what_the_columns_are(make):
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], [400, 300])
    x = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 700) + 10 * (y == "yes")[:, None]
    kind = np.where(y == "yes", "u", rng.choice(["v", "w"], 700))
    X = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "n": rng.integers(0, 50, 700), "kind": kind})
    generator = make(nominal=("kind",)).fit(X, y)
    labels = np.array(["yes", "no"] * 500)
    rows = generator.sample(labels, random_state=0)
    assert rows.dtypes.tolist() == X.dtypes.tolist()
    assert set(rows["kind"][labels == "yes"]) == {"u"}
    assert set(rows["kind"][labels == "no"]) == {"v", "w"}
    for label in ("yes", "no"):
        real, synthetic = X[y == label], rows[labels == label]
        assert abs(real["a"].mean() - synthetic["a"].mean()) < 0.3
        assert abs(np.corrcoef(synthetic["a"], synthetic["b"])[0, 1] - 0.8) < 0.25
    pd.testing.assert_frame_equal(rows, generator.sample(labels, random_state=0))


def test_a_gaussian_has_the_means_of_the_classes_and_one_covariance_and_takes_no_names():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [600, 300])
    x = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 900) + 10 * y[:, None]
    X = pd.DataFrame({"a": x[:, 0], "n": np.rint(x[:, 1]).astype(int)})
    X.loc[::5, "a"] = np.nan
    labels = np.arange(2000) % 2
    rows = Gaussian().fit(X, y).sample(labels, random_state=0)
    assert rows.dtypes.tolist() == X.dtypes.tolist()
    for label in (0, 1):
        found = rows[labels == label]
        assert found["n"].mean() == pytest.approx(10 * label, abs=0.2)
        assert found["n"].std() == pytest.approx(1, abs=0.1)
        assert found["a"].isna().mean() == pytest.approx(0.2, abs=0.05)
    with pytest.raises(
        ValueError, match=r"gaussian draws numbers only, but column 'kind' holds names; name the .*copula"
    ):
        drawn("gaussian", mixed())


class FakeCTGAN:
    """Stands for the package ctgan, which draws rows of any class and from the global states."""

    def __init__(self, epochs):
        self.epochs = epochs

    def fit(self, table, discrete):
        self.table, self.discrete = table, discrete

    def sample(self, n, condition_column=None, condition_value=None):
        return self.table.iloc[np.random.randint(len(self.table), size=n)]


def test_ctgan_rows_of_other_classes_are_thrown_away_and_global_states_kept(monkeypatch):
    module = type(sys)("ctgan")
    module.CTGAN = module.TVAE = FakeCTGAN
    monkeypatch.setitem(sys.modules, "ctgan", module)
    data = mixed((60, 20))
    state = np.random.get_state()[1].copy()
    for model in ("CTGAN", "TVAE"):
        generator = CTGANGenerator(nominal=data.nominal, model=model, epochs=1).fit(data.X, data.y)
        assert generator.model_.discrete == ["kind", "town", "\0"]
        labels = np.array([1, 0, 1, 1])
        rows = generator.sample(labels, random_state=0)
        for label, (_, row) in zip(labels, rows.iterrows(), strict=True):
            assert (data.X[data.y == label] == row).all(axis=1).any()
    assert np.array_equal(state, np.random.get_state()[1])
    (_, y), _ = resample(TableArm("ctgan", Plugin("ctgan", "ctgan", {"epochs": 1})), data, Columns(data), 0)
    assert np.bincount(y).tolist() == [60, 60]


@pytest.mark.parametrize("name", ["additive-transfer", "table-gan"])
def test_rows_that_fill_cells_keep_numbers_that_are_only_names(name):
    y, groups = np.arange(120) % 2, np.array(["u", "v", "w"])[np.arange(120) // 2 % 3]
    code = np.where(groups == "w", 1000, 10 * np.random.default_rng(0).permutation(60).repeat(2))
    table = pd.DataFrame({"a": np.linspace(0, 1, 120), "code": code})
    kept = (y == 0) | (groups != "w")
    data = TableData(table[kept].reset_index(drop=True), y[kept], ("code",), groups[kept])
    arm = TableArm(name, Plugin(name, name, {"steps": 5} if name == "table-gan" else {}), cells="empty")
    (rows, labels), note = resample(arm, data, Columns(data), 0)
    assert (len(rows), labels[100:].tolist(), note) == (120, [1] * 20, None)
    assert (rows[100:, 1:].sum(1) == 1).all()  # one of the codes, never a number between them
