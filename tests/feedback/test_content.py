import numpy as np
import pytest

from burnish.feedback import content


def test_rows_have_length_one_and_know_neighbours_and_chinese():
    table = content.rows(["Good lamp, good light", "lamp good", "", "很好的灯"])
    length = np.sqrt(np.asarray(table.power(2).sum(axis=1))).ravel()
    assert length == pytest.approx([1, 1, 0, 1])
    assert (table[:1] @ table[1:2].T).toarray()[0, 0] < 1  # "lamp good" is no neighbour pair of the first
    assert table[3].nnz == 7  # four characters and three pairs of neighbours


def test_what_the_words_say_is_learned_from_other_texts():
    generator = np.random.default_rng(0)
    good = generator.random(200) < 0.5
    texts = [f"a {'lovely' if flag else 'dreadful'} thing of kind {n}" for n, flag in enumerate(good)]
    target = np.where(good, 1.0, -1.0)
    found = content.outside_opinions(content.rows(texts), target, texts)
    assert found.shape == (200, content.MEMBERS)
    assert (np.sign(found.mean(axis=1)) == target).mean() > 0.99
    logits = content.as_logits(found.mean(axis=1), good.astype(float))
    assert (np.abs(logits) > np.abs(found.mean(axis=1))).all()


def test_no_label_is_its_own_witness():
    # every text has a word of its own, and labels are coins: whoever had seen a label would know it
    generator = np.random.default_rng(0)
    labels = np.where(generator.random(300) < 0.5, 1.0, -1.0)
    groups = [f"group {n // 3}" for n in range(300)]  # three rows of one text, with one label
    labels = np.repeat(labels[:100], 3)
    found = content.outside_opinions(content.rows([f"word{n // 3}" for n in range(300)]), labels, groups)
    assert abs(np.corrcoef(found.mean(axis=1), labels)[0, 1]) < 0.25
    peeking = content.outside_opinions(
        content.rows([f"word{n // 3}" for n in range(300)]), labels, [str(n) for n in range(300)]
    )
    assert np.corrcoef(peeking.mean(axis=1), labels)[0, 1] > 0.5


def test_margins_that_know_nothing_become_no_logits():
    generator = np.random.default_rng(0)
    margins, coins = generator.normal(size=2_000), (generator.random(2_000) < 0.5).astype(float)
    assert np.abs(content.as_logits(margins, coins)).max() < 0.4
    against = content.as_logits(margins, (margins < 0).astype(float))
    assert np.abs(against).max() == 0.0  # an ensemble that is always wrong is not turned round
