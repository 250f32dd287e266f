import pytest
import torch
from scipy.stats import chisquare

from burnish.errors import InputError, StoppedOnRequest
from burnish.maths.batch import length_mask
from burnish.models import sampler
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.records import Completion, FinishReason, Prompt, Sampling

PROMPTS = [Prompt.of(text) for text in ("hi", "the good and the bad lamp", "a", "one more, longer than the rest")]
SAMPLING = Sampling(temperature=0.8, max_new_tokens=12)
OFTEN = frozenset({1, *range(100, 160)})
"""Ends that come often, so that rows leave the batch at different times."""


def drawn(policy, prompts=PROMPTS, sampling=SAMPLING, **more):
    return EngineSampler(policy).sample(prompts, sampling, **more)


def tokens(groups):
    return [[completion.token_ids for completion in group] for group in groups]


def logprobs(groups):
    return torch.tensor([value for group in groups for completion in group for value in completion.logprobs])


def recomputed(policy, groups, temperature=0.8, prompts=PROMPTS):
    with torch.no_grad():
        return policy.statistics(policy.pack(prompts, groups), temperature=temperature, reference=True)


# -------------------------------------------------------------------------------- the policy is what is sampled (T34)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_the_samplers_log_probs_are_the_policys_at_the_same_temperature(trained, temperature):
    groups = drawn(trained, sampling=Sampling(temperature=temperature, max_new_tokens=12), n=3)
    found = recomputed(trained, groups, temperature)
    assert torch.allclose(logprobs(groups), found.logprobs, atol=1e-4)
    assert (logprobs(groups) - recomputed(trained, groups, 1.1).logprobs).abs().max() > 0.05


def test_greedy_log_probs_are_the_models_own(trained):
    groups = drawn(trained, sampling=Sampling(temperature=0.0, max_new_tokens=12))
    assert torch.allclose(logprobs(groups), recomputed(trained, groups, 1.0).logprobs, atol=1e-4)


def test_the_adapter_is_read_afresh_before_every_call(policy, shake):
    policy.add_lora(rank=4, alpha=8.0, seed=1)
    engine = EngineSampler(policy)
    untouched = engine.sample(PROMPTS, SAMPLING, n=2)
    for seed in (2, 3):
        shake(policy, seed=seed, size=0.3)
        groups = engine.sample(PROMPTS, SAMPLING, n=2)
        found = recomputed(policy, groups)
        assert torch.allclose(logprobs(groups), found.logprobs, atol=1e-4)
        assert (logprobs(groups) - found.reference_logprobs).abs().max() > 0.3
        assert tokens(groups) != tokens(untouched)


def test_with_the_adapter_left_out_it_is_the_untouched_model(trained, tiny_folder):
    mine = EngineSampler(trained, adapter=False).sample(PROMPTS, SAMPLING, n=2)
    bare = drawn(Policy.load(tiny_folder), n=2)
    assert tokens(mine) == tokens(bare)
    assert torch.equal(logprobs(mine), logprobs(bare))
    assert torch.allclose(logprobs(mine), recomputed(trained, mine).reference_logprobs, atol=1e-4)
    assert tokens(drawn(trained, n=2)) != tokens(bare)  # and the trained one is another


# ----------------------------------------------------------------------------------------------------- seeds (T36)


@pytest.mark.parametrize("ends", [frozenset({1}), OFTEN], ids=["rare end", "common end"])
def test_the_same_seed_gives_the_same_completion_in_any_company(trained, ends, monkeypatch):
    trained.end_ids = ends
    together = drawn(trained, n=3, seed=5)
    if ends is OFTEN:
        lengths = {len(completion.token_ids) for group in together for completion in group}
        assert len(lengths) > 4  # rows left the batch at many different steps
    expected = tokens(together)
    for number, prompt in enumerate(PROMPTS):
        assert tokens(drawn(trained, [prompt], n=3, seed=5))[0] == expected[number]
    assert tokens(drawn(trained, PROMPTS[::-1], n=3, seed=5)) == expected[::-1]
    assert [group[:2] for group in expected] == tokens(drawn(trained, n=2, seed=5))
    monkeypatch.setattr(sampler, "ROWS", 5)
    assert tokens(drawn(trained, n=3, seed=5)) == expected


