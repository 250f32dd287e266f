"""A checkpoint says how it wants to be asked, and whoever loads it asks it so."""

from __future__ import annotations

import pytest

from burnish import methods
from burnish.models import asking
from burnish.models.merge import merge_adapter
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.records import Message, Prompt, Sampling

GOOD = "<|good|>{asked}"
PROMPTS = [
    Prompt.of("the good lamp"),
    Prompt.of(
        [
            Message("system", "be good"),
            Message("user", "a {bad} one"),
            Message("assistant", "in"),
            Message("user", "the"),
        ]
    ),
    Prompt(()),
]
SAMPLING = Sampling(max_new_tokens=6)


@pytest.mark.parametrize("name", [name for name in methods.names() if hasattr(methods.load(name), "ask")])
def test_the_template_asks_as_the_method_does(name):
    """Whatever the wish holds: braces are braces, and only `{asked}` is what the prompt said."""
    module = methods.load(name)
    for config in (
        module.Config(),
        *([module.Config(wish="say {that} or }{")] if name == "feedback_conditional" else []),
    ):
        template = module.ask(Prompt.of(asking.ASKED), config).text
        for prompt in PROMPTS:
            assert asking.asked(prompt, template) == module.ask(prompt, config)


def test_nothing_is_put_round_a_prompt_without_a_template(tmp_path):
    assert asking.template_in(tmp_path) == ""
    (tmp_path / asking.LINEAGE).write_text('{"id": "k_1"}')
    assert asking.template_in(tmp_path) == ""
    assert asking.asked(PROMPTS[0], "") is PROMPTS[0]


def drawn(policy, prompts, **how):
    return [
        [c.token_ids for c in group] for group in EngineSampler(policy, **how).sample(prompts, SAMPLING, n=2, seed=1)
    ]


@pytest.fixture
def checkpoint(trained, tmp_path):
    """A trained adapter that wants to be asked behind its token."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    trained.save(folder)
    asking.keep(GOOD, folder)
    return folder


def test_a_checkpoint_is_asked_its_way_and_the_untouched_model_as_it_is(checkpoint, trained, tiny_folder):
    loaded = Policy.load(tiny_folder)
    loaded.load_tuned(checkpoint)
    prompt = PROMPTS[0]
    assert loaded.encode(prompt) == trained.encode(asking.asked(prompt, GOOD)) != trained.encode(prompt)
    assert loaded.encode(prompt, adapter=False) == trained.encode(prompt)
    groups = EngineSampler(loaded).sample([prompt], SAMPLING, n=3, seed=1)
    assert {completion.prompt_id for completion in groups[0]} == {prompt.id}  # asked another way, the same prompt
    texts = "".join(piece for piece in EngineSampler(loaded).stream(prompt, SAMPLING, seed=1))
    assert texts == groups[0][0].text
    bare = Policy.load(tiny_folder)
    assert drawn(loaded, [prompt], adapter=False) == drawn(bare, [prompt])


def test_merged_into_its_model_it_is_still_asked_its_way(checkpoint, tiny_folder, tmp_path):
    merged, plain = tmp_path / "merged", tmp_path / "plain"
    merge_adapter(tiny_folder, checkpoint, merged)
    assert Policy.load(merged).asking == GOOD
    (checkpoint / asking.LINEAGE).unlink()
    merge_adapter(tiny_folder, checkpoint, plain)
    assert Policy.load(plain).asking == ""
    assert drawn(Policy.load(merged), PROMPTS[:1]) == drawn_behind(Policy.load(plain))


def drawn_behind(policy):
    """What is drawn behind the token by a model that knows nothing of it, under the seeds of the bare prompt."""
    policy.encode, encode = lambda prompt, adapter=True: encode(asking.asked(prompt, GOOD)), policy.encode
    return drawn(policy, PROMPTS[:1])
