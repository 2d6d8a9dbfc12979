"""Draw digits by flow matching, with and without guidance, and over-sample a table by it."""

import argparse

from sklearn.datasets import load_wine

from ganaug import GANOverSampler, ImageFlow, TableFlow, labelled_images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=800, help="updates of each network")
    steps = parser.parse_args().steps

    digits = labelled_images("digits").subset(range(600))
    flow = ImageFlow(steps=steps, random_state=0, verbose=False).fit(digits)
    print("plain:", flow.show("plain.png", random_state=1))
    guided = flow.with_sampling(guidance=2.0, sampling_steps=8)  # the same weights
    print("guided, at four times the cost:", guided.show("guided.png", random_state=1))

    X, y = load_wine(return_X_y=True, as_frame=True)
    sampler = GANOverSampler(generator=TableFlow(steps=steps, verbose=False), random_state=0)
    X_new, _ = sampler.fit_resample(X, y)
    added = X_new[sampler.synthetic_mask_]
    print(f"{len(added)} rows added to {len(X)}:", added.iloc[0].to_dict())


if __name__ == "__main__":
    main()
