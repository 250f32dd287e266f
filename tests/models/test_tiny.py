"""The tiny model: whole, the same each time, and it has learned what it was shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from burnish.corpora import check_model_folder
from burnish.models import tiny
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.records import FinishReason, Prompt, Sampling

DIALOGUES = [("What is red?", "A rose is red."), ("What is blue?", "The sky is blue.")] * 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("tiny")
    tiny.make(made, DIALOGUES, steps=60)
    return made


def test_it_is_a_model_in_hugging_face_layout(folder):
    check_model_folder(folder)
    assert {path.name for path in folder.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}


def test_it_says_what_it_was_shown(folder):
    policy = Policy.load(folder)
    prompts = [Prompt.of(asked) for asked, _ in DIALOGUES[:2]]
    drawn = EngineSampler(policy).sample(prompts, Sampling(temperature=0, max_new_tokens=30))
    assert [group[0].text for group in drawn] == [answer for _, answer in DIALOGUES[:2]]
    assert all(group[0].finish_reason is FinishReason.STOP for group in drawn)


@pytest.mark.parametrize("text", ["Ein Wort, das es nie sah: Öl", "全新的词", "\t\n ", "<|im_start|>", "🙂"])
def test_any_text_can_be_encoded_and_comes_back(folder, text):
    tokenizer = Policy.load(folder).tokenizer
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert len(tokenizer) <= tiny.VOCABULARY


def test_the_template_ends_where_the_answer_begins(folder):
    policy = Policy.load(folder)
    asked = policy.tokenizer.decode(policy.encode(Prompt.of("What is red?")))
    assert asked == tiny._asked(("What is red?", ""))


def test_the_same_seed_makes_the_same_bytes(tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        (tmp_path / name).mkdir()
        tiny.make(tmp_path / name, DIALOGUES, seed=seed, steps=2)
    one, two, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two", "other"))
    assert one == two
    assert one != other


def test_it_leaves_the_global_generator_alone(tmp_path):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    tiny.make(tmp_path, DIALOGUES, steps=1)
    assert torch.equal(torch.rand(1), expected)
