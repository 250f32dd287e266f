import pytest
import torch

from burnish.maths.batch import Batch, length_mask


def test_masks_come_from_lengths():
    assert length_mask([2, 0, 3]).tolist() == [[True, True, False], [False] * 3, [True] * 3]
    assert length_mask([]).shape == (0, 0)


def test_a_slice_takes_the_same_rows_of_every_tensor_and_keeps_the_rest():
    batch = Batch(
        completion_mask_BT=length_mask([1, 2, 3, 2]),
        group_B=torch.tensor([0, 0, 1, 1]),
        rewards_B=torch.arange(4.0),
        weights_BK=torch.arange(8.0).view(4, 2),
        scalars={"tokens": 8.0},
    )
    part = batch.slice(torch.tensor([3, 1]))
    assert len(part) == 2
    assert part.rewards_B.tolist() == [3.0, 1.0]
    assert part.weights_BK.tolist() == [[6.0, 7.0], [2.0, 3.0]]
    assert part.group_B.tolist() == [1, 0]
    assert part.completion_mask_BT.sum(-1).tolist() == [2, 2]
    assert part.advantages_B is None
    assert part.scalars == {"tokens": 8.0}  # of the window, never of the slice


def test_slices_of_a_partition_hold_every_row_once():
    batch = Batch(length_mask([1] * 5), torch.arange(5))
    rows = [batch.slice(part).group_B for part in torch.tensor([4, 0, 2, 1, 3]).split(2)]
    assert sorted(torch.cat(rows).tolist()) == [0, 1, 2, 3, 4]


def test_a_batch_is_not_changed_in_place():
    batch = Batch(length_mask([1]), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(AttributeError):
        batch.rewards_B = torch.zeros(1)
