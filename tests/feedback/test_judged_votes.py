"""A judge's soft label, from its log-probs to the probability of a preference."""

import math

import pytest

from burnish.feedback.signals import signals_from
from burnish.judges.asking.asker import Asker
from burnish.judges.comparison import Comparison
from burnish.models.scripted import Scripted
from burnish.records import Completion, Prompt
from burnish.store import Entry


def test_how_sure_a_judge_was_is_the_share_of_its_vote():
    def prefer(question, options):
        first_shown = question.messages[1].content.index("good") < question.messages[1].content.index("bad text")
        sure = math.log(0.8) - math.log(0.2)
        return {options[0]: sure, options[1]: 0.0} if first_shown else {options[0]: 0.0, options[1]: sure}

    prompt = Prompt.of("q")
    pair = (Completion(prompt.id, "good"), Completion(prompt.id, "bad text"))
    judge = Comparison(Asker(Scripted(lambda question, seed: "", prefer)), criterion="which is better")
    (said,) = judge.judge([prompt], [pair])
    assert said.metadata["probability"] == pytest.approx(0.8)
    (signal,) = signals_from([Entry(prompt, pair, (said,))])
    assert signal.chosen.text == "good"
    # Beta(1 + 0.8, 1 + 0.2): a full vote would have made 2/3
    assert signal.probability == pytest.approx(1.8 / 3)
