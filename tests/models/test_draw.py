"""Draws against a slow loop, transformers' logits warpers and the chi-square test."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from burnish.errors import InputError
from burnish.models import draw as module
from burnish.models.draw import BINS, NATS, draw, inverse_cdf
from burnish.records import Sampling


def noise(*shape: int, seed: int, size: float = 2.0) -> torch.Tensor:
    return size * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def probabilities(n: int, seed: int) -> torch.Tensor:
    return noise(n, seed=seed).softmax(-1)


def chance(n: int, seed: int) -> torch.Tensor:
    return torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def grid(n: int) -> torch.Tensor:
    """Numbers that reach every token of more than 1/n."""
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


def assert_drawn_from(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Chi-square over the tokens expected at least five times, the others taken together."""
    counts = torch.bincount(found, minlength=len(expected)).double()
    wanted = expected.double() * len(found)
    assert counts[wanted == 0].sum() == 0
    common = wanted >= 5
    seen, due = ([*each[common].tolist(), float(each[~common].sum())] for each in (counts, wanted))
    kept = [i for i, each in enumerate(due) if each > 0]
    assert len(kept) >= 3
    assert chisquare([seen[i] for i in kept], [due[i] for i in kept], sum_check=False).pvalue > 0.001


# ------------------------------------------------------------------------------------------------------- inverse CDF


@pytest.mark.parametrize("vocabulary", [5, 256, 257, 700])
def test_inverse_cdf_draws_from_the_distribution(vocabulary):
    expected = probabilities(vocabulary, 3)
    assert_drawn_from(inverse_cdf(expected.expand(6000, -1), chance(6000, 1)), expected)


def test_inverse_cdf_takes_the_first_token_whose_cumulated_probability_exceeds_the_number():
    expected = probabilities(700, 4).double()
    uniforms = chance(200, 2)
    found = inverse_cdf(expected.float().expand(200, -1), uniforms)
    edges = expected.float().double().cumsum(0)
    edges = edges / edges[-1]
    for token, uniform in zip(found.tolist(), uniforms.tolist(), strict=True):
        assert (edges[token - 1] if token else 0) <= uniform + 1e-6
        assert uniform - 1e-6 <= edges[token]


def test_weights_need_not_sum_to_one():
    weights, uniforms = probabilities(300, 5), chance(500, 3)
    found = inverse_cdf(weights.expand(500, -1), uniforms)
    assert torch.equal(inverse_cdf((64 * weights).expand(500, -1), uniforms), found)
    assert torch.equal(inverse_cdf((weights / 1024).expand(500, -1), uniforms), found)


def test_what_cannot_be_drawn_never_is_whatever_the_number():
    possible = torch.zeros(4, 600)
    possible[0, 7] = possible[1, 300] = possible[2, 599] = 1.0
    possible[3, 100:103] = 1 / 3
    for uniform in (0.0, 0.5, 1 - 2**-24, 1 - 2**-53):
        found = inverse_cdf(possible, torch.full((4,), uniform, dtype=torch.float64)).tolist()
        assert found[:3] == [7, 300, 599]
        assert found[3] in (100, 101, 102)


# ------------------------------------------------------------------------------------------------------- truncation


