"""Every trap is checked: on a Llama that our own arithmetic knows, and on a GPT-2 that takes the general path."""

from __future__ import annotations

import ast
import functools
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from burnish.conformance.traps import some_rows, traps
from burnish.models.policy import Policy
from burnish.models.tuning import TuningConfig

TRAPS = {trap.name: trap for trap in traps()}
OF_MODELS = [name for name, trap in TRAPS.items() if trap.takes_model]
TESTS = Path(__file__).parent.parent

ALSO: dict[str, tuple[str, ...]] = {
    "T1": ("models/test_sampler.py::test_the_end_token_is_there_once_and_carries_loss_though_it_is_the_padding_token",),
    "T2": ("models/test_policy.py::test_a_prompt_is_templated_once_and_ends_where_the_answer_begins",),
    "T3": ("models/test_policy.py::test_the_first_token_is_never_there_twice",),
    "T5": ("models/small/test_fresh.py::test_padding_on_either_side_changes_no_state",),
    "T6": ("methods/test_process_reward.py::test_a_step_s_label_stands_on_its_last_character",),
    "T7": ("models/test_packing.py::test_packed_log_probs_are_the_unpacked_ones",),
    "T8": ("maths/test_policy_loss.py::test_a_completion_without_trained_tokens_has_loss_zero",),
    "T9": ("methods/test_contract.py::test_masked_tokens_change_nothing_even_when_they_are_not_numbers",),
    "T11": ("maths/test_returns.py::test_tokens_in_between_are_stepped_over_with_one_decay",),
    "T13": ("methods/test_grpo.py::test_mask_takes_the_truncated_out_of_means_loss_counts_and_metrics_alike",),
    "T14": ("models/test_sampler.py::test_every_end_token_of_the_model_ends_a_completion",),
    "T19": ("models/test_head.py::test_temperature_divides_the_logits_of_policy_and_reference_alike",),
    "T21": ("models/test_adapters.py::test_the_first_step_stands_where_the_untouched_model_does",),
    "T24": ("maths/test_kl.py::test_k3_as_a_loss_descends_the_forward_divergence_instead",),
    "T26": ("methods/test_contract.py::test_slices_of_a_window_add_up_to_the_window",),
    "T27": ("conformance/test_toys.py::test_it_goes_on_exactly_from_every_place_it_can_be_saved_at",),
    "T37": ("models/test_merge.py::test_merged_and_adapted_say_the_same",),
    "T38": ("judges/test_comparison.py::test_a_judge_that_likes_a_place_says_nothing_of_the_texts",),
}
"""Longer tests of the same traps elsewhere; those that have none here are held by their check alone."""


@pytest.fixture
def llama(policy) -> Policy:
    """The tiny model with a fresh adapter, and a second end token in its generation config, as chat models have."""
    model = policy.model
    model.generation_config.eos_token_id = [policy.tokenizer.eos_token_id, 17]
    fresh = Policy(model, policy.tokenizer, name="llama", dtype=torch.float32)
    fresh.adapt(TuningConfig(kind="lora", rank=4, alpha=8.0), seed=1)
    return fresh


@pytest.fixture
def gpt2(policy) -> Policy:
    """A random GPT-2 with a fresh adapter: absolute positions, and dropout in its config that must never be on."""
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = {
        "vocab_size": len(policy.tokenizer), "n_positions": 256, "n_embd": 32, "n_layer": 2, "n_head": 4,
        "initializer_range": 0.25, "bos_token_id": None, "eos_token_id": policy.tokenizer.eos_token_id,
        "resid_pdrop": 0.3, "embd_pdrop": 0.3, "attn_pdrop": 0.3, "tie_word_embeddings": False,
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = GPT2LMHeadModel(GPT2Config(**shape)).eval().requires_grad_(False)
    found = Policy(model, policy.tokenizer, name="gpt2", dtype=torch.float32)
    with warnings.catch_warnings():  # peft says that it sees that GPT-2's weights lie across
        warnings.filterwarnings("ignore", message="fan_in_fan_out")
        found.add_lora(rank=4, alpha=8.0, seed=1)
    return found


@pytest.fixture
def beginning(tiny_folder, tmp_path) -> Policy:
    """The tiny model with a tokenizer whose template writes a first token and which adds one of its own accord."""
    from tokenizers import processors
    from transformers import AutoTokenizer

    folder = tmp_path / "bos"
    shutil.copytree(tiny_folder, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"bos_token": "<|im_start|>"})
    tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template.replace("<|im_start|>", "")
    tokenizer._tokenizer.post_processor = processors.TemplateProcessing(
        single="<|im_start|> $A", pair="<|im_start|> $A $B", special_tokens=[("<|im_start|>", tokenizer.bos_token_id)]
    )
    tokenizer.save_pretrained(folder)
    return Policy.load(folder)


def test_there_are_forty_and_each_says_what_it_holds_to():
    assert list(TRAPS) == [f"T{number}" for number in range(1, 41)]
    assert all(trap.says.endswith(".") for trap in TRAPS.values())


@pytest.mark.parametrize("name", [name for name in TRAPS if name not in OF_MODELS])
def test_burnish_is_not_in(name):
    TRAPS[name].check()


@pytest.mark.parametrize("name", OF_MODELS)
def test_a_model_is_not_in(name, llama):
    TRAPS[name].check(llama, some_rows())


@pytest.mark.parametrize("name", OF_MODELS)
def test_a_model_of_the_general_path_is_not_in(name, gpt2):
    TRAPS[name].check(gpt2, some_rows())


def test_a_template_and_a_tokenizer_that_both_begin(beginning):
    TRAPS["T3"].check(beginning, some_rows())


@pytest.mark.parametrize("name", sorted({test for tests in ALSO.values() for test in tests}))
def test_the_other_tests_that_are_named_are_there(name):
    file, _, function = name.partition("::")
    assert function in functions_of(file)


@functools.cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


# ------------------------------------------------------------------------------- checks that need a model to be broken


def test_a_model_that_ends_with_a_token_it_never_samples_is_told(llama):
    llama.end_ids = frozenset({17})
    with pytest.raises(AssertionError, match="ends what is learned, not what is sampled"):
        TRAPS["T1"].check(llama, some_rows())


def test_a_template_that_begins_twice_is_told(beginning):
    beginning.tokenizer.chat_template = "{{ bos_token }}" + beginning.tokenizer.chat_template
    with pytest.raises(AssertionError, match="begins with the first token twice"):
        TRAPS["T3"].check(beginning, some_rows())


def test_dropout_that_is_on_is_told(gpt2):
    gpt2.model.train()
    with pytest.raises(AssertionError, match="training mode"):
        TRAPS["T20"].check(gpt2, some_rows())


def test_an_adapter_that_is_not_fresh_is_told(llama, shake):
    shake(llama)
    with pytest.raises(AssertionError, match="first ratio is not 1"):
        TRAPS["T21"].check(llama, some_rows())


def test_a_frozen_adapter_is_told(llama):
    llama.model.requires_grad_(False)
    with pytest.raises(AssertionError, match="nothing is trained"):
        TRAPS["T34"].check(llama, some_rows())


def test_a_text_with_two_ends_is_told(llama):
    row = some_rows()[0]
    twice = replace(row, completion=replace(row.completion, text="the sea<|im_end|><|im_end|>"))
    with pytest.raises(AssertionError, match="ends with 2 end tokens"):
        TRAPS["T2"].check(llama, [twice])
