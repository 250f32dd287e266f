"""Averages against the formula worked out term by term, swapped in and out to the bit, and exact after a resume."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from burnish.errors import InputError
from burnish.models.averaging import Average, mean_of
from burnish.models.packing import pack
from burnish.models.policy import Policy
from burnish.models.tuning import TuningConfig


def parameters(*values: float, dtype: torch.dtype = torch.float32) -> dict[str, nn.Parameter]:
    return {f"p{i}": nn.Parameter(torch.full((2,), value, dtype=dtype)) for i, value in enumerate(values)}


def walk(some: dict[str, nn.Parameter], average: Average, steps: range) -> None:
    for step in steps:
        with torch.no_grad():
            for parameter in some.values():
                parameter.add_(torch.tensor([0.1, -0.3]) * (step + 1) ** 0.5)
        average.update()


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 0.999), st.booleans(), st.lists(st.floats(-5, 5), min_size=1, max_size=6))
def test_the_average_is_the_sum_of_what_was_with_its_weights(decay, warm, values):
    some = parameters(1.0, dtype=torch.float64)
    average = Average(some, decay=decay, warm=warm)
    weights, seen = [1.0], [1.0]
    for n, value in enumerate(values):
        now = min(decay, (1 + n) / (10 + n)) if warm else decay
        assert average.decay_now == now
        with torch.no_grad():
            some["p0"].fill_(value)
        average.update()
        weights = [each * now for each in weights] + [1 - now]
        seen.append(value)
    expected = sum(weight * value for weight, value in zip(weights, seen, strict=True))
    assert float(average.averages["p0"][0]) == pytest.approx(expected, abs=1e-12)
    assert sum(weights) == pytest.approx(1)


def test_it_is_finer_than_the_weights_it_follows():
    """A hundred steps too small for bfloat16 to hold add up."""
    some = parameters(1.0, dtype=torch.bfloat16)
    average = Average(some, decay=0.99, warm=False)
    with torch.no_grad():
        some["p0"].fill_(1.0078125)  # the next number up
    average.update()
    assert average.averages["p0"].dtype == torch.float32
    assert 1.0 < float(average.averages["p0"][0]) < 1.0002


def test_swapped_in_and_out_to_the_bit():
    some = parameters(1.0, 2.0)
    average = Average(some, decay=0.9)
    walk(some, average, range(3))
    before = {name: p.detach().clone() for name, p in some.items()}
    with average.swapped():
        assert all(torch.equal(p, average.averages[name]) for name, p in some.items())
        with torch.no_grad():
            some["p0"].zero_()  # whoever writes here writes to a copy
        with pytest.raises(RuntimeError, match="stand in the parameters' place"):
            average.update()
    assert all(torch.equal(p, before[name]) for name, p in some.items())
    assert average.averages["p0"].abs().min() > 0
    with pytest.raises(ValueError, match="in the middle"), average.swapped():
        raise ValueError("in the middle")
    assert all(torch.equal(p, before[name]) for name, p in some.items())


@pytest.mark.parametrize("at", range(5))
def test_a_resumed_average_is_the_same_to_the_bit(at):
    whole, again = parameters(1.0, 2.0), parameters(1.0, 2.0)
    first, second = Average(whole, decay=0.97), Average(again, decay=0.97)
    walk(whole, first, range(at))
    walk(again, second, range(at))
    fresh = Average(again, decay=0.97)
    fresh.load_state(second.state())
    walk(whole, first, range(at, 5))
    walk(again, fresh, range(at, 5))
    mine, theirs = first.state(), fresh.state()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_what_does_not_fit_is_refused():
    average = Average(parameters(1.0), decay=0.9)
    for wrong in (
        {},
        Average(parameters(1.0, 2.0), decay=0.9).state(),
        {"count": torch.tensor(1), "#p0": torch.ones(1)},
    ):
        with pytest.raises(InputError, match="does not fit"):
            average.load_state(wrong)
    with pytest.raises(InputError, match=r"1.0 is not in \[0, 1\)"):
        Average(parameters(1.0), decay=1.0)


def test_a_policy_speaks_with_the_average_while_it_is_swapped_in(policy, shake):
    """Through our own decoder too, whose weights are the same tensors."""
    rows = pack([[5, 9, 12]], [[[20, 21, 22], [33]]])
    policy.add_lora(rank=2, alpha=4.0, seed=1)
    average = Average(policy.parameters(), decay=0.5, warm=False)
    shake(policy, size=0.5)
    average.update()
    said = policy.statistics(rows, temperature=1.0, reference=False).logprobs
    with average.swapped():
        meant, state = policy.statistics(rows, temperature=1.0, reference=False).logprobs, policy.state()
    assert torch.equal(policy.statistics(rows, temperature=1.0, reference=False).logprobs, said)
    assert (meant - said).abs().max() > 0.01
    policy.load_state(state)
    assert torch.equal(policy.statistics(rows, temperature=1.0, reference=False).logprobs, meant)


# ------------------------------------------------------------------------------------------------------- checkpoints


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0, 4)), min_size=1, max_size=5), st.randoms())
def test_the_mean_is_weighted_and_of_any_order(pairs, random):
    values, weights = [value for value, _ in pairs], [weight for _, weight in pairs]
    if sum(weights) == 0:
        weights = None
    some = [{"w": torch.full((2,), value, dtype=torch.float64)} for value in values]
    found = mean_of(some, weights)["w"]
    shares = weights or [1.0] * len(values)
    expected = sum(share * value for share, value in zip(shares, values, strict=True)) / sum(shares)
    assert float(found[0]) == pytest.approx(expected, abs=1e-9)
    order = list(range(len(some)))
    random.shuffle(order)
    again = mean_of([some[i] for i in order], [shares[i] for i in order])["w"]
    assert torch.allclose(found, again, atol=1e-12)


def test_the_mean_of_equal_checkpoints_is_that_checkpoint():
    some = {"w": torch.randn(50, generator=torch.Generator().manual_seed(0)), "n": torch.tensor(3)}
    found = mean_of([some] * 3)
    assert torch.equal(found["w"], some["w"])
    assert torch.equal(found["n"], some["n"])
    assert torch.equal(mean_of([some, {**some, "w": some["w"] * torch.nan}], [1, 0])["w"], some["w"])


def test_the_mean_of_two_trainings_is_a_policy(tiny_folder):
    policy, states = Policy.load(tiny_folder), []
    policy.adapt(TuningConfig("full"))
    for sign in (1, -1):
        with torch.no_grad():
            policy.parameters()["model.norm.weight"].add_(sign)
        states.append(policy.state())
    policy.load_state(mean_of(states))
    assert torch.allclose(policy.parameters()["model.norm.weight"], states[1]["model.norm.weight"] + 0.5)


@pytest.mark.parametrize(
    ("checkpoints", "weights", "said"),
    [
        ([], None, "0 checkpoints"),
        ([{"a": torch.ones(1)}], [1.0, 2.0], "1 checkpoints and 2 weights"),
        ([{"a": torch.ones(1)}], [0.0], "all are 0"),
        ([{"a": torch.ones(1)}] * 2, [2.0, -1.0], "not all from 0 up"),
        ([{"a": torch.ones(1)}, {"b": torch.ones(1)}], None, r"checkpoint 1 is of another model .*\(a differs"),
        ([{"a": torch.ones(1)}, {"a": torch.ones(2)}], None, "a differs"),
    ],
)
def test_what_has_no_mean_is_refused(checkpoints, weights, said):
    with pytest.raises(InputError, match=said):
        mean_of(checkpoints, weights)
