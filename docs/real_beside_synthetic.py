"""Draw the picture of the README and of the site's first page: real digits on the left, synthetic ones on the right.

python docs/real_beside_synthetic.py [--steps 700] (pip install "ganaug[bench]", whose data set "mnist5k" it uses; two
minutes on one CPU core).
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from ganaug import ImageGAN, labelled_images

ROWS, COLUMNS, SCALE, GAP = range(10), 8, 2, 12
OUTPUT = Path(__file__).parent / "_static" / "real_beside_synthetic.png"


def sheet(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Grey images (n, 28, 28) as one picture, a row per class."""
    return np.vstack([np.hstack(images[labels == label][:COLUMNS]) for label in ROWS])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=700, help="updates of each network")
    steps = parser.parse_args().steps

    digits = labelled_images("mnist5k")
    gan = ImageGAN(steps=steps, random_state=0).fit(digits)
    asked = np.repeat(ROWS, COLUMNS)
    drawn = gan.sample(asked, random_state=0)[:, 0].numpy()
    real = digits.images[:, 0]
    pages = [255 - sheet(real, np.asarray(digits.labels)), 255 - sheet(drawn, asked)]
    between = np.full((len(pages[0]), GAP), 200, dtype=np.uint8)
    picture = Image.fromarray(np.hstack([pages[0], between, pages[1]]))
    picture = picture.resize((picture.width * SCALE, picture.height * SCALE), Image.Resampling.LANCZOS)
    picture.quantize(16).save(OUTPUT, optimize=True)
    print(f"{OUTPUT}: {OUTPUT.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
