"""Continuous batching: who is decoded when, and that company changes nothing."""

from itertools import islice

import pytest
import torch
from peft import LoraConfig
from scipy.stats import chisquare

from burnish.errors import InputError
from burnish.models import engine as engine_module
from burnish.models.engine import Engine, Request, finish_of
from burnish.records import FinishReason, Sampling

NEW = [1, 30, 2, 17, 5, 5, 23, 1, 9, 40, 3, 12]
"""How many tokens each of twelve requests wants."""


@pytest.fixture(params=["plain weights", "packed weights"])
def packing(request) -> bool:
    return request.param == "packed weights"


def an_engine(policy, rows: int, *, packed: bool = False, ends=frozenset(), adapters: tuple[str, ...] = ()) -> Engine:
    found = Engine(policy.decoder, ends, policy.decode, rows=rows, packed=policy.packed() if packed else None)
    found.refresh(*adapters)
    return found


def twelve(adapter: str | None = None) -> list[Request]:
    """Prompts and lengths of many sizes, some drawn, some greedy."""
    return [
        Request(
            tuple((29 * i + 11 * k) % 260 + 2 for i in range(3 + 5 * (k % 4))),
            Sampling(temperature=0.0 if k % 5 == 0 else 0.9, top_p=1.0 if k % 2 else 0.9, max_new_tokens=new),
            seed=k,
            adapter=adapter,
        )
        for k, new in enumerate(NEW)
    ]


def told(drawn, number: int):
    """Tokens, log-probs and the end of one request."""
    mine = [each for each in drawn if each.request == number]
    assert [each.finish for each in mine[:-1]] == [None] * (len(mine) - 1)
    return [each.token for each in mine], [each.logprob for each in mine], mine[-1].finish if mine else None


def alone(policy, request: Request, *, adapters: tuple[str, ...] = (), ends=frozenset()):
    engine = an_engine(policy, 1, adapters=adapters, ends=ends)
    number = engine.submit(request)
    return told(list(engine.run()), number)


def assert_alike(found, expected) -> None:
    assert found[0] == expected[0]
    assert found[1] == pytest.approx(expected[1], abs=2e-4)
    assert found[2] == expected[2]


class Computed:
    """How many tokens every call of the model computed, as its embedding saw them."""

    def __init__(self, policy) -> None:
        self.calls: list[list[int]] = []
        policy.decoder.embed.register_forward_hook(lambda module, given, _: self.calls.append(given[0].tolist()))

    def times(self, prompt) -> int:
        """How often these tokens stood together in a call."""
        n = len(prompt)
        return sum(call[i : i + n] == list(prompt) for call in self.calls for i in range(len(call) - n + 1))


# ------------------------------------------------------------------------------------------------ continuous batching


def test_each_completion_is_the_one_it_gets_alone(trained, packing):
    engine = an_engine(trained, 3, packed=packing, adapters=("default",))
    requests = twelve("default")
    numbers = [engine.submit(request) for request in requests]
    drawn = list(engine.run())
    assert not engine.busy
    for number, request in zip(numbers, requests, strict=True):
        found = told(drawn, number)
        assert len(found[0]) == request.sampling.max_new_tokens
        assert found[2] is FinishReason.LENGTH
        assert_alike(found, alone(trained, request, adapters=("default",)))
    assert len({tuple(told(drawn, number)[0]) for number in numbers}) == 12