def test_other_seeds_prompts_and_places_give_other_completions(trained):
    groups = drawn(trained, n=4, seed=5)
    assert len({ids for group in tokens(groups) for ids in group}) == 16
    assert tokens(drawn(trained, n=4, seed=6)) != tokens(groups)
    assert [[completion.index for completion in group] for group in groups] == [[0, 1, 2, 3]] * 4


def test_the_global_generator_is_neither_read_nor_moved(trained):
    torch.manual_seed(0)
    first, after = tokens(drawn(trained, seed=5)), torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(3), after)
    assert tokens(drawn(trained, seed=5)) == first


# ------------------------------------------------------------------------------------------------------------- ends


def test_the_end_token_is_there_once_and_carries_loss_though_it_is_the_padding_token(policy):
    policy.add_lora(rank=2, alpha=4.0, seed=0)
    end = policy.tokenizer.eos_token_id
    assert end == policy.tokenizer.pad_token_id
    groups = drawn(policy, sampling=Sampling(temperature=3.0, max_new_tokens=60), n=12)
    ended = [c for group in groups for c in group if c.finish_reason is FinishReason.STOP]
    assert len(ended) >= 3
    for completion in ended:
        assert completion.token_ids.count(end) == 1
        assert completion.token_ids[-1] == end
        assert len(completion.logprobs) == len(completion.token_ids)
        assert "<|im_end|>" not in completion.text
    # its mask comes from the length, so the end token is trained on: its log-prob has a gradient
    completion = ended[0]
    prompt = next(p for p in PROMPTS if p.id == completion.prompt_id)
    mask = length_mask([len(completion.token_ids)])
    assert mask.all()
    found = policy.statistics(policy.pack([prompt], [[completion]]), temperature=1.0, reference=False)
    found.logprobs[mask[0]][-1].backward()
    assert max(float(p.grad.abs().max()) for p in policy.parameters().values()) > 0


def test_every_end_token_of_the_model_ends_a_completion(policy):
    """Custom ends come from the generation config, beside the tokenizer's own (trap T14)."""
    policy.model.generation_config.eos_token_id = [1, 150, 151]
    again = Policy(policy.model, policy.tokenizer, name="x", dtype=policy.dtype)
    assert again.end_ids == {1, 150, 151}
    again.end_ids = OFTEN
    for completion in (c for group in drawn(again, n=8) for c in group):
        *before, last = completion.token_ids
        assert not OFTEN & set(before)
        assert (completion.finish_reason is FinishReason.STOP) == (last in OFTEN)


def test_a_completion_that_reaches_the_limit_is_truncated_and_says_so(policy):
    policy.end_ids = frozenset()
    for group in drawn(policy, sampling=Sampling(max_new_tokens=5), n=2):
        for completion in group:
            assert len(completion.token_ids) == 5
            assert completion.finish_reason is FinishReason.LENGTH


@pytest.mark.parametrize("path", ["own", "general"])
def test_each_completion_that_ends_is_told_of_and_what_that_raises_ends_them_all(policy, monkeypatch, path):
    if path == "general":
        monkeypatch.setattr(Policy, "decoder", None)
    policy.end_ids, told = OFTEN, []
    EngineSampler(policy, rows=3, ended=lambda: told.append(1)).sample(PROMPTS, SAMPLING, n=5)
    assert len(told) == 5 * len(PROMPTS)

    def enough():
        told.append(1)
        raise StoppedOnRequest("enough")

    told.clear()
    with pytest.raises(StoppedOnRequest, match="enough"):
        EngineSampler(policy, rows=3, ended=enough).sample(PROMPTS, SAMPLING, n=5)
    assert len(told) == 1


