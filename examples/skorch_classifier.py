"""A network in scikit-learn's manner by skorch, behind an over-sampler in a pipeline."""

import argparse

import numpy as np
import torch
from imblearn.pipeline import make_pipeline
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

from ganaug import GANOverSampler, TableGAN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300, help="of the GAN")
    arguments = parser.parse_args()
    X, y = make_classification(600, 8, n_informative=4, weights=[0.9], random_state=0)
    X_train, X_test, y_train, y_test = train_test_split(X.astype(np.float32), y, stratify=y, random_state=0)
    torch.manual_seed(0)
    network = NeuralNetClassifier(
        nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2)),
        criterion=nn.CrossEntropyLoss,
        max_epochs=10,
        lr=0.1,
        verbose=0,
    )
    gan = TableGAN(steps=arguments.steps, verbose=False)
    for name, steps in {
        "as it is": [StandardScaler(), network],
        "over-sampled": [StandardScaler(), GANOverSampler(generator=gan, random_state=0), network],
    }.items():
        predicted = make_pipeline(*steps).fit(X_train, y_train).predict(X_test)
        print(f"{name:14s} balanced accuracy {balanced_accuracy_score(y_test, predicted):.3f}")


if __name__ == "__main__":
    main()
