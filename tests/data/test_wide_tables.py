import json

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


def test_columns_keep_their_range_and_whole_numbers_stay_whole():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(np.hstack([rng.integers(0, 2, (90, 60)), rng.random((90, 10))]).astype(np.float32))
    encoder = WideEncoder().fit(table)
    drawn = encoder.inverse_transform(rng.normal(size=(200, encoder.width_)))
    assert drawn.iloc[:, :60].isin([0, 1]).all(axis=None)
    assert (drawn.iloc[:, 60:] % 1 != 0).mean(axis=None) > 0.5
    assert (drawn >= table.min()).all(axis=None)
    assert (drawn <= table.max()).all(axis=None)
    again = WideEncoder.from_state(json.loads(json.dumps(encoder.to_state())))
    rows = rng.normal(size=(5, encoder.width_))
    assert again.inverse_transform(rows).equals(encoder.inverse_transform(rows))
