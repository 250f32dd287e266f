import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.maths.blocks import Blocks
from burnish.maths.choice import islands


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_blocks_are_the_dense_matrix(seed):
    generator = np.random.default_rng(seed)
    items, rows = 9, 7
    one = generator.integers(items, size=rows)
    two = (one + generator.integers(1, items, size=rows)) % items
    weight, vector = generator.random(rows), generator.normal(size=items)
    island = islands(one, two, n_items=items)
    dense = 0.5 * np.eye(items)
    for a, b, w in zip(one, two, weight, strict=True):
        side = np.eye(items)[a] - np.eye(items)[b]
        dense += w * np.outer(side, side)
    blocks = Blocks(island)
    cells = blocks.laplacian(one, two, weight, 0.5)
    inverse = blocks.inverse(cells)
    assert blocks.matrix(cells).toarray() == pytest.approx(dense)
    assert blocks.matrix(inverse).toarray() == pytest.approx(np.linalg.inv(dense))
    assert blocks.times(inverse, vector) == pytest.approx(np.linalg.solve(dense, vector))
    centre = np.eye(items) - (island[:, None] == island) / np.bincount(island)[island][:, None]
    centred = blocks.matrix(blocks.centred(inverse)).toarray()
    assert centred == pytest.approx(centre @ np.linalg.inv(dense) @ centre.T, abs=1e-12)
    row, column = blocks.ends()
    assert (blocks.cell(row, column) == np.arange(blocks.cells)).all()