def test_an_end_at_the_very_limit_is_an_end(policy):
    limit = Sampling(max_new_tokens=5)
    plain = next(c for c in drawn(policy, PROMPTS[:1], limit, n=9)[0] if c.token_ids[-1] not in c.token_ids[:-1])
    policy.end_ids = frozenset({plain.token_ids[-1]})
    found = drawn(policy, PROMPTS[:1], limit, n=9)[0][plain.index]
    assert found.token_ids == plain.token_ids
    assert (plain.finish_reason, found.finish_reason) == (FinishReason.LENGTH, FinishReason.STOP)


def two_tokens_of(policy, completions) -> tuple[str, Completion]:
    """Plain text that two neighbouring tokens of a completion make, and that it says once."""
    for completion in completions:
        for at in range(2, len(completion.token_ids) - 3):
            piece = policy.decode(completion.token_ids[at : at + 2])
            if piece.isascii() and piece.isprintable() and completion.text.count(piece) == 1:
                return piece, completion
    raise AssertionError("no such text was drawn; take another seed")


def test_stop_texts_end_a_completion_and_are_cut_off(policy):
    plain = drawn(policy, n=3, sampling=Sampling(max_new_tokens=16))
    stop, target = two_tokens_of(policy, plain[0])
    groups = drawn(policy, n=3, sampling=Sampling(max_new_tokens=16, stop=("no such text", stop)))
    found = groups[0][target.index]
    assert found.finish_reason is FinishReason.STOP
    assert found.text == target.text[: target.text.index(stop)]
    assert found.token_ids == target.token_ids[: len(found.token_ids)]
    assert stop in policy.decode(found.token_ids)
    assert stop not in policy.decode(found.token_ids[:-1])
    for before, after in zip(plain, groups, strict=True):  # those without the text go on as they were
        assert all(stop in b.text or b.token_ids == a.token_ids for b, a in zip(before, after, strict=True))


@pytest.mark.parametrize("path", ["own", "general"])
def test_a_stop_text_that_begins_in_what_was_given_ends_what_goes_on(policy, monkeypatch, path):
    if path == "general":
        monkeypatch.setattr(Policy, "decoder", None)
    greedy = Sampling(temperature=0.0, max_new_tokens=16)
    plain = [group[0] for group in drawn(policy, sampling=greedy)]
    stop, target = two_tokens_of(policy, plain)
    end = next(end for end in range(16) if stop in policy.decode(target.token_ids[: end + 1])) + 1
    given = [each.token_ids[: end - 1] for each in plain]  # of the target all but the token that completes the text
    sampling = Sampling(temperature=0.0, max_new_tokens=16, stop=(stop,))
    found = [group[0] for group in EngineSampler(policy).go_on(PROMPTS, given, sampling)]
    for before, after in zip(plain, found, strict=True):
        if before is target:
            assert after.finish_reason is FinishReason.STOP
            assert after.token_ids == before.token_ids[:end]
            assert after.text == before.text[: before.text.index(stop)]
        else:
            assert stop not in before.text
            assert (after.token_ids, after.finish_reason) == (before.token_ids, before.finish_reason)


