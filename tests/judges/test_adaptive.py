import json

import numpy as np
import pytest

from burnish.errors import InputError
from burnish.judges.adaptive import Adaptive
from burnish.judges.asking.verdict import count, preference_of
from burnish.judges.comparison import Comparison
from burnish.models.answering import Failure


@pytest.fixture
def wavering(asker, shown, labels):
    """A judge that prefers the longer text with a given probability, anew each time."""

    def make(chance, **more):
        def say(question, seed):
            first, second = shown(question)
            longer = len(second) > len(first)
            said = longer if np.random.default_rng(seed).random() < chance else not longer
            return json.dumps({"verdict": labels(question)[said]})

        return Adaptive(Comparison(asker(say, temperature=1.0)), **more)

    return make


def test_a_judge_that_never_wavers_is_soon_believed(wavering, pairs):
    judge = wavering(1.0, most=10)
    (verdict,) = judge.verdicts(*pairs(("q", "a", "longer")))
    # P(Beta(1, 1 + n) < 1/2) = 1 - 2^-(n + 1): above 0.95 from n = 4
    assert verdict.feedback.metadata["rounds"] == 4
    assert verdict.questions == 8
    assert verdict.value == pytest.approx(1 / 6)
    assert verdict.feedback.value == {"chosen": 1}


def test_hard_pairs_get_more_rounds_than_easy_ones(wavering, pairs):
    rows = [(f"q{i}", "a", "longer") for i in range(30)]
    easy, hard = (wavering(chance, most=10).verdicts(*pairs(*rows)) for chance in (0.95, 0.6))
    assert sum(v.questions for v in easy) < 0.7 * sum(v.questions for v in hard)
    assert all(verdict.questions <= 20 for verdict in hard)


def test_a_coin_is_seldom_believed(wavering, pairs):
    """20,000 pairs gave 0.039; of 60, more than 0.15 would be a chance of one in a thousand."""
    rows = [(f"q{i}", "a", "longer") for i in range(60)]
    verdicts = wavering(0.5, most=10).verdicts(*pairs(*rows))
    stopped = np.mean([verdict.feedback.metadata["rounds"] < 10 for verdict in verdicts])
    assert stopped <= 0.15


def test_failed_rounds_are_no_votes_and_all_failed_is_a_failure(asker, pairs):
    judge = Adaptive(Comparison(asker(lambda q, s: Failure("down"), temperature=1.0)), most=3)
    (verdict,) = judge.verdicts(*pairs(("q", "a", "b")))
    assert (verdict.feedback, verdict.value, verdict.failure) == (None, None, "down")
    assert verdict.questions == 6


def test_repeating_what_cannot_change_is_refused(asker):
    with pytest.raises(InputError, match="temperature 0"):
        Adaptive(Comparison(asker(lambda q, s: "A")))
    soft = Comparison(asker(lambda q, s: "A", prefer=lambda q, o: dict.fromkeys(o, -1.0), temperature=1.0))
    with pytest.raises(InputError, match="log-probs are the same"):
        Adaptive(soft)


def test_what_a_coin_tossed_is_not_stored_as_decided(wavering, pairs):
    """A posterior off one half is no decision: the server of a judge that tosses decided 34 of 40 pairs that way."""
    rows = [(f"q{i}", "a", "longer") for i in range(40)]
    verdicts = wavering(0.5, most=6).verdicts(*pairs(*rows))
    decided = [verdict for verdict in verdicts if "chosen" in verdict.feedback.value]
    assert len(decided) <= 8
    assert all(verdict.feedback.metadata["settled"] == ("chosen" in verdict.feedback.value) for verdict in verdicts)
    for verdict in verdicts:
        won, lost = verdict.feedback.metadata["votes"]
        assert verdict.feedback.metadata["share"] == pytest.approx(won / (won + lost))
        # every round named the same text in both orders only if no half vote is among them
        assert not verdict.consistent or (won == int(won) and lost == int(lost))
    assert count(verdicts).consistent < 20


def test_what_is_not_settled_is_a_tie_as_a_signal(wavering, pairs):
    (verdict,) = wavering(1.0, most=2).verdicts(*pairs(("q", "a", "longer")))
    assert verdict.feedback.value == {"cannot_judge": True}
    assert verdict.value == pytest.approx(1 / 4)
    assert preference_of(verdict).ranks == (0, 0)
