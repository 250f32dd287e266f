from tests.evaluation.test_judge_card import JUDGE, texts_entries

from burnish.evaluation.judge_card import judge_cards
from burnish.evaluation.judge_pictures import reliability_picture


def test_a_line_for_each_judge_named_with_its_score():
    (card,) = judge_cards(texts_entries(60, answered=60), JUDGE)
    drawn = reliability_picture([card])
    words = drawn.svg.decode()
    assert f"{JUDGE} (n = 60, Brier {card.reliability.brier.mean:.2f})" in words
    assert "it says: the text is good" in words
    assert drawn.png.startswith(b"\x89PNG")
