"""Over-sample inside an imbalanced-learn pipeline: search the GAN's steps, then tune the decision threshold."""

import argparse

from imblearn.pipeline import make_pipeline
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, train_test_split

from ganaug import GANOverSampler, TableGAN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="of the GAN; half as many are tried too")
    steps = parser.parse_args().steps

    X, y = make_classification(600, 8, n_informative=5, weights=[0.93], class_sep=0.9, random_state=0)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    sampler = GANOverSampler(generator=TableGAN(verbose=False), random_state=0)
    pipeline = make_pipeline(sampler, LogisticRegression())
    # The sampler is fitted on the training part of each fold only: the pipeline sees to that.
    grid = {"ganoversampler__generator__steps": [steps // 2, steps], "ganoversampler__sampling_strategy": [0.5, 1.0]}
    search = GridSearchCV(pipeline, grid, scoring="balanced_accuracy", cv=2).fit(X_train, y_train)
    tuned = TunedThresholdClassifierCV(search.best_estimator_, cv=2).fit(X_train, y_train)
    plain = LogisticRegression().fit(X_train, y_train)
    for name, model in (("as it is", plain), ("over-sampled", search), ("and threshold tuned", tuned)):
        print(f"{name:20s} {balanced_accuracy_score(y_test, model.predict(X_test)):.3f}")


if __name__ == "__main__":
    main()
