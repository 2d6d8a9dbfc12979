"""A smoke test of the benchmark: at its defaults the sampler is not worse than SMOTE by more than can be ignored."""

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from ganaug import GANOverSampler, TableGAN

ROPE = 0.02  # of balanced accuracy: differences below it are of no interest
SPLITS = 2
TABLES = {  # rows of each class that are kept
    "breast cancer": (load_breast_cancer, [20, 200]),
    "wine": (load_wine, [30, 30, 8]),
    "digits": (load_digits, [60, 46, 36, 28, 22, 17, 13, 10, 8, 6]),
}


def imbalanced(name, seed):
    load, sizes = TABLES[name]
    X, y = load(return_X_y=True)
    randomness = np.random.default_rng(seed)
    train, test, _, y_test = train_test_split(np.arange(len(y)), y, test_size=0.4, stratify=y, random_state=seed)
    kept = np.concatenate([randomness.permutation(train[y[train] == c])[:n] for c, n in enumerate(sizes)])
    scaler = StandardScaler().fit(X[kept])
    return scaler.transform(X[kept]), y[kept], scaler.transform(X[test]), y_test


@pytest.mark.usefixtures("all_trees")
@pytest.mark.parametrize("name", TABLES)
def test_it_is_not_worse_than_smote(name):
    gains = {}
    for seed in range(SPLITS):
        X, y, X_test, y_test = imbalanced(name, seed)
        ours = GANOverSampler(generator=TableGAN(steps=300, verbose=False), random_state=seed)
        resampled = [sampler.fit_resample(X, y) for sampler in (ours, SMOTE(random_state=seed))]
        for classifier in (LogisticRegression(max_iter=2000), RandomForestClassifier(100, random_state=seed)):
            predicted = [classifier.fit(*rows).predict(X_test) for rows in resampled]
            scores = [balanced_accuracy_score(y_test, labels) for labels in predicted]
            gains[seed, type(classifier).__name__] = round(scores[0] - scores[1], 3)
    assert np.mean(list(gains.values())) > -ROPE, {key: gain for key, gain in gains.items() if gain < 0}
