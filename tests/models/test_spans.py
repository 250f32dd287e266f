import importlib.util
import random
import sys
from itertools import islice
from pathlib import Path

import pytest

from burnish.errors import InputError
from burnish.models.spans import spread, token_spans, token_spans_of_ids
from burnish.records import Span


@pytest.fixture(scope="module")
def bench():
    """The benchmark with its oracle: benchmarks/spans.py."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "spans.py"
    spec = importlib.util.spec_from_file_location("benchmark_spans", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_300_random_cases_are_exact_in_every_token(bench):
    for name, cases in bench.sources(seed=0).items():
        rng = random.Random(name)
        wrong = [case for case in islice(cases(rng), 75) if not bench.is_exact(case, rng)]
        assert not wrong, (name, wrong[0])


def test_the_oracle_can_say_no(bench):
    rng = random.Random(0)
    assert not bench.is_exact(bench.Case([(0, 1)], [(0, 2)]), rng)
    assert not bench.is_exact(bench.Case([(0, 1)], [(0, 1), (1, 2)]), rng)


def test_the_oracle_knows_which_bytes_make_which_character(bench):
    assert bench.characters_of_bytes("aé灯".encode()) == [0, 1, 1, 2, 2, 2]
    assert bench.characters_of_bytes(b"\xe4\xb8a") == [0, 0, 1]  # cut short, then a letter
    assert bench.characters_of_bytes(b"\xff\xffa") == [0, 1, 2]
    assert bench.characters_of_bytes(b"\xf0\x80") == [0, 1]  # the second byte cannot follow the first
    assert bench.characters_of_bytes(b"a\xe4") == [0, 1]


@pytest.fixture(scope="module")
def tokenizer(tiny_folder):
    from burnish.models.policy import Policy

    return Policy.load(tiny_folder).tokenizer


def test_a_token_has_the_space_before_its_word(tokenizer):
    assert token_spans(tokenizer, "the good") == [(0, 3), (3, 8)]


def test_tokens_that_share_a_character_all_have_it(tokenizer):
    assert token_spans(tokenizer, "灯a") == [(0, 1), (0, 1), (0, 1), (1, 2)]


def test_a_sampled_completion_is_never_tokenised_again(tokenizer):
    """Other tokens than the tokenizer would take spell the same text: each letter by itself."""
    letters = tokenizer.convert_tokens_to_ids(["t", "h", "e"])
    assert token_spans_of_ids(tokenizer, letters) == [(0, 1), (1, 2), (2, 3)]
    assert token_spans(tokenizer, "the") == [(0, 3)]


def test_rewards_of_spans_land_on_the_tokens_that_were_drawn(tiny_folder):
    from burnish.examples import Row
    from burnish.models.headed import HeadedPolicy
    from burnish.models.policy import Policy
    from burnish.records import Completion, Prompt

    network = HeadedPolicy(Policy.load(tiny_folder))
    prompt = Prompt.of("hi")
    drawn = tuple(network.policy.tokenizer.convert_tokens_to_ids(["t", "h", "e"]))
    assert network.token_places(Row(prompt, Completion(prompt.id, "the", token_ids=drawn))) == [(0, 1), (1, 2), (2, 3)]
    assert network.token_places(Row(prompt, Completion(prompt.id, "the"))) == [(0, 3), (3, 3)]


def test_the_end_token_and_what_a_stop_text_cut_off_hold_nothing(tokenizer):
    ids = [*tokenizer("the good")["input_ids"], tokenizer.eos_token_id]
    assert token_spans_of_ids(tokenizer, ids) == [(0, 3), (3, 8), (8, 8)]
    assert token_spans_of_ids(tokenizer, ids, text="the g") == [(0, 3), (3, 5), (5, 5)]
    with pytest.raises(InputError, match="decode to 'the good', not to 'the bad'"):
        token_spans_of_ids(tokenizer, ids, text="the bad")


OFFSETS = [(0, 4), (4, 5), (4, 5), (5, 9), (9, 9)]  # the second and third hold halves of one character


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("touch", [2, 2, 2, 2, 0]),
        ("share", [1, 2, 2, 0.5, 0]),
        ("total", [1, 0.25, 0.25, 0.5, 0]),
        ("end", [0, 0, 0, 2, 0]),
    ],
)
def test_what_a_span_is_worth_to_each_token(how, expected):
    span = Span(2, 6, severity=2.0)
    assert spread([span], OFFSETS, how) == pytest.approx(expected)


def test_overlapping_spans_add_up_and_empty_ones_are_worth_nothing():
    spans = [Span(0, 5, severity=-1.0), Span(3, 9, severity=3.0), Span(4, 4, severity=9.0), Span(20, 30, severity=9.0)]
    assert spread(spans, OFFSETS) == [2, 2, 2, 3, 0]
    assert sum(spread(spans, OFFSETS, "total")) == pytest.approx(2)
    assert spread([], OFFSETS) == [0] * 5
    assert spread(spans, []) == []


def test_an_unknown_way_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'touch'"):
        spread([], [], "touhc")
