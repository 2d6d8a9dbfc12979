"""Which generator the name "auto" stands for.

The rule, by what is drawn:

* rows: ``TableCopula``. In the mixture of :class:`ganaug.GANOverSampler` no family of networks differs from another,
  nor from a Gaussian copula: on the 12 KEEL tables for choosing settings (suite "keel-families"; five splits, four
  classifiers) average precision is above that of a mixture with a copula by +0.4 [-0.5, +1.3] points with TableGAN,
  +0.4 [-0.4, +1.5] with TableVAE, +0.2 [-1.1, +1.9] with TableFlow and +0.5 [-0.5, +2.3] with TableAutoregressive (95
  % intervals over tables, ``python benchmarks/run.py keel-families``; every p-value is 1 after Holm's correction).
  Later it was found to be the same on 20 to 500 rows of eight other tables (suite "few-rows"), and on sixteen more.
  Where nothing is to be gained the rule takes what is cheap: a copula of 50,000 rows and 15 columns takes 1.3 s,
  the networks 3.2 to 25 s (``python benchmarks/families.py rows``).
* images: ``ImageGAN``. With 20 real images a class of five data sets and the same time of training, no family adds
  anything to the best classical transform, and none differs from another there. Of samples alone a classifier learns
  most from ImageFlow, by 8.9 points more than from ImageGAN (+1.7 to +16.1 over the data sets), and from ImageVAE by
  6.2 more (-1.4 to +13.7), which is not certain (``python benchmarks/run.py image-families``); beside real images
  that is worth nothing. So cost and failures decide: ImageGAN draws in a seventh of the time of ImageFlow or less, has
  the smallest Frechet distance on three of the five, and is of the class asked in 77 % or more on each, where ImageFlow
  has 66 % and ImageVAE 67 % on hand signs in colour.

No table of the suites "keel" and "few-rows", on which generators are shown, took part in the choice. The images of
"image-families" did: what is shown on them says nothing of the rule. Where nothing is named nothing changes: ``None``
and "gan" stand for the GAN.
"""

from __future__ import annotations

__all__ = ["AUTO", "automatic_name"]

AUTO = "auto"
CHOSEN = {"images": "image-gan", "rows": "table-copula"}


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
    ('image-gan', 'table-copula')
    """
    if kind not in CHOSEN:
        known = " or ".join(CHOSEN)
        raise ValueError(
            f"generator 'auto' is chosen by what is drawn, {known}, got {kind}; name a generator, such as image-gan"
        )
    return CHOSEN[kind]
