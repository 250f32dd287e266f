"""Drawing from policy and untouched model together: with both caches, and without, the same."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from tests.models.test_headed import ASKED, SAMPLING, a_network

from burnish.methods import nash_md
from burnish.models import acting
from burnish.models.acting import ActingSampler
from burnish.models.tuning import TuningConfig
from burnish.records import Completion, FinishReason, Sampling

MIXED = partial(nash_md.behaviour, config=nash_md.Config(mixture=0.4))


def drawn(network, sampling: Sampling, *, n: int = 6, act=MIXED) -> list[Completion]:
    return [each for group in ActingSampler(network, act).sample(ASKED, sampling, n=n, seed=3) for each in group]


def anew(network, sampling: Sampling, monkeypatch, **how) -> list[Completion]:
    """The same with every text read from its beginning for every token."""
    with monkeypatch.context() as patched:
        patched.setattr(ActingSampler, "_engine", lambda self, rows: None)
        return drawn(network, sampling, **how)


@pytest.mark.parametrize("rows", [32, 5])
@pytest.mark.parametrize("changes", [{}, {"temperature": 0.7, "top_p": 0.9}, {"max_new_tokens": 40, "stop": ("e",)}])
def test_two_rows_of_an_engine_draw_what_reading_anew_draws(rows, changes, monkeypatch):
    network, sampling = a_network(), replace(SAMPLING, **changes)
    monkeypatch.setattr(acting, "ROWS", rows)
    found, expected = drawn(network, sampling), anew(network, sampling, monkeypatch)
    assert len({each.token_ids for each in found}) > 3
    for one, other in zip(found, expected, strict=True):
        assert (one.token_ids, one.text, one.finish_reason) == (other.token_ids, other.text, other.finish_reason)
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert (one.prompt_id, one.index) == (other.prompt_id, other.index)
    assert {each.finish_reason for each in found} <= {FinishReason.STOP, FinishReason.LENGTH}
    assert not any(stop in each.text for stop in sampling.stop for each in found)  # they are cut off


def test_each_end_of_the_mixture_is_one_of_the_two_alone():
    network = a_network()
    own = drawn(network, SAMPLING, act=partial(nash_md.behaviour, config=nash_md.Config(mixture=0.0)))
    its = drawn(network, SAMPLING, act=partial(nash_md.behaviour, config=nash_md.Config(mixture=1.0)))
    alone = [each for group in network.sampler().sample(ASKED, SAMPLING, n=6, seed=3) for each in group]
    with network.policy.adapter_off():
        untouched = [each for group in network.sampler().sample(ASKED, SAMPLING, n=6, seed=3) for each in group]
    assert [each.token_ids for each in own] == [each.token_ids for each in alone]
    assert [each.token_ids for each in its] == [each.token_ids for each in untouched]
    assert [each.token_ids for each in own] != [each.token_ids for each in its]


def test_it_draws_from_the_adapter_as_it_is_now():
    """Trap T34: what training wrote in between is seen."""
    network = a_network()
    before = drawn(network, SAMPLING)
    with torch.no_grad():
        for parameter in network.policy.parameters().values():
            parameter.add_(0.3)
    assert [each.token_ids for each in drawn(network, SAMPLING)] != [each.token_ids for each in before]


@pytest.mark.parametrize("kind", ["full", "prefix"])
def test_what_is_no_adapter_of_the_decoder_is_read_anew(kind):
    network = a_network(tuning=TuningConfig(kind=kind))
    assert ActingSampler(network, MIXED)._engine(8) is None
    assert all(each.token_ids for each in drawn(network, replace(SAMPLING, max_new_tokens=3), n=1))