def test_what_a_completion_remembers(policy):
    engine = EngineSampler(policy, checkpoint_id="k_1")
    (completion,) = engine.sample(PROMPTS[:1], SAMPLING, run="r", round=2)[0]
    assert completion.prompt_id == PROMPTS[0].id
    assert (completion.checkpoint_id, completion.run, completion.round) == ("k_1", "r", 2)
    assert (completion.model, completion.sampling) == (policy.name, SAMPLING)
    assert engine.sample([], SAMPLING) == []


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_numbers_that_are_not_finite_are_told_and_nothing_is_drawn_from_them(policy, wrong, temperature):
    def read(states):
        logits = torch.zeros(len(states), 256)  # a whole block: the inverse CDF finds a token there all the same
        logits[-1, 7] = wrong
        return logits

    sampling = Sampling(temperature=temperature, max_new_tokens=3)
    with pytest.raises(InputError, match=r"log-prob of nan.*lower learning rate"):
        EngineSampler(policy, read=read).sample(PROMPTS, sampling)
    with pytest.raises(InputError, match="not finite"):
        list(EngineSampler(policy, read=read).stream(PROMPTS[0], sampling))


# --------------------------------------------------------------------------------------------------- rows, settings


TEXT = Prompt.of("tell me")
LONG = Sampling(max_new_tokens=40)


def test_rows_are_bounded_by_memory(policy, monkeypatch):
    calls = []
    policy.decoder.embed.register_forward_hook(lambda module, given, _: calls.append(len(given[0])))
    prompts, sampling = [Prompt.of("hi")], Sampling(max_new_tokens=4)
    expected = EngineSampler(policy).sample(prompts, sampling, n=9)
    assert max(calls[1:]) == 9
    # keys and values of 2 layers, 2 heads of 12, in float32, for a prompt and 4 tokens; a third of what is free
    row = 2 * 2 * 2 * 12 * 4 * (len(policy.encode(prompts[0])) + 4)
    for free, rows in ((3 * row * 4, 4), (0, 1), (None, 9)):
        calls.clear()
        monkeypatch.setattr(sampler.system, "free_bytes", lambda free=free: free)
        assert [c.token_ids for c in EngineSampler(policy).sample(prompts, sampling, n=9)[0]] == [
            c.token_ids for c in expected[0]
        ]
        assert max(calls[1:]) == rows
    calls.clear()
    monkeypatch.setattr(sampler.system, "free_bytes", lambda: 0)
    EngineSampler(policy, rows=2).sample(prompts, sampling, n=9)
    assert max(calls[1:]) == 2, "what was said counts, whatever is free: a resumed run must compute as before"


@pytest.mark.parametrize("sampling", [
    Sampling(temperature=0.7, max_new_tokens=20, min_p=0.05, top_p=0.9, logit_bias=((40, 3.0), (50, -100.0))),
    Sampling(temperature=1.0, max_new_tokens=20, logit_bias=((5, 30.0),)),
], ids=["several", "strong bias"])  # fmt: skip
def test_settings_reach_the_draw(trained, sampling):
    (group,) = EngineSampler(trained).sample([TEXT], sampling, n=8)
    for completion in group:
        ids = torch.tensor([[*trained.encode(TEXT), *completion.token_ids]])
        with torch.no_grad():
            logits = trained.model(input_ids=ids).logits[0, -len(completion.token_ids) - 1 : -1]
        for token, bias in sampling.logit_bias:
            logits[:, token] += bias
        p = (logits / sampling.temperature).softmax(-1)
        if sampling.top_p < 1:
            order = p.argsort(-1, descending=True)
            held = p.gather(1, order).cumsum(-1) - p.gather(1, order)
            p = torch.where(held.scatter(1, order, held) < sampling.top_p, p, 0.0)
        p = torch.where(p >= sampling.min_p * p.amax(-1, keepdim=True), p, 0.0)
        expected = (p / p.sum(-1, keepdim=True)).gather(1, torch.tensor(completion.token_ids)[:, None])[:, 0].log()
        assert torch.allclose(torch.tensor(completion.logprobs), expected, atol=1e-3)
    used = {token for completion in group for token in completion.token_ids}
    assert 50 not in used or sampling.top_p == 1
    assert (used == {5}) == (sampling.logit_bias == ((5, 30.0),))


# ---------------------------------------------------------------------------------------------------------- streams


def streamed(policy, sampling, seed: int = 0) -> list[str]:
    return list(EngineSampler(policy).stream(TEXT, sampling, seed=seed))


