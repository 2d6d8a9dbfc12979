"""Which generator the name "auto" stands for.

The rule, by what is drawn:

* rows: ``TableGAN``. In the mixture of :class:`ganaug.GANOverSampler` no family differs from another, nor from a
  Gaussian copula: on the 12 KEEL tables for choosing settings (suite "keel-families"; five splits, four classifiers)
  average precision is above that of a mixture with a copula by -0.2 [-2.0, +1.3] points with TableGAN, +0.2 [-1.0,
  +1.4] with TableVAE, +0.4 [-1.2, +2.4] with TableFlow and +0.4 [-1.0, +2.2] with TableAutoregressive (95 % intervals
  over tables, ``python benchmarks/run.py keel-families``; every p-value is 1 after Holm's correction). Where nothing is
  to be gained the rule takes what is cheap and the default anyway: of 50,000 rows and 15 columns TableGAN learns in
  3.7 s, the others in 4.0 to 23.7 s (``python benchmarks/families.py rows``), and it draws by one call of its network.
* images: ``ImageVAE``. On 60 images of each of scikit-learn's digits (8x8) a classifier of samples alone is right on
  96.8 % of other images with ImageFlow, 96.2 % with ImageVAE and 88.2 % with ImageGAN, to which the differences are
  +8.5 and +7.9 points with standard errors of 2.0 and 1.9 (``python benchmarks/families.py images``, three seeds). The
  first two do not differ by that; of these ImageVAE is the simpler one: a sample costs one call of its network in place
  of eight, and it scores samples, which filters need. Larger images have not been compared yet: that is what suite
  "image-families" is for.

No table of the suites "keel" and "few-rows", on which generators are shown, took part in the choice. Digits of 8x8 did:
what is shown on them says nothing of the rule. Where nothing is named nothing changes: ``None`` and "gan" stand for the
GAN.
"""

from __future__ import annotations

__all__ = ["AUTO", "automatic_name"]

AUTO = "auto"
CHOSEN = {"images": "image-vae", "rows": "table-gan"}


def automatic_name(kind: str | None) -> str:
    """The registered name that "auto" stands for.

    Parameters
    ----------
    kind : {"images", "rows"} or None
        What is drawn.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        Where the kind is not known, or there is no rule for it.

    Examples
    --------
    >>> automatic_name("images"), automatic_name("rows")
    ('image-vae', 'table-gan')
    """
    if kind not in CHOSEN:
        known = " or ".join(CHOSEN)
        raise ValueError(
            f"generator 'auto' is chosen by what is drawn, {known}, got {kind}; name a generator, such as image-gan"
        )
    return CHOSEN[kind]
