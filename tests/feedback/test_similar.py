import numpy as np
import pytest

from burnish.feedback.similar import alike, distance, normal

SENTENCE = "The battery of this little lamp lasts for weeks, and it never once flickered on me."


def test_case_width_and_blanks_do_not_matter():
    assert normal("  \uff26ull   WIDTH\n") == "full width"
    assert alike(["Too long.", "other words entirely", "too  LONG."]) == [(0, 2, 1.0)]


def test_nearly_the_same_text_is_found_and_another_is_not():
    near = SENTENCE.replace("weeks", "months")
    other = "I would not buy it again: the switch broke after a day."
    ((one, two, similarity),) = alike([SENTENCE, other, near], at_least=0.8)
    assert (one, two) == (0, 2)
    # by hand: of 79 pieces, those that touch "weeks" differ
    assert 0.8 < similarity < 1


def test_texts_shorter_than_a_piece_are_only_equal_or_not():
    assert alike(["no", "no", "nö"]) == [(0, 1, 1.0)]
    assert alike([]) == []


def test_every_copy_among_many_is_found():
    generator = np.random.default_rng(0)
    words = [f"w{number}" for number in range(300)]
    texts = [" ".join(generator.choice(words, 14)) for _ in range(400)]
    copies = [text + " indeed" for text in texts[:60]]
    found = {(one, two - 400) for one, two, _ in alike(texts + copies) if two >= 400}
    assert found == {(number, number) for number in range(60)}


def test_a_text_said_a_thousand_times_is_a_chain_and_not_a_square():
    assert len(alike([SENTENCE] * 1_000)) == 999
    assert alike([SENTENCE] * 3)[0] == (0, 1, pytest.approx(1.0))


def test_the_distance_of_two_texts():
    assert distance("Too long.", "too  LONG.") == 0.0
    assert distance("abc", "xyz") == 1.0
    # by hand: " abc " and " abd " share " ab" of 3 and 3 threes: 1 - 2/6
    assert distance("abc", "abd") == distance("abd", "abc") == 1 - 2 / 6
    assert 0 < distance(SENTENCE, SENTENCE.replace("weeks", "months")) < 0.2
