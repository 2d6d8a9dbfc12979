"""Whatever states of torch, numpy, pandas and scikit-learn a host program has set, results are the same."""

import decimal
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from torch.utils.data import TensorDataset

from ganaug import (
    AugmentedDataset,
    GANOverSampler,
    ImageGAN,
    RandomSynthetic,
    RunOptions,
    SafeOverSampler,
    SyntheticMix,
    SyntheticPool,
    TableGAN,
    choose_ratio,
    labelled_images,
)
from ganaug.audit import audit, explain
from ganaug.curation import NoCopies
from ganaug.metrics import (
    ClassifierConfig,
    classification_accuracy_score,
    data_extractor,
    features,
    image_report,
    nearest,
    table_report,
)

QUICK = {"steps": 3, "random_state": 0, "device": "cpu", "verbose": False}
POOLED = torch.nn.AdaptiveAvgPool2d(2)
FEW = ClassifierConfig(steps=2, batch_size=8)


@contextmanager
def setting(set_state, value, before):
    set_state(value)
    try:
        yield
    finally:
        set_state(before)


@contextmanager
def decimals_are_short():
    with decimal.localcontext() as context:
        context.prec = 3
        context.traps[decimal.Inexact] = True
        yield


@contextmanager
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def pandas_option(name, value):
    with warnings.catch_warnings(action="ignore"), pd.option_context(name, value):  # some are going to be removed
        yield


STATES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default device": lambda: setting(torch.set_default_device, "meta", None),
    "device context": lambda: torch.device("meta"),
    "float64": lambda: setting(torch.set_default_dtype, torch.float64, torch.float32),
    "bfloat16": lambda: setting(torch.set_default_dtype, torch.bfloat16, torch.float32),
    "deterministic": lambda: setting(torch.use_deterministic_algorithms, True, False),
    "denormals flushed": lambda: setting(torch.set_flush_denormal, True, False),
    "printed short": lambda: np.printoptions(precision=1, threshold=2, legacy="1.13"),
    "numpy raises": lambda: np.errstate(all="raise"),
    "decimals": decimals_are_short,
    "warnings": warnings_are_errors,
    "pandas out": lambda: sklearn.config_context(transform_output="pandas"),
    "polars out": lambda: sklearn.config_context(transform_output="polars"),
    "routing": lambda: sklearn.config_context(enable_metadata_routing=True),
    "nothing checked": lambda: sklearn.config_context(assume_finite=True, skip_parameter_validation=True),
    "little memory": lambda: sklearn.config_context(working_memory=0.001, pairwise_dist_chunk_size=50),
    "no text dtype": lambda: pandas_option("future.infer_string", False),
    "python text": lambda: pandas_option("mode.string_storage", "python"),
    "no numexpr": lambda: pandas_option("compute.use_numexpr", False),
}
TOGETHER = (
    "inference_mode",
    "autocast",
    "default device",
    "float64",
    "deterministic",
    "denormals flushed",
    "numpy raises",
    "decimals",
    "pandas out",
    "routing",
    "nothing checked",
)


@contextmanager
def all_states():
    with ExitStack() as stack:
        for name in TOGETHER:
            stack.enter_context(STATES[name]())
        yield


@pytest.fixture(scope="module")
def digits():
    data = labelled_images("digits")
    return data.subset(np.concatenate([np.flatnonzero(data.labels == c)[:10] for c in (0, 1)]))


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "a": rng.normal(size=60),
            "b": rng.integers(0, 9, 60),
            "c": rng.choice(["x", "y", "z"], 60),
            "d": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 99, 60), "D"),
        }
    )
    X.loc[::7, ["a", "c"]] = None
    return X, np.repeat([0, 1], [40, 20])


class Made:
    """What the calls share, made before any state is set."""

    def __init__(self, digits, table, folder):
        self.digits, (self.X, self.y), self.folder = digits, table, folder
        self.more_digits = labelled_images("digits").subset(range(75))
        self.images, self.labels = digits.images, digits.labels
        self.gan = ImageGAN(**QUICK).fit(digits)
        self.rows = TableGAN(steps=3, members=2, random_state=0, device="cpu", verbose=False).fit(self.X, self.y)
        self.saved, self.saved_rows = self.gan.save(folder / "images"), self.rows.save(folder / "rows")
        self.pool = SyntheticPool.build(self.gan, folder / "pool", per_class=4, random_state=0)
        self.extractor = data_extractor(self.images, self.labels, config=FEW, device="cpu")
        self.n = 0

    def new_path(self):
        self.n += 1
        return self.folder / f"new{self.n}"


