import numpy as np
import pandas as pd

from ganaug.data.tables.wide import WideEncoder


def test_many_rows_and_columns_keep_their_components():
    rng = np.random.default_rng(0)
    factors, noise = rng.normal(size=(1010, 5)) @ rng.normal(size=(5, 1010)), rng.normal(size=(1010, 1010))
    table = pd.DataFrame(factors + 0.1 * noise)
    encoder = WideEncoder().fit(table)
    decoded = encoder.transform(table) @ encoder.components_ + encoder.centre_
    assert np.square(decoded - factors).mean() < 0.005  # of 5, beside a hundredth in the noise
    drawn = encoder.inverse_transform(encoder.transform(table))
    assert abs(drawn.std().mean() / table.std().mean() - 1) < 0.01
