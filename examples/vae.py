"""Train variational autoencoders of images and of rows, look at samples, and find what is unlike the training data."""

import argparse

import numpy as np
from sklearn.datasets import load_wine
from sklearn.metrics import roc_auc_score

from ganaug import ImageVAE, TableVAE, labelled_images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, help="of each training; by default as many as suffice")
    steps = parser.parse_args().steps or "auto"

    everything = labelled_images("digits")
    mixed = np.random.default_rng(0).permutation(len(everything))
    digits, others = everything.subset(mixed[:600]), everything.subset(mixed[600:1000])
    vae = ImageVAE(steps=steps, random_state=0).fit(digits)
    vae.show("digits.png")
    reading = vae.history_[-1]
    print(f"an image takes {reading['divergence'] - reading['log_likelihood']:.0f} nats; samples are in digits.png")

    upside_down = others.images[:, :, ::-1].copy()
    scores = [vae.score_samples(images, others.labels) for images in (others.images, upside_down)]
    auc = roc_auc_score(np.repeat([1, 0], len(others)), np.concatenate(scores))
    print(f"images that were not trained on score higher than the same upside down with an AUC of {auc:.3f}")

    X, y = load_wine(return_X_y=True, as_frame=True)
    table = TableVAE(steps=steps, random_state=0).fit(X, y)
    print(table.sample([0, 1, 2], random_state=0).round(2).T)


if __name__ == "__main__":
    main()