@pytest.fixture(scope="module")
def made(digits, table, tmp_path_factory):
    return Made(digits, table, tmp_path_factory.mktemp("host"))


def weights(gan):
    return [tensor.numpy() for tensor in gan.tensors().values()]


def seeded(call):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return call()


def mixed(made):
    images = torch.from_numpy(made.images[:6].copy()).to(torch.float32).div_(255)
    labels = torch.from_numpy(made.labels[:6].copy())
    return [part.cpu().numpy() for part in SyntheticMix(made.gan, p=0.5, balance="uniform")(images, labels)]


def one_mixed(made):
    return RandomSynthetic(made.pool, p=1.0)(torch.from_numpy(made.images[0].copy()), 1)[0].numpy()


def augmented(made):
    real = TensorDataset(torch.from_numpy(made.images), torch.from_numpy(made.labels))
    data = AugmentedDataset(real, made.gan, per_class=12, random_state=0)
    return [np.asarray(data[len(data) - 1][0]), len(data)]


def oversampled(made):
    sampler = GANOverSampler(generator=TableGAN(**{**QUICK, "members": 2}), random_state=0, selection=False)
    return sampler.fit_resample(made.X, made.y)


def safely(made):
    from imblearn.over_sampling import RandomOverSampler

    X = made.X[["b"]].to_numpy(dtype=float)
    return SafeOverSampler(RandomOverSampler(random_state=0), random_state=0).fit_resample(X, made.y)


def built(made):
    pool = SyntheticPool.build(
        made.gan, made.new_path(), per_class=3, real=made.digits, keep=[NoCopies(0.0)], random_state=0
    )
    return pool.read(range(len(pool))).numpy()


def explained(made, gan, X, y, **more):
    found = explain(
        gan.sample([0, 1], random_state=0), X, labels=[0, 1], train_labels=y, gan=gan, random_state=0, **more
    )
    return repr([one.to_dict() for one in found])


def chosen(made):
    decision = choose_ratio(
        ImageGAN(**{**QUICK, "steps": 1}),
        made.more_digits,
        ratios=(0.5,),
        filters=[()],
        starts=1,
        training=FEW,
        random_state=0,
        device="cpu",
    )
    return repr(decision)


CALLS = {
    "TableGAN.fit": lambda m: weights(TableGAN(**{**QUICK, "members": 2}).fit(m.X, m.y)),
    "ImageGAN.sample": lambda m: m.gan.sample([0, 1, 1], random_state=1).numpy(),
    "TableGAN.sample": lambda m: m.rows.sample([0, 1, 1], random_state=1),
    "interpolate": lambda m: m.gan.interpolate([0], steps=3, random_state=0).numpy(),
    "image scores": lambda m: m.gan.score_samples(m.images, m.labels),
    "row scores": lambda m: m.rows.score_samples(m.X, m.y),
    "ImageGAN.load": lambda m: weights(ImageGAN.load(m.saved, device="cpu")),
    "TableGAN.load": lambda m: TableGAN.load(m.saved_rows, device="cpu").sample([0, 1], random_state=0),
    "save": lambda m: (m.gan.save(m.new_path()) / "model.safetensors").read_bytes(),
    "pickle": lambda m: [w.copy() for w in weights(pickle.loads(pickle.dumps(m.gan)))],
    "pool": built,
    "pool.draw": lambda m: seeded(lambda: m.pool.draw([0, 1, 1])).numpy(),
    "SyntheticMix": lambda m: seeded(lambda: mixed(m)),
    "RandomSynthetic": lambda m: seeded(lambda: one_mixed(m)),
    "AugmentedDataset": augmented,
    "data_extractor": lambda m: weights_of(data_extractor(m.images, m.labels, config=FEW, device="cpu")),
    "features": lambda m: features(m.images, m.extractor, device="cpu"),
    "nearest": lambda m: nearest(m.images[:3], m.images[3:]),
    "accuracy score": lambda m: classification_accuracy_score(
        m.images, m.labels, m.images, m.labels, config=FEW, device="cpu"
    ),
    "labelled_images": lambda m: labelled_images(m.images.transpose(0, 2, 3, 1) / 255.0, m.labels).images,
}
LONG_CALLS = {
    "ImageGAN.fit": lambda m: weights(ImageGAN(**QUICK, run=RunOptions(validation_fraction=0.2)).fit(m.digits)),
    "GANOverSampler": oversampled,
    "SafeOverSampler": safely,
    "choose_ratio": chosen,
    "image_report": lambda m: repr(
        image_report(
            m.digits, m.gan.sample(m.labels, random_state=0), m.labels, classifier=FEW, extractor=POOLED, device="cpu"
        ).to_dict()
    ),
    "table_report": lambda m: repr(
        table_report(m.X, m.y, m.rows.sample(m.y, random_state=0), m.y, folds=2, random_state=0).to_dict()
    ),
    "audit images": lambda m: repr(audit(m.gan, m.digits, random_state=0, device="cpu").to_dict()),
    "audit rows": lambda m: repr(
        audit(m.rows.sample(m.y, random_state=0)[::2], m.X[::2], m.X[1::2], random_state=0).to_dict()
    ),
    "explain images": lambda m: explained(m, m.gan, m.digits, None, classifier_steps=2, device="cpu"),
    "explain rows": lambda m: explained(m, m.rows, m.X, m.y),
}


