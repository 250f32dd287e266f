"""What changes while the engine runs: requests are cancelled, iterators left, adapters mixed."""

from itertools import islice

import pytest
import torch
from peft import LoraConfig
from tests.models.test_engine import NEW, Computed, alone, an_engine, assert_alike, told, twelve

from burnish.errors import InputError
from burnish.models.engine import Request
from burnish.records import Sampling

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
@pytest.mark.parametrize("packing", [False, True], ids=["plain weights", "packed weights"])
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


@pytest.mark.parametrize("packing", [False, True], ids=["plain weights", "packed weights"])
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