def test_rows_are_bounded_and_a_freed_one_is_taken_in_the_very_next_step(policy):
    engine = an_engine(policy, 3)
    numbers = [engine.submit(request) for request in twelve()]
    left, lengths = dict(zip(numbers, NEW, strict=True)), []
    waiting, active = sorted(numbers, key=lambda number: -left[number]), []  # longest first, equals as they came
    while engine.busy:
        drawn = engine.step()
        active += [waiting.pop(0) for _ in range(min(3 - len(active), len(waiting)))]
        assert sorted(each.request for each in drawn) == sorted(active)
        for each in drawn:
            left[each.request] -= 1
            assert (each.finish is not None) == (left[each.request] == 0)
            if not left[each.request]:
                active.remove(each.request)
        lengths.append(len(drawn))
    assert max(lengths) == 3
    assert sum(lengths) == sum(NEW)
    assert all(length == 3 for length in lengths[: sum(NEW) // 3 - max(NEW)])
    assert engine.step() == []


def test_an_end_token_frees_the_row_as_well(policy):
    ends = frozenset(range(60, 200))
    engine = an_engine(policy, 2, ends=ends)
    requests = twelve()
    numbers = [engine.submit(request) for request in requests]
    drawn = list(engine.run())
    finishes = set()
    for number, request in zip(numbers, requests, strict=True):
        tokens, _, finish = found = told(drawn, number)
        finishes.add(finish)
        assert not ends & set(tokens[:-1])
        assert (finish is FinishReason.STOP) == (tokens[-1] in ends)
        assert_alike(found, alone(policy, request, ends=ends))
    assert finishes == {FinishReason.STOP, FinishReason.LENGTH}


def test_a_prompt_is_computed_once_for_its_whole_group(policy):
    """Also where the group has more members than there are rows, and where others stand between."""
    computed = Computed(policy)
    prompts = [tuple(range(10, 16)), tuple(range(30, 43)), tuple(range(50, 59))]
    engine = an_engine(policy, 3)
    for prompt in prompts:
        for seed in range(7):
            engine.submit(Request(prompt, Sampling(max_new_tokens=4), seed))
    drawn = list(engine.run())
    assert len({each.request for each in drawn}) == 21
    assert [computed.times(prompt) for prompt in prompts] == [1, 1, 1]
    # one call for the three prompts, and 7 rounds of 4 tokens the last of which is never put in
    assert len(computed.calls) == 1 + 7 * 3
    assert len(computed.calls[0]) == sum(map(len, prompts))
    assert {len(call) for call in computed.calls[1:]} == {3}


def test_what_all_prompts_begin_with_is_computed_once(policy):
    computed = Computed(policy)
    template = tuple(range(100, 120))
    requests = [
        Request((*template, *rest), Sampling(max_new_tokens=5), seed)
        for seed, rest in enumerate([(5, 9, 12), (7,), (30, 31, 32, 33), (7,)])
    ]
    engine = an_engine(policy, 4)
    numbers = [engine.submit(request) for request in requests]
    drawn = list(engine.run())
    # the last prompt is the second's again, but not beside it, so it is computed by itself
    assert computed.calls[0] == [*template, 5, 9, 12, 7, 30, 31, 32, 33, 7]
    for number, request in zip(numbers, requests, strict=True):
        assert_alike(told(drawn, number), alone(policy, request))


def test_a_group_draws_different_completions_and_each_is_that_of_its_seed(policy):
    engine = an_engine(policy, 5)
    requests = [Request((5, 9, 12, 80), Sampling(max_new_tokens=10), seed) for seed in range(12)]
    numbers = [engine.submit(request) for request in requests]
    drawn = list(engine.run())
    assert len({tuple(told(drawn, number)[0]) for number in numbers}) == 12
    for number, request in zip(numbers, requests, strict=True):
        assert_alike(told(drawn, number), alone(policy, request))
    again = engine.submit(requests[3])
    assert_alike(told(list(engine.run()), again), told(drawn, numbers[3]))


@pytest.mark.parametrize("length", [engine_module.PREFILL_TOKENS + 40, 40])
def test_prompts_longer_than_what_is_computed_together(policy, length, monkeypatch):
    """One too long for a call is computed all the same, the next ones in calls of their own."""
    if length == 40:
        monkeypatch.setattr(engine_module, "PREFILL_TOKENS", 32)
    computed = Computed(policy)
    prompts = [tuple((7 * i + k) % 270 for i in range(n)) for k, n in enumerate((length, 12, 20, 9))]
    requests = [Request(prompt, Sampling(temperature=0.0, max_new_tokens=3), 0) for prompt in prompts]
    engine = an_engine(policy, 4)
    numbers = [engine.submit(request) for request in requests]
    drawn = list(engine.run())
    assert [len(call) for call in computed.calls[:3]] == ([40, 32, 9] if length == 40 else [length, 41, 4])
    with torch.no_grad():
        for number, prompt in zip(numbers, prompts, strict=True):
            logits = policy.model(input_ids=torch.tensor([[*prompt, *told(drawn, number)[0]]])).logits[0]
            assert logits[len(prompt) - 1 : -1].argmax(-1).tolist() == told(drawn, number)[0]


def test_requests_may_be_submitted_while_others_run(policy):
    requests = twelve()
    engine = an_engine(policy, 3)
    numbers, drawn = [engine.submit(request) for request in requests[:2]], []
    late = list(requests[2:])
    for each in engine.run():
        drawn.append(each)
        if late and len(drawn) % 3 == 0:
            numbers.append(engine.submit(late.pop(0)))
    for number, request in zip(numbers, requests, strict=True):
        assert_alike(told(drawn, number), alone(policy, request))


def test_a_larger_request_may_come_when_the_cache_is_in_use(policy):
    engine = an_engine(policy, 3)
    small, large = twelve()[5], Request(tuple(range(2, 90)), Sampling(max_new_tokens=50), 4)
    first = engine.submit(small)
    drawn = [*engine.step(), *engine.step()]
    second = engine.submit(large)
    drawn += engine.run()
    assert_alike(told(drawn, first), alone(policy, small))
    assert_alike(told(drawn, second), alone(policy, large))


def test_nothing_to_do(policy):
    engine = an_engine(policy, 3)
    assert not engine.busy
    assert engine.step() == []
    assert list(engine.run()) == []
    number = engine.submit(Request((5,), Sampling(max_new_tokens=1), 0))  # the shortest there is
    assert engine.busy
    (only,) = engine.run()
    assert (only.request, only.finish) == (number, FinishReason.LENGTH)
    assert list(engine.run()) == []


def test_first_tokens_follow_the_models_distribution(trained):
    """Chi-square over the tokens expected at least five times, the others taken together."""
    prompt, n = (5, 9, 12, 80), 1500
    engine = an_engine(trained, 64, packed=True, adapters=("default",))
    for seed in range(n):
        engine.submit(Request(prompt, Sampling(max_new_tokens=2), seed, "default"))
    firsts, seen = [], set()
    for each in engine.run():
        if each.request not in seen:
            seen.add(each.request)
            firsts.append(each.token)
    with torch.no_grad():
        due = n * trained.model(input_ids=torch.tensor([prompt])).logits[0, -1].double().softmax(-1)
    counts, common = torch.bincount(torch.tensor(firsts), minlength=len(due)).double(), due >= 5
    assert common.sum() > 5
    observed, wanted = ([*each[common].tolist(), float(each[~common].sum())] for each in (counts, due))
    assert chisquare(observed, wanted, sum_check=False).pvalue > 0.001


def test_every_token_has_a_random_number_of_its_own(policy):
    """Four tokens, as good as equally likely: each follows each, as it would not if a number were used twice."""
    four = (5, 6, 7, 8)
    bias = tuple((token, -1e6) for token in range(len(policy.tokenizer)) if token not in four)
    engine = an_engine(policy, 32)
    for seed in range(160):
        engine.submit(Request((5, 9), Sampling(temperature=100.0, logit_bias=bias, max_new_tokens=3), seed))
    drawn = list(engine.run())
    words = [told(drawn, number)[0] for number in range(160)]
    for earlier, later in ((0, 1), (1, 2), (0, 2)):
        pairs = [(word[earlier], word[later]) for word in words]
        assert {pairs.count((a, b)) > 1 for a in four for b in four} == {True}


# ----------------------------------------------------------------------------------------------------------- cancel


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_request_that_is_being_decoded_can_be_cancelled(policy, place):
    """Whichever row it has: the last row moves into its place."""
    requests = [twelve()[k] for k in (1, 9, 6, 3)]
    engine = an_engine(policy, 3)
    numbers = [engine.submit(request) for request in requests]
    drawn = [*engine.step(), *engine.step()]
    engine.cancel(numbers[place])
    drawn += engine.run()
    assert len(told(drawn, numbers[place])[0]) == 2
    for number, request in zip(numbers, requests, strict=True):
        if number != numbers[place]:
            assert_alike(told(drawn, number), alone(policy, request))


def test_a_request_that_waits_can_be_cancelled(policy):
    requests = [*twelve()[:4], *twelve()[3:6]]
    engine = an_engine(policy, 2)
    numbers = [engine.submit(request) for request in requests]
    drawn = engine.step()
    cancelled = [numbers[2], numbers[5]]
    for number in cancelled:
        engine.cancel(number)
    drawn += engine.run()
    assert not set(cancelled) & {each.request for each in drawn}
    for number, request in zip(numbers, requests, strict=True):
        if number not in cancelled:
            assert_alike(told(drawn, number), alone(policy, request))


def test_one_of_a_group_and_a_whole_group_can_be_cancelled(policy):
    computed = Computed(policy)
    engine = an_engine(policy, 2)
    numbers = [engine.submit(Request((5, 6, 7), Sampling(max_new_tokens=3), seed)) for seed in range(5)]
    whole = [engine.submit(Request((80, 81, 82), Sampling(max_new_tokens=3), seed)) for seed in range(2)]
    for number in (numbers[1], numbers[4], *whole):
        engine.cancel(number)
    drawn = list(engine.run())
    assert {each.request for each in drawn} == {numbers[0], numbers[2], numbers[3]}
    assert computed.times((80, 81, 82)) == 0


def test_cancelling_all_or_what_is_not_there_is_nobodys_loss(policy):
    engine = an_engine(policy, 2)
    numbers = [engine.submit(request) for request in twelve()[:3]]
    engine.step()
    engine.cancel(99)
    for number in numbers:
        engine.cancel(number)
        engine.cancel(number)
    assert not engine.busy
    assert list(engine.run()) == []
    again = engine.submit(twelve()[4])
    assert_alike(told(list(engine.run()), again), alone(policy, twelve()[4]))


def test_a_cancelled_request_is_told_no_more_of_even_what_its_last_step_drew(policy):
    engine = an_engine(policy, 3)
    numbers = [engine.submit(Request((5, 6, 7 + k), Sampling(max_new_tokens=3), k)) for k in range(3)]
    drawn = []
    for each in engine.run():
        drawn.append(each)
        if len(drawn) == 4:  # the first one's second token; the others' are drawn and not yet told
            engine.cancel(numbers[1])
        if each.finish is not None:
            engine.cancel(numbers[2])  # whose last token is drawn as well
    assert [each.request for each in drawn] == [*numbers, numbers[0], numbers[2], numbers[0]]


def test_where_an_iterator_is_left_the_next_one_goes_on(policy):
    engine = an_engine(policy, 3)
    requests = twelve()
    numbers = [engine.submit(request) for request in requests]
    drawn = [each for _ in range(5) for each in islice(engine.run(), 2)]  # left in mid-step
    drawn += engine.run()
    assert len(drawn) == sum(NEW)
    for number, request in zip(numbers, requests, strict=True):
        assert_alike(told(drawn, number), alone(policy, request))


def test_adapters_are_not_read_while_a_request_is_open(trained):
    """Its keys are of the adapter as it was."""
    engine = an_engine(trained, 1, adapters=("default",))
    numbers = [engine.submit(request) for request in twelve("default")[1:3]]
    for left in numbers:  # one is decoded, one waits; then one
        engine.step()
        with pytest.raises(InputError, match="while requests are open"):
            engine.refresh("default")
        engine.cancel(left)
    engine.refresh("default")


# ------------------------------------------------------------------------------------------------------- stop texts


@pytest.mark.parametrize("length", [2, 40, 90])
def test_a_stop_text_of_many_tokens_ends_the_completion(policy, length):
    text = "".join(chr(33 + (7 * i) % 90) for i in range(length))
    (*ids,) = policy.tokenizer.encode("ab" + text + "cd", add_special_tokens=False)
    ends = [finish_of(Sampling(max_new_tokens=500, stop=("never", text)), ids[:n], frozenset(), policy.decode)
            for n in range(1, len(ids))]  # fmt: skip
    first = next(n for n in range(1, len(ids)) if text in policy.decode(ids[:n]))
    assert ends[: first - 1] == [None] * (first - 1)
    assert ends[first - 1] is FinishReason.STOP


# --------------------------------------------------------------------------------------------------------- adapters


@pytest.fixture
def two_adapters(trained):
    """`default` on all linear layers and `other`, of another rank, on some; both far from nothing, and apart."""
    trained.model.add_adapter("other", LoraConfig(r=3, lora_alpha=9, target_modules=["q_proj", "v_proj", "down_proj"]))
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in trained.model.named_parameters():
            if "lora_B.other" in name:
                parameter.add_(0.4 * torch.randn(parameter.shape, generator=generator))
    trained.model.eval()
    return trained


def by_transformers(policy, adapter: str | None, prompt, tokens) -> torch.Tensor:
    """Log-probs of tokens after a prompt, by transformers and peft."""
    ids = torch.tensor([[*prompt, *tokens]])
    with torch.no_grad():
        if adapter is None:
            with policy.model.disable_adapter():
                logits = policy.model(input_ids=ids).logits[0]
        else:
            policy.model.set_adapter(adapter)
            logits = policy.model(input_ids=ids).logits[0]
            policy.model.set_adapter("default")
    return logits.log_softmax(-1)[len(prompt) - 1 : -1].gather(1, torch.tensor(tokens)[:, None])[:, 0]


@pytest.mark.parametrize("names", [("default", "other", None), ("other", None), ("default", "other"), (None,)], ids=str)
def test_adapters_together_in_one_batch(two_adapters, packing, names):
    both = ("default", "other")
    engine = an_engine(two_adapters, 12, packed=packing, adapters=both)
    sampling = Sampling(max_new_tokens=12)
    requests = [Request((5, 9, 12, 80), sampling, seed, name) for seed in range(3) for name in names]
    numbers = [engine.submit(request) for request in requests]
    drawn = list(engine.run())
    found = [told(drawn, number) for number in numbers]
    for each, request in zip(found, requests, strict=True):
        assert_alike(each, alone(two_adapters, request, adapters=both))
        expected = by_transformers(two_adapters, request.adapter, request.prompt, each[0])
        assert torch.allclose(torch.tensor(each[1]), expected, atol=3e-4)
    for start in range(0, len(found), len(names)):  # the same seed, other adapters: other words
        assert len({tuple(each[0]) for each in found[start : start + len(names)]}) == len(names)


def test_a_batch_that_changes_its_adapters_as_it_goes(two_adapters, packing):
    engine = an_engine(two_adapters, 3, packed=packing, adapters=("default", "other"))
    requests = [
        Request(each.prompt, each.sampling, each.seed, (None, "default", "other")[k % 3])
        for k, each in enumerate(twelve())
    ]
    numbers = [engine.submit(request) for request in requests]
    drawn = list(engine.run())
    for number, request in zip(numbers, requests, strict=True):
        assert_alike(told(drawn, number), alone(two_adapters, request, adapters=("default", "other")))


def test_an_unknown_adapter_is_refused(trained):
    engine = an_engine(trained, 2, adapters=("default",))
    with pytest.raises(InputError, match=r"'nobody'.*default"):
        engine.submit(Request((5, 6), Sampling(), 0, "nobody"))
    with pytest.raises(InputError, match="'nobody'"):
        engine.refresh("nobody")
    assert not engine.busy
    bare = an_engine(trained, 2)
    with pytest.raises(InputError, match="'default'"):  # it must be read first
        bare.submit(Request((5, 6), Sampling(), 0, "default"))