def weights_of(module):
    return [value.numpy() for value in module.state_dict().values()]


def same(a, b):
    if isinstance(a, pd.DataFrame):
        # Which dtype texts have is the host's to choose.
        pd.testing.assert_frame_equal(
            a.astype({name: object for name in a.columns if name == "c"}).set_axis(list("abcd"), axis=1),
            b.astype({name: object for name in b.columns if name == "c"}).set_axis(list("abcd"), axis=1),
            check_exact=True,
        )
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


def state():
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        str(torch.get_default_device()),
        np.geterr(),
        sklearn.get_config(),
        decimal.getcontext().prec,
    )


@pytest.fixture(scope="module")
def expected(made):
    """What each call gives where nothing is set; made when it is first asked for."""
    found = {}

    def of(name, call):
        if name not in found:
            found[name] = call(made)
        return found[name]

    return of


def check(name, call, entered, made, expected):
    right = expected(name, call)
    with entered():
        before = state()
        found = call(made)
        assert state() == before
    same(right, found)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("set_by_the_host", STATES)
def test_what_the_host_has_set_changes_nothing(set_by_the_host, name, made, expected):
    check(name, CALLS[name], STATES[set_by_the_host], made, expected)


@pytest.mark.parametrize("name", LONG_CALLS)
def test_many_states_at_once_change_nothing_either(name, made, expected):
    check(name, LONG_CALLS[name], all_states, made, expected)


def test_states_are_put_back_after_an_error(made):
    with all_states():
        before = state()
        with pytest.raises(ValueError, match="99"):
            made.gan.sample([99])
        with pytest.raises(ValueError, match="missing"):
            ImageGAN.load(made.folder / "missing")
        with pytest.raises(ValueError, match="class"):
            ImageGAN(**QUICK).fit(made.digits.subset([0, 1]))
        assert state() == before


def test_nothing_that_is_made_in_inference_mode_is_an_inference_tensor(made):
    with torch.inference_mode():
        gan = ImageGAN(**QUICK).fit(made.digits)
        tensors = [*gan.tensors().values(), gan.sample([0])]
        tensors += ImageGAN.load(made.saved, device="cpu").tensors().values()
        network = data_extractor(made.images, made.labels, config=FEW, device="cpu")
    assert not any(tensor.is_inference() for tensor in [*tensors, *network.parameters()])


def test_other_threads_keep_the_dtype_that_the_host_has_set(made):
    class Asks(torch.nn.Module):
        def forward(self, images):
            with ThreadPoolExecutor(1) as thread:
                seen.append((torch.zeros(1).dtype, thread.submit(lambda: torch.zeros(1).dtype).result()))
            return images

    seen = []
    with STATES["float64"]():
        features(made.images, Asks(), device="cpu")
    assert seen == [(torch.float32, torch.float64)]
