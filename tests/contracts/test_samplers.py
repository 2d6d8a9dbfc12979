"""imbalanced-learn's and scikit-learn's own checks on the samplers, and on the classifier that stands on them."""

import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.utils.estimator_checks import parametrize_with_checks as parametrize_with_imblearn_checks
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from ganaug import DistilledClassifier, GANOverSampler, SafeOverSampler, TableGAN

SAMPLER = GANOverSampler(generator=TableGAN(steps=5, batch_size=16, width=16, verbose=False), random_state=0)
SAFE = SafeOverSampler(RandomOverSampler(random_state=0), cv=2, random_state=0)
DISTILLED = DistilledClassifier(
    DecisionTreeClassifier(), teacher=GaussianNB(), sampler=RandomOverSampler(), ratios=[1], cv=2, random_state=0
)
# What a sampler that may add nothing cannot promise, and why.
NOT_PROMISED = {"check_samplers_fit_resample": "asks for balanced classes, whatever validation says"}


def listed(mark):
    """The checks as a list: pytest no longer takes a generator."""
    return pytest.mark.parametrize(mark.args[0], list(mark.args[1]), **mark.kwargs)


@listed(parametrize_with_imblearn_checks([SAMPLER, SAFE]))
def test_imbalanced_learn_conventions(estimator, check):
    name = check.func.__name__
    if isinstance(estimator, SafeOverSampler) and name in NOT_PROMISED:
        pytest.skip(NOT_PROMISED[name])
    check(estimator)


@listed(parametrize_with_checks([SAMPLER, SAFE, DISTILLED]))
def test_scikit_learn_conventions(estimator, check):
    check(estimator)