def exact(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """The truncated distribution by a slow loop: k likeliest, then the likeliest that hold top_p together, then min_p.

    For float64; bias first.
    """
    logits = logits.clone()
    for token, bias in sampling.logit_bias:
        logits[token] += bias
    p = (logits / sampling.temperature).softmax(-1)
    order = p.argsort(descending=True).tolist()[: sampling.top_k or None]
    total, kept, held = sum(float(p[i]) for i in order), [], 0.0
    for token in order:
        kept.append(token)
        held += float(p[token]) / total
        if held >= sampling.top_p:
            break
    cut = torch.zeros_like(p)
    kept = [token for token in kept if p[token] >= sampling.min_p * p[order[0]]]
    cut[kept] = p[kept]
    return cut / cut.sum()


KINDS = [
    Sampling(temperature=0.7),
    Sampling(top_k=6),
    Sampling(top_p=0.6),
    Sampling(min_p=0.2),
    Sampling(temperature=1.4, top_k=40, top_p=0.8),
    Sampling(temperature=0.9, top_k=60, top_p=0.95, min_p=0.05),
    Sampling(top_k=10_000, top_p=1.0),
    Sampling(temperature=1.5, top_p=0.05, top_k=3),
    Sampling(logit_bias=((7, 4.0), (9, -100.0), (250, 2.5))),
    Sampling(temperature=2.0, top_k=5, logit_bias=((3, 9.0),), min_p=0.01),
]


@pytest.mark.parametrize("sampling", KINDS, ids=str)
def test_draws_follow_the_sampling(sampling):
    logits = noise(300, seed=6)
    found, logprob = draw(logits.expand(4000, -1), chance(4000, 7), sampling)
    expected = exact(logits.double(), sampling)
    if (expected > 0).sum() > 2:
        assert_drawn_from(found, expected)
    else:
        assert (expected[found] > 0).all()
    # the log-prob is that of the distribution drawn from
    assert torch.allclose(logprob.double(), expected.log()[found], atol=1e-4)


def warped(logits_BV: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Log-probs as transformers truncates, (B, V)."""
    ids = torch.zeros(len(logits_BV), 1, dtype=torch.int64)
    logits_BV = TemperatureLogitsWarper(sampling.temperature)(ids, logits_BV)
    if sampling.top_k:
        logits_BV = TopKLogitsWarper(sampling.top_k)(ids, logits_BV)
    if sampling.top_p < 1:
        logits_BV = TopPLogitsWarper(sampling.top_p)(ids, logits_BV)
    if sampling.min_p:
        logits_BV = MinPLogitsWarper(sampling.min_p)(ids, logits_BV)
    return logits_BV.log_softmax(-1)


def assert_as_warped(logits: torch.Tensor, sampling: Sampling, n: int, atol: float = 1e-4) -> set[int]:
    """Every token of more than 1/n is drawn, with the log-prob that transformers gives it; none of its -inf is."""
    expected = warped(logits[None], sampling)[0]
    found, logprob = draw(logits.expand(n, -1), grid(n), sampling)
    assert torch.isfinite(expected[found]).all()
    assert torch.allclose(logprob, expected[found], atol=atol)
    drawn = set(found.tolist())
    assert set(torch.nonzero(expected.exp() > 1.01 / n)[:, 0].tolist()) <= drawn
    return drawn


@pytest.mark.parametrize("sampling", [each for each in KINDS if not each.logit_bias], ids=str)
def test_truncation_is_that_of_transformers(sampling):
    for seed in range(3):
        assert_as_warped(noise(300, seed=seed), sampling, 2000)


@given(
    seed=st.integers(0, 10_000),
    temperature=st.floats(0.2, 3.0),
    top_k=st.integers(0, 60),
    top_p=st.floats(0.02, 1.0),
    min_p=st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_truncation_is_that_of_transformers_whatever_is_combined(seed, temperature, top_k, top_p, min_p):
    """Where top_p falls on the very edge of a token, either side of it is right: such draws are left out."""
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    logits = noise(50, seed=seed, size=1.5)
    one_more, one_less = (dataclasses.replace(sampling, top_p=min(1.0, top_p * each)) for each in (1.0001, 0.9999))
    if torch.equal(warped(logits[None], one_more), warped(logits[None], one_less)):
        assert_as_warped(logits, sampling, 500)


@pytest.mark.parametrize("top_p", [0.3, 0.9, 0.9999])
def test_a_nucleus_of_thousands(top_p):
    """5,000 tokens, nearly flat: each bin holds many. One token more would move each by 2e-4."""
    logits = noise(5000, seed=8, size=0.1)
    assert (logits.max() - logits.min()) / (NATS / BINS) < 200  # bins in use
    assert len(assert_as_warped(logits, Sampling(top_p=top_p), 1500, atol=5e-5)) > 1000


def test_a_nucleus_that_ends_in_the_last_bin(monkeypatch):
    """Which holds all that lies below the others: here, with bins over a twentieth of a nat, nearly everything."""
    monkeypatch.setattr("burnish.models.draw.NATS", 0.05)
    logits = noise(5000, seed=8, size=0.1)
    assert len(assert_as_warped(logits, Sampling(top_p=0.9), 1500, atol=5e-5)) > 1000


def test_a_large_nucleus_beside_a_small_one():
    """Rows of one batch whose nuclei are of very different size each get their own."""
    logits = torch.stack([noise(5000, seed=8, size=0.1), noise(5000, seed=9, size=6.0)])
    sampling, n = Sampling(top_p=0.9), 1500
    found, logprob = draw(logits.repeat_interleave(n, 0), grid(n).repeat(2), sampling)
    expected = warped(logits, sampling).repeat_interleave(n, 0).gather(1, found[:, None])[:, 0]
    assert torch.allclose(logprob, expected, atol=1e-4)
    assert len(set(found[:n].tolist())) > 1000
    assert len(set(found[n:].tolist())) < 50


def test_tokens_as_likely_as_the_last_one_allowed_stay():
    """Which of equals to drop would be nobody's choice."""
    logits = torch.tensor([3.0, 1.0, 1.0, 1.0, -2.0])
    for sampling in (Sampling(top_k=2), Sampling(top_p=0.75)):
        found, logprob = draw(logits.expand(500, -1), grid(500), sampling)
        assert set(found.tolist()) == {0, 1, 2, 3}
        assert torch.allclose(logprob, logits[:4].log_softmax(-1)[found], atol=1e-5)


# ------------------------------------------------------------------------------------------------------ bias, greedy


def test_greedy_takes_the_likeliest_with_the_models_own_log_prob():
    logits = noise(20, 300, seed=11)
    found, logprob = draw(logits, chance(20, 1), Sampling(temperature=0.0, top_k=3, top_p=0.1, min_p=0.5))
    assert torch.equal(found, logits.argmax(-1))
    assert torch.allclose(logprob, logits.log_softmax(-1).amax(-1))


def test_a_bias_moves_greedy_too_and_leaves_the_logits_alone():
    logits = noise(4, 300, seed=11)
    before = logits.clone()
    for temperature in (0.0, 1.0):
        sampling = Sampling(temperature=temperature, logit_bias=((5, 50.0), (6, -100.0)))
        found, logprob = draw(logits, chance(4, 1), sampling)
        assert found.tolist() == [5] * 4
        assert torch.allclose(logprob, torch.zeros(4), atol=1e-5)
        assert torch.equal(logits, before)


def test_a_token_that_comes_twice_among_the_biases_gets_both():
    logits, sampling = noise(300, seed=3), Sampling(logit_bias=((7, 2.0), (9, 1.0), (7, 2.0)))
    found, logprob = draw(logits.expand(4000, -1), grid(4000), sampling)
    expected = exact(logits.double(), sampling)
    assert_drawn_from(found, expected)
    assert torch.allclose(logprob.double(), expected.log()[found], atol=1e-4)


def test_a_bias_on_a_token_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="there is no token 300; the model's last one is 299"):
        draw(noise(2, 300, seed=1), chance(2, 1), Sampling(logit_bias=((5, 1.0), (300, 1.0))))


@pytest.mark.parametrize("more", [{}, {"top_p": 0.9}, {"top_k": 3, "min_p": 0.1}], ids=str)
@pytest.mark.parametrize("temperature", [1e-20, 1e-39, 5e-324])
def test_however_cold_it_is_the_likeliest_token_that_is_drawn(temperature, more):
    logits = noise(20, 300, seed=11)
    found, logprob = draw(logits, chance(20, 1), Sampling(temperature=temperature, **more))
    assert torch.equal(found, logits.argmax(-1))
    assert logprob.abs().max() == 0


def test_min_p_is_a_share_of_the_likeliest():
    logits = torch.tensor([0.0, math.log(0.5), math.log(0.11), math.log(0.09), -9.0])
    found, _ = draw(logits.expand(1000, -1), grid(1000), Sampling(min_p=0.1))
    assert set(found.tolist()) == {0, 1, 2}
    found, logprob = draw(logits.expand(1000, -1), grid(1000), Sampling(min_p=1.0))
    assert set(found.tolist()) == {0}
    assert logprob.abs().max() < 1e-6


# --------------------------------------------------------------------------------------------------- settings by row


def test_rows_with_settings_of_their_own_are_drawn_as_in_calls_of_their_own():
    kinds = [*KINDS, Sampling(temperature=0.0), Sampling()]
    rows = [kinds[(5 * i) % len(kinds)] for i in range(40)]
    logits, uniforms = noise(40, 300, seed=12), chance(40, 5)
    token_B, logprob_B = draw(logits, uniforms, rows)
    assert token_B.dtype == torch.int64
    for row, sampling in enumerate(rows):
        token, logprob = draw(logits[row : row + 1], uniforms[row : row + 1], sampling)
        assert token_B[row] == token[0]
        assert torch.allclose(logprob_B[row], logprob[0], atol=1e-6)
    alike = draw(logits, uniforms, [KINDS[4]] * 40)
    for found, expected in zip(alike, draw(logits, uniforms, KINDS[4]), strict=True):
        assert torch.equal(found, expected)


def test_rows_that_only_end_otherwise_are_drawn_together(monkeypatch):
    """One call for all of them: 32 calls of two rows each took as long as the products of a step."""
    calls = []
    drawn = module._draw
    monkeypatch.setattr(module, "_draw", lambda logits, *rest: calls.append(len(logits)) or drawn(logits, *rest))
    ways = [Sampling(max_new_tokens=8 + k, stop=("x" * (k + 1),)) for k in range(6)]
    module.draw(torch.randn(6, 300), torch.rand(6, dtype=torch.float64), ways)
    assert calls == [6]


def test_a_rows_number_decides_its_token_alone():
    logits, uniforms = noise(6, 300, seed=13), chance(6, 6)
    sampling = Sampling(top_p=0.9)
    order = [3, 0, 5, 1, 4, 2]
    token_B, _ = draw(logits, uniforms, sampling)
    again, _ = draw(logits[order], uniforms[order], sampling)
    assert torch.equal(again, token_B[order])
    others, _ = draw(logits, (uniforms + 0.37) % 1, sampling)
    assert not torch.equal(others, token_B)