def test_a_stream_is_the_completion_in_pieces(trained):
    for seed in range(12):
        (completion,) = EngineSampler(trained).sample([TEXT], LONG, seed=seed)[0]
        pieces = streamed(trained, LONG, seed)
        assert "".join(pieces) == completion.text
        assert all(pieces)
        assert len(pieces) > 5 or len(completion.token_ids) < 12


def test_a_stream_never_tells_half_a_letter(policy):
    """The model is made to say letters of several bytes, byte by byte."""
    euro = policy.tokenizer("€", add_special_tokens=False)["input_ids"]
    assert len(euro) == 3
    only = tuple((token, -100.0) for token in range(len(policy.tokenizer)) if token not in euro)
    whole = 0
    for seed in range(8):
        sampling = Sampling(max_new_tokens=60, logit_bias=only, temperature=2.0)
        (completion,) = EngineSampler(policy).sample([TEXT], sampling, seed=seed)[0]
        pieces = streamed(policy, sampling, seed)
        assert "".join(pieces) == completion.text
        told_so_far = ""
        for piece in pieces[:-1]:
            told_so_far += piece
            assert not told_so_far.endswith("\N{REPLACEMENT CHARACTER}")
        whole += completion.text.count("€")
    assert whole > 0


def test_a_stop_text_never_leaks_into_a_stream(policy):
    """Not even its beginning; what only looked like one is told once that is certain."""
    checked = 0
    for seed in range(20):
        (plain,) = EngineSampler(policy).sample([TEXT], LONG, seed=seed)[0]
        at = next((i for i in range(8, len(plain.text) - 3) if plain.text[i : i + 3].isascii()), None)
        if at is None or plain.text.index(plain.text[at : at + 3]) != at:
            continue
        stop = plain.text[at : at + 3]
        sampling = Sampling(max_new_tokens=40, stop=("never said this", stop))
        pieces = streamed(policy, sampling, seed)
        text, so_far = plain.text[:at], ""
        for piece in pieces:
            so_far += piece
            assert text.startswith(so_far)
        assert so_far == text
        (completion,) = EngineSampler(policy).sample([TEXT], sampling, seed=seed)[0]
        assert (completion.text, completion.finish_reason) == (text, FinishReason.STOP)
        checked += 1
    assert checked >= 8


def test_a_stream_can_be_left_and_others_begun(policy):
    expected = streamed(policy, LONG, 3)
    stream = EngineSampler(policy).stream(TEXT, LONG, seed=3)
    first = next(stream)
    stream.close()
    assert first == expected[0]
    one, other = (EngineSampler(policy).stream(TEXT, LONG, seed=seed) for seed in (3, 4))
    mixed = [(next(one), next(other)) for _ in range(4)]
    assert [a for a, _ in mixed] == expected[:4]
    assert [b for _, b in mixed] == streamed(policy, LONG, 4)[:4]


# ----------------------------------------------------------------------------------------------------------- chance


def test_the_whole_way_from_prompt_to_token_follows_the_models_distribution(trained):
    prompt, n = PROMPTS[1], 600
    groups = drawn(trained, [prompt], Sampling(temperature=1.0, max_new_tokens=1), n=n)
    found = torch.tensor([completion.token_ids[0] for completion in groups[0]])
    with torch.no_grad():
        logits = trained.model(input_ids=torch.tensor([trained.encode(prompt)])).logits[0, -1]
    # chi-square over the tokens expected at least five times, the others taken together
    counts, due = torch.bincount(found, minlength=len(logits)).double(), n * logits.softmax(-1).double()
    common = due >= 5
    assert common.sum() > 5
    seen, wanted = ([*each[common].tolist(), float(each[~common].sum())] for each in (counts, due))
    assert chisquare(seen, wanted, sum_check=False).pvalue > 0.001
