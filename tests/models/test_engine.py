"""Continuous batching: who is decoded when, and that company changes nothing."""

import pytest
import torch
from scipy.stats import chisquare

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
