"""Continuous batching: who is decoded when, and that company changes nothing."""

import pytest
import torch
from peft import LoraConfig
from scipy.stats import chisquare

from burnish.errors import InputError
from burnish.models import engine as engine_module
from burnish.models import sampler as sampler_module
from burnish.models.decoder.forward import Decoder
from burnish.models.decoder.packed import PackedProducts
from burnish.models.decoder.weights import LowRank
from burnish.models.engine import Engine, Request
from burnish.models.sampler import EngineSampler
from burnish.records import FinishReason, Prompt, Sampling

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
    left, lengths, steps = dict(zip(numbers, NEW, strict=True)), [], 0
    while engine.busy:
        drawn = engine.step()
        steps += 1
        expected = sorted(left)[:3]  # those that came first and are not done
        assert sorted(each.request for each in drawn) == expected
        for each in drawn:
            left[each.request] -= 1
            assert (each.finish is not None) == (left[each.request] == 0)
            if not left[each.request]:
                del left[each.request]
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


# --------------------------------------------------------------------------------------------------- packed weights


needs_packing = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@needs_packing
def test_packed_products_are_the_plain_ones(trained):
    decoder = trained.decoder
    products = PackedProducts(decoder)
    adapter = decoder.adapter("default")
    products.read([adapter])
    layer, low = decoder.layers[1], adapter[1]
    for rows in (1, 7, 130):
        for product, part in zip(layer.products, low, strict=True):
            x = torch.randn(rows, product.weight.shape[1], generator=torch.Generator().manual_seed(rows))
            plus = torch.randn(rows, product.weight.shape[0], generator=torch.Generator().manual_seed(1))
            with torch.inference_mode():
                plain = x @ product.weight.T
                added = (x @ part.down.T) @ part.up.T
                for found, expected in (
                    (products(product, None, x), plain),
                    (products(product, part, x), plain + added),
                    (products(product, part, x, plus), plain + added + plus),
                    (products(product, None, x, plus), plain + plus),
                ):
                    assert torch.allclose(found, expected, atol=1e-4)
                assert added.abs().max() > 0.1
    with torch.inference_mode():
        states = torch.randn(3, 48)
        assert torch.allclose(products.logits(states), decoder.logits(states), atol=1e-4)


@needs_packing
def test_packed_weights_are_used_and_kept(policy):
    assert PackedProducts.possible(policy.decoder)
    first = policy.packed()
    assert first is not None
    assert policy.packed() is first
    policy.add_lora(rank=2, alpha=4.0, seed=0)
    assert policy.packed() is policy.packed()
    policy.model.requires_grad_(True)
    assert policy.packed() is None  # what is trained must be what is sampled


@needs_packing
def test_an_adapter_that_is_gone_is_not_taken_for_a_new_one(trained):
    """What was packed is known by whose it is: memory that is used again must not be mistaken for it."""
    decoder = trained.decoder
    products = PackedProducts(decoder)
    products.read([decoder.adapter("default")])
    product, x = decoder.layers[0].out, torch.ones(2, 48)
    with torch.inference_mode():
        for seed in range(50):
            generator = torch.Generator().manual_seed(seed)
            fresh = [LowRank(torch.randn(4, 48, generator=generator), torch.randn(48, 4, generator=generator))
                     for _ in range(20)]  # fmt: skip
            for low in fresh:
                expected = x @ product.weight.T + (x @ low.down.T) @ low.up.T
                assert torch.allclose(products(product, low, x), expected, atol=1e-3)


def test_without_packed_weights_it_is_the_same(trained, monkeypatch):
    prompts = [Prompt.of("hi"), Prompt.of("the good lamp")]
    sampling = Sampling(max_new_tokens=10)
    expected = EngineSampler(trained).sample(prompts, sampling, n=3)
    monkeypatch.setattr(PackedProducts, "possible", staticmethod(lambda decoder: False))
    assert trained.packed() is None
    found = EngineSampler(trained).sample(prompts, sampling, n=3)
    for mine, theirs in zip(sum(found, []), sum(expected, []), strict=True):  # noqa: RUF017 (six of them)
        assert mine.token_ids == theirs.token_ids
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)


def test_a_torch_whose_packed_products_are_wrong_or_missing_is_not_trusted(policy, monkeypatch):
    decoder = policy.decoder
    plain = torch.nn.functional.linear
    with monkeypatch.context() as changed:
        changed.setattr(torch.nn.functional, "linear", lambda *given: plain(*given) + 1)
        assert not PackedProducts.possible(decoder)
    policy.model.to(torch.float16)
    assert not PackedProducts.possible(Decoder(policy.model))


# ----------------------------------------------------------------------------------------------------- EngineSampler


TEXT = Prompt.of("tell me")
LONG = Sampling(max_new_tokens=40)


def test_rows_are_bounded_by_memory(policy, monkeypatch):
    computed = Computed(policy)
    prompts, sampling = [Prompt.of("hi")], Sampling(max_new_tokens=4)
    expected = EngineSampler(policy).sample(prompts, sampling, n=9)
    assert max(len(call) for call in computed.calls[1:]) == 9
    # keys and values of 2 layers, 2 heads of 12, in float32, for a prompt and 4 tokens; a third of what is free
    row = 2 * 2 * 2 * 12 * 4 * (len(policy.encode(prompts[0])) + 4)
    for free, rows in ((3 * row * 4, 4), (0, 1), (None, 9)):
        computed.calls.clear()
        monkeypatch.setattr(sampler_module.system, "free_bytes", lambda free=free: free)
        assert [c.token_ids for c in EngineSampler(policy).sample(prompts, sampling, n=9)[0]] == [
            c.token_ids for c in expected[0]
        ]
        assert max(len(call) for call in computed.calls[1:]) == rows
    computed.calls.clear()
    EngineSampler(policy, rows=2).sample(prompts, sampling, n=9)
    assert max(len(call) for call in computed.calls[1:]) == 2


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
