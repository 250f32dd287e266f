import numpy as np
import pytest
from scipy.sparse import csr_matrix

from burnish.errors import InputError
from burnish.feedback.words.topics import factorised, topics

LONG = ["Too long, cut it down.", "Far too long for me.", "Much too long and wordy.", "Wordy and too long."]
WRONG = ["The dates are wrong.", "Wrong date in line two.", "Two dates are wrong, check the facts."]
WARM = ["Lovely friendly tone.", "I like the friendly tone."]
RAMBLING = ["太啰嗦了", "啰嗦,太长", "太啰嗦,看不下去"]


def test_comments_of_one_kind_are_one_topic_named_by_its_words():
    comments = [*LONG, *WRONG, *WARM, *RAMBLING]
    found = topics(comments, 4)
    held = {topic.words[0]: (sorted(topic.comments), topic.value > 0) for topic in found}
    assert held == {
        "long": ([0, 1, 2, 3], False),
        "wrong": ([4, 5, 6], False),
        "friendly": ([7, 8], True),
        "啰嗦": ([9, 10, 11], False),
    }
    assert found[0].words[0] == "long"  # the largest first
    assert sum(topic.share for topic in found) == pytest.approx(1)


def test_the_same_comments_give_the_same_topics():
    assert topics([*LONG, *WRONG], 2) == topics([*LONG, *WRONG], 2)


def test_fewer_topics_where_the_comments_hold_fewer():
    assert len(topics(LONG, 5)) <= 5
    assert topics(["one", "two"], 3) == []
    assert topics([], 3) == []
    with pytest.raises(InputError, match="0 topics"):
        topics(LONG, 0)


def test_a_matrix_made_of_three_factors_is_nearly_got_back():
    draw = np.random.default_rng(0)
    x = draw.random((30, 3)) @ draw.random((3, 20))
    w, h = factorised(csr_matrix(x), 3)
    assert (w >= 0).all()
    assert (h >= 0).all()
    assert np.linalg.norm(x - w @ h) < 0.05 * np.linalg.norm(x)
