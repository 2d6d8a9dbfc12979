"""What "auto" stands for where a generator is named: one rule, wherever names are taken."""

import json

import numpy as np
import pytest

from ganaug import GANOverSampler, ImageGAN, TableGAN
from ganaug.bench.methods.making import make_generator
from ganaug.bench.suite.plugins import Plugin
from ganaug.cli import main
from ganaug.curation import LocalSampler, Mixture
from ganaug.generators import generator_class, generator_names

X = np.random.default_rng(0).normal(size=(40, 2))
Y = np.arange(40) < 10


class Local(GANOverSampler):
    """Draws from the local sampler alone, and says what else it was handed."""

    def make_mixture(self, generator, data):
        self.handed_ = type(generator.generator)
        return Mixture([(LocalSampler(), 1)])


def test_it_is_one_of_the_registered_generators_of_the_kind_everywhere(tmp_path, capsys):
    for kind in ("images", "rows"):
        assert generator_class("auto", kind) in {generator_class(name) for name in generator_names(kind)}
        assert type(make_generator(Plugin("auto", "auto"), kind)) is generator_class("auto", kind)
    sampler = Local(generator="auto", random_state=0)
    assert len(sampler.fit_resample(X, Y)[0]) == 60
    assert sampler.handed_ is generator_class("auto", "rows")
    with pytest.raises(SystemExit):
        main(["fit", "images", "digits", "--generator", "auto", "--dry-run", "-o", str(tmp_path / "model")])
    planned = json.loads(capsys.readouterr().out)
    assert planned["architecture"]["n_classes"] == 10


def test_where_nothing_is_named_the_gan_stays():
    sampler = Local(random_state=0)
    sampler.fit_resample(X, Y)
    assert sampler.handed_ is TableGAN
    assert generator_class("gan", "images") is ImageGAN


def test_without_a_kind_it_stands_for_nothing():
    with pytest.raises(
        ValueError, match=r"^generator 'auto' is chosen by what is drawn, images or rows, got None; name"
    ):
        generator_class("auto")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generator": "auto", "prefit": True}, "prefit=True needs a fitted generator"),
        ({"generator": "table-vae"}, "The 'generator' parameter of GANOverSampler must be"),
    ],
)
def test_other_names_and_fitted_ones_are_none_of_an_over_sampler(options, message):
    with pytest.raises(ValueError, match=message):
        GANOverSampler(**options).fit_resample(X, Y)


def test_the_rule_has_no_parameters_to_set():
    with pytest.raises(
        ValueError, match=r"^generator__steps is a parameter of an object, and generator is 'auto'; set"
    ):
        GANOverSampler(generator="auto").set_params(generator__steps=5)
    assert GANOverSampler().set_params(generator__steps=5).generator.steps == 5
