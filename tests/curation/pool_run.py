"""Build pools among other processes, and print how that went: python pool_run.py MODEL FOLDER."""

import json
import sys
import warnings
from pathlib import Path

from ganaug import ImageGAN, SyntheticPool, labelled_images
from ganaug.curation import DiscriminatorRank, NoCopies, pool_files
from ganaug.engine.distributed import current_context


def built(gan, path, **options):
    with warnings.catch_warnings(record=True):
        try:
            pool = SyntheticPool.build(gan, path, distributed=True, **options)
        except (ValueError, RuntimeError, OSError) as error:
            return f"{type(error).__name__}: {error}"
    return len(pool)


def main(model, folder):
    gan = ImageGAN.load(model, device="cpu")
    rank = current_context(True).rank
    digits = labelled_images("digits").subset(range(300))
    filters = {"real": digits, "keep": [DiscriminatorRank(0.5), NoCopies()]}
    found = {
        "seeded": built(gan, folder / "seeded", per_class=40, random_state=3, **filters),
        "unseeded": built(gan, folder / "unseeded", per_class={2: 5, 7: 6}),
        "there": built(gan, folder / "there", per_class=1),
        "in use": built(gan, folder / "seeded", per_class=1),
        "unlike": built(gan, folder / "unlike", per_class=1 + rank),
    }
    write = pool_files.write_atomically
    if rank == 1:
        pool_files.write_atomically = lambda *_: (_ for _ in ()).throw(OSError("no space left"))
    found["full"] = built(gan, folder / "full", per_class=1)
    pool_files.write_atomically = write
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
