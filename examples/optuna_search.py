"""Let optuna choose the settings of the generator of an over-sampler, by cross-validation of the whole pipeline."""

import argparse

import optuna
from imblearn.pipeline import Pipeline
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from ganaug import GANOverSampler, TableGAN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300, help="of each GAN")
    parser.add_argument("--trials", type=int, default=3)
    arguments = parser.parse_args()
    X, y = make_classification(300, 6, weights=[0.85], random_state=0)
    generator = TableGAN(steps=arguments.steps, verbose=False)
    model = Pipeline(
        [
            ("sampler", GANOverSampler(generator=generator, random_state=0)),
            ("classifier", LogisticRegression(max_iter=1000)),
        ]
    )

    def score(trial: optuna.Trial) -> float:
        model.set_params(
            sampler__generator__width=trial.suggest_categorical("width", [16, 64]),
            sampler__generator__learning_rate=trial.suggest_float("learning_rate", 3e-4, 3e-3, log=True),
            sampler__sampling_strategy=trial.suggest_float("sampling_strategy", 0.3, 1.0),
        )
        return cross_val_score(model, X, y, cv=2, scoring="average_precision").mean()

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(score, n_trials=arguments.trials)
    print(f"average precision {study.best_value:.3f} with {study.best_params}")


if __name__ == "__main__":
    main()
