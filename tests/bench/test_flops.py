"""The reference formula: SmolLM2-135M by hand, and what each method adds."""

import pytest

from burnish.bench.flops import Size, step_flops
from burnish.errors import InputError

SMOLLM2 = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "num_hidden_layers": 30,
    "vocab_size": 49152,
}
# by hand, a layer: q and o 576 x 576, k and v 576 x 192, gate, up and down 576 x 1536
LAYER = 2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536
SIZE = Size(30 * LAYER, 576 * 49152)


def test_the_weights_of_smollm2():
    assert Size.of(SMOLLM2) == SIZE
    # all its weights are 134,515,008 (model card: 135M); what is not counted are 61 norms of 576
    assert SIZE.layers + SIZE.head == 134_515_008 - 61 * 576


def test_heads_wider_than_the_states_and_no_grouping():
    config = {**SMOLLM2, "head_dim": 128, "num_key_value_heads": None, "num_hidden_layers": 1}
    assert Size.of(config).layers == 4 * 576 * 9 * 128 + 3 * 576 * 1536


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(InputError, match="intermediate_size"):
        Size.of({"hidden_size": 8})


def test_every_method_by_hand():
    size = Size(layers=1000, head=100)
    groups = [(10, [3, 4]), (5, [2])]  # 15 prompt tokens, 9 completion tokens
    forward, head = 2 * 1000 * 24, 2 * 100 * 9
    assert step_flops("sft", size, groups) == {"train": 2 * (forward + head)}
    assert step_flops("dpo", size, groups) == {"train": 3 * (forward + head)}
    assert step_flops("reward", size, groups) == {"train": 2 * forward}
    assert step_flops("grpo", size, groups) == {"sample": forward + head, "train": 3 * (forward + head)}
    with pytest.raises(ValueError, match="none of"):
        step_flops("ppo", size, groups)


def test_a_grpo_step_of_880_tokens_is_about_a_teraflop():
    # 0.27 GFLOP a token to sample and for the reference, 0.54 for forward and backward
    total = sum(step_flops("grpo", SIZE, [(0, [880])]).values())
    assert total == pytest.approx(880 * 4 * 0.269e9, rel=0.01)
