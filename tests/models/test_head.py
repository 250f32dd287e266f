import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.maths.kl import kl_exact
from burnish.models import head
from burnish.models.head import token_statistics

TEMPERATURE = 0.7


def made(n: int, dtype: torch.dtype = torch.float64, *, hidden: int = 6, vocabulary: int = 11):
    generator = torch.Generator().manual_seed(n)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    tokens = torch.randint(vocabulary, (n,), generator=generator)
    return noise(n, hidden).requires_grad_(), noise(vocabulary, hidden), tokens, noise(n, hidden)


def by_the_book(hidden, weight, tokens, reference, temperature):
    """The same from the whole (tokens, vocabulary) matrix, differentiated by autograd."""
    log_p = (hidden @ weight.T / temperature).log_softmax(-1)
    log_q = (reference @ weight.T / temperature).log_softmax(-1)
    places = torch.arange(len(tokens))
    entropy = -(log_p.exp() * log_p).sum(-1)
    return log_p[places, tokens], entropy, log_q[places, tokens], kl_exact(log_p, log_q)


@pytest.fixture(params=[1, 3, 4, 7, 512])
def tile(request, monkeypatch):
    """Seven tokens in tiles that divide them, that do not, and in one."""
    monkeypatch.setattr(head, "TILE", request.param)


@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_values_and_gradients_are_those_of_the_whole_matrix(tile, dtype, within):
    hidden, weight, tokens, reference = made(7, dtype)
    found = token_statistics(hidden, weight, tokens, reference=reference, temperature=TEMPERATURE)
    expected = by_the_book(hidden, weight, tokens, reference, TEMPERATURE)
    for mine, theirs in zip((found.logprobs, found.entropy, found.reference_logprobs, found.kl), expected, strict=True):
        assert mine.dtype == dtype
        assert torch.allclose(mine, theirs, atol=within)
    pull = torch.linspace(-1, 2, 7, dtype=dtype)
    for mine, theirs in ((found.logprobs, expected[0]), (found.kl, expected[3])):
        gradient, expected_gradient = (
            torch.autograd.grad((pull * each).sum(), hidden, retain_graph=True)[0] for each in (mine, theirs)
        )
        assert torch.allclose(gradient, expected_gradient, atol=10 * within)
        assert gradient.abs().max() > 0.1
    both = ((pull * each[0]).sum() + each[1].square().sum() for each in ((found.logprobs, found.kl), expected[::3]))
    one, other = (torch.autograd.grad(each, hidden, retain_graph=True)[0] for each in both)
    assert torch.allclose(one, other, atol=20 * within)


def test_log_probs_without_a_reference():
    hidden, weight, tokens, _ = made(5)
    found = token_statistics(hidden, weight, tokens)
    assert found.kl is None
    assert found.reference_logprobs is None
    expected = (hidden @ weight.T).log_softmax(-1).gather(1, tokens[:, None])[:, 0]
    assert torch.allclose(found.logprobs, expected, atol=1e-12)
    gradients = [torch.autograd.grad(each.sum(), hidden)[0] for each in (found.logprobs, expected)]
    assert torch.allclose(*gradients, atol=1e-12)


def test_finite_differences_agree():
    hidden, weight, tokens, reference = made(3)

    def function(states):
        found = token_statistics(states, weight, tokens, reference=reference, temperature=1.3)
        return found.logprobs, found.kl

    assert torch.autograd.gradcheck(function, (hidden,))


def test_entropy_and_reference_carry_no_gradient():
    hidden, weight, tokens, reference = made(3)
    found = token_statistics(hidden, weight, tokens, reference=reference.requires_grad_())
    assert not found.entropy.requires_grad
    assert not found.reference_logprobs.requires_grad
    found.kl.sum().backward()
    assert reference.grad is None


def test_temperature_divides_the_logits_of_policy_and_reference_alike():
    hidden, weight, tokens, reference = made(4)
    warm = token_statistics(hidden, weight, tokens, reference=reference, temperature=2.0)
    halved = token_statistics(hidden / 2, weight, tokens, reference=reference / 2)
    for name in ("logprobs", "entropy", "reference_logprobs", "kl"):
        assert torch.allclose(getattr(warm, name), getattr(halved, name), atol=1e-12)
    plain = token_statistics(hidden, weight, tokens)
    assert (plain.logprobs - warm.logprobs).abs().max() > 0.1
    assert torch.equal(token_statistics(hidden, weight, tokens, temperature=0.0).logprobs, plain.logprobs)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 60))
def test_the_divergence_is_never_negative_and_exactly_nil_on_equals(seed, width):
    generator = torch.Generator().manual_seed(seed)
    hidden = width * torch.randn(4, 6, generator=generator)
    near = hidden + 1e-4 * torch.randn(4, 6, generator=generator)
    weight, tokens = torch.randn(300, 6, generator=generator), torch.zeros(4, dtype=torch.int64)
    assert (token_statistics(hidden, weight, tokens, reference=near).kl >= 0).all()
    assert token_statistics(hidden, weight, tokens, reference=hidden.clone()).kl.eq(0).all()


def test_logits_that_overflow_an_exponential_stay_finite():
    hidden = torch.tensor([[1000.0], [-1000.0]], requires_grad=True)
    weight, tokens = torch.tensor([[1.0], [0.0], [-1.0]]), torch.tensor([0, 0])
    found = token_statistics(hidden, weight, tokens, reference=-hidden.detach())
    assert found.logprobs.tolist() == [0.0, -2000.0]
    assert found.kl.tolist() == [2000.0, 2000.0]
    (found.logprobs.sum() + found.kl.sum()).backward()
    assert torch.isfinite(hidden.grad).all()


def test_bfloat16_logits_are_normalised_in_float32():
    hidden, weight, tokens, reference = made(64, torch.bfloat16, hidden=16, vocabulary=400)
    found = token_statistics(hidden, weight, tokens, reference=reference)
    # the product's own rounding (a logit of 16 to 1/16) is all that may be lost
    log_p, log_q = ((each @ weight.T).double().log_softmax(-1) for each in (hidden, reference))
    assert found.logprobs.dtype == torch.float32
    assert torch.allclose(found.logprobs.double(), log_p[torch.arange(64), tokens], atol=1e-5)
    assert torch.allclose(found.kl.double(), kl_exact(log_p, log_q), atol=1e-5)
    gradient = torch.autograd.grad(found.logprobs.sum(), hidden)[0]
    assert gradient.dtype == torch.bfloat16


def test_no_tokens_at_all():
    hidden, weight, tokens, reference = made(0)
    found = token_statistics(hidden, weight, tokens, reference=reference)
    found.logprobs.sum().backward()
    assert found.kl.shape == (0,)
    assert hidden.grad.shape == (0, 6)
