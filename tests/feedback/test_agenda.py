"""What to ask next: strategies on worlds that are known, the random slice, and whom to ask."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from burnish.errors import InputError
from burnish.feedback import next as strategies
from burnish.feedback.agenda import Ask, Pair, agenda, candidates_of, dealt
from burnish.feedback.next import Candidates
from burnish.feedback.next.information_gain import gain
from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry


def world(mean, spread, *, groups=1, draws=400, seed=0, features=None):
    """All pairs of the items of each group; posterior of every item normal with these means and spreads."""
    draw = np.random.default_rng(seed)
    items = len(mean)
    rewards = np.concatenate([draw.normal(mean, spread, size=(draws, items)) for _ in range(groups)], axis=1)
    ends = [(g * items + i, g * items + j, g) for g in range(groups) for i in range(items) for j in range(i + 1, items)]
    first, second, group = np.array(ends).T
    return Candidates(first, second, group, rewards, features)


def ends(candidates, picked):
    return [tuple(sorted((int(candidates.first_P[i]), int(candidates.second_P[i])))) for i in picked]


def picked(name, candidates, n, seed=0):
    return strategies.load(name).pick(candidates, n, np.random.default_rng(seed))


@pytest.mark.parametrize("name", strategies.names())
def test_every_strategy_picks_different_pairs_and_no_more_than_there_are(name):
    candidates = world([0, 0, 1, 2], [1, 1, 1, 1], groups=3)
    some = picked(name, candidates, 7)
    assert len(some) == len(set(some)) == 7
    assert sorted(picked(name, candidates, 99)) == list(range(18))
    assert picked(name, candidates, 7) == some


def test_uncertainty_takes_the_even_pair_information_gain_the_unknown_one():
    # 0 and 1 are surely equal (people are divided); 2 and 3 may be anything; 4 is far below all
    candidates = world([0, 0, 0.3, 0, -9], [0.01, 0.01, 2, 2, 0.01], draws=4000)
    assert ends(candidates, picked("uncertainty", candidates, 1)) == [(0, 1)]
    assert ends(candidates, picked("information_gain", candidates, 1)) == [(2, 3)]


def test_information_gain_by_hand():
    # two members that are sure of the opposite: the answer tells which is right, log 2; two that agree: nothing
    found = gain(np.array([[1.0, 0.5, 0.9], [0.0, 0.5, 0.9]]))
    assert found == pytest.approx([np.log(2), 0, 0], abs=1e-9)


def test_large_gap_pairs_the_best_with_the_worst_and_double_thompson_the_best_two():
    candidates = world([4, 3.5, 0, -4], [0.2, 0.2, 0.2, 0.2], groups=20)
    gaps = Counter(tuple(i % 4 for i in pair) for pair in ends(candidates, picked("large_gap", candidates, 20)))
    best = Counter(tuple(i % 4 for i in pair) for pair in ends(candidates, picked("double_thompson", candidates, 20)))
    assert gaps[0, 3] >= 15
    assert gaps[0, 3] + gaps[1, 3] == 20
    assert best[0, 1] == 20


def test_d_optimal_does_not_ask_the_same_thing_twice():
    candidates = world([0, 0, 0, 0], [3, 3, 1, 1], draws=4000)
    first, second = ends(candidates, picked("d_optimal", candidates, 2))
    assert first == (0, 1)
    assert not set(second) <= {0, 1}
    features = np.array([[1.0, 0], [-1, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    candidates = world([0] * 6, [1] * 6, features=features)
    one, two = ends(candidates, picked("d_optimal", candidates, 2))
    differences = [features[i] - features[j] for i, j in (one, two)]
    assert np.linalg.matrix_rank(differences) == 2  # the second asks along another direction


@pytest.mark.parametrize("by_features", [False, True])
def test_d_optimal_leaves_less_unknown_than_chance(by_features):
    draw = np.random.default_rng(2)
    features = draw.normal(size=(8, 4)) if by_features else None
    candidates = world([0.0] * 8, [2, 2, 2, 2, 0.3, 0.3, 0.3, 0.3], features=features, draws=2000)
    x = np.eye(8) if features is None else (features - features.mean(0)) / features.std(0)
    prior = np.diag([0.25] * 4 + [1 / 0.09] * 4) if features is None else np.eye(4)

    def left(some):
        difference = x[candidates.first_P[some]] - x[candidates.second_P[some]]
        return np.linalg.slogdet(prior + 0.25 * difference.T @ difference)[1]

    chosen = left(picked("d_optimal", candidates, 5))
    assert chosen > max(left(picked("random", candidates, 5, seed)) for seed in range(20)) - 1e-9


def test_d_optimal_by_features_does_not_ask_again_along_what_answers_have_told():
    features = np.array([[1.0, 0], [-1, 0], [0, 0.9], [0, -0.9]])
    candidates = world([0] * 4, [1] * 4, features=features)
    assert ends(candidates, picked("d_optimal", candidates, 1))[0] in [(0, 1), (2, 3)]
    told = np.where((candidates.first_P == 0) & (candidates.second_P == 1), 20, 0)
    assert ends(candidates, picked("d_optimal", replace(candidates, answered_P=told), 1)) == [(2, 3)]
    told = np.where((candidates.first_P == 2) & (candidates.second_P == 3), 20, 0)
    assert ends(candidates, picked("d_optimal", replace(candidates, answered_P=told), 1)) == [(0, 1)]


# --------------------------------------------------------------------------------------------------------- from a store


def entry(number, votes=(), ratings=()):
    prompt = Prompt.of(f"q{number}")
    texts = tuple(Completion(prompt.id, f"text {letter}") for letter in "abc")
    said = [
        Feedback(
            f"{prompt.id}v{k}", "comparison", prompt.id, (texts[i].id, texts[j].id), {"chosen": 0}, Author(f"p{k}")
        )
        for k, (i, j) in enumerate(votes)
    ]
    said += [
        Feedback(f"{prompt.id}r{k}", "rating", prompt.id, (texts[i].id,), {"rating": r, "scale": [1, 5]}, Author("ana"))
        for k, (i, r) in enumerate(ratings)
    ]
    return Entry(prompt, texts, tuple(said))


def test_what_people_said_is_what_is_believed():
    pairs, candidates = candidates_of([entry(0, votes=[(0, 1)] * 12), entry(1, ratings=[(0, 1), (2, 5)]), entry(2)])
    assert len(pairs) == 9
    chance = candidates.chance_MP.mean(axis=0)
    assert chance[0] > 0.85  # a over b, twelve votes
    assert chance[4] < 0.25  # of the second prompt a was rated worst and c best
    assert chance[6:] == pytest.approx([0.5] * 3, abs=0.1)
    spread = candidates.gap_MP.std(axis=0)
    assert spread[0] < spread[6]
    assert spread[4] < spread[6]


def test_texts_alone_give_no_pair():
    prompt = Prompt.of("q")
    with pytest.raises(InputError, match="no prompt has two texts"):
        candidates_of([Entry(prompt, (Completion(prompt.id, "one"),), ())])


def test_a_random_slice_is_always_there_and_does_not_depend_on_the_strategy():
    pairs, candidates = candidates_of([entry(i, votes=[(0, 1)] * (i % 3)) for i in range(30)])
    slices = []
    for name in ("large_gap", "information_gain"):
        asks = agenda(pairs, candidates, 40, strategy=name, random_share=0.25, seed=4)
        assert Counter(ask.why for ask in asks) == {"random": 10, name: 30}
        assert len({(ask.pair.prompt.id, *(c.id for c in ask.pair.completions)) for ask in asks}) == 40
        slices.append([ask.pair for ask in asks if ask.why == "random"])
        # an even share would be 40 / 30: two a prompt, one more is let through
        assert max(Counter(ask.pair.prompt.id for ask in asks).values()) <= 3
    assert slices[0] == slices[1]
    with pytest.raises(InputError, match="random slice"):
        agenda(pairs, candidates, 10, random_share=0.0)
    with pytest.raises(InputError, match="Did you mean 'large_gap'"):
        agenda(pairs, candidates, 10, strategy="largegap")


def test_work_is_dealt_evenly_also_the_hard_part():
    prompt = Prompt.of("q")
    pair = Pair(prompt, (Completion(prompt.id, "a"), Completion(prompt.id, "b")))
    asks = [Ask(pair, "x", 0.5 + 0.49 * (i % 2), 0.0) for i in range(30)]
    people = ["ana", "bo", "cy", "di"]
    given = dealt(asks, people, overlap=2)
    assert all(len(set(ask.people)) == 2 for ask in given)
    loads = Counter(name for ask in given for name in ask.people)
    hard = Counter(name for ask in given if ask.chance == 0.5 for name in ask.people)
    assert max(loads.values()) - min(loads.values()) <= 1
    assert max(hard.values()) - min(hard.values()) <= 1
    few = dealt(asks, people, overlap=2, load=10)
    assert Counter(name for ask in few for name in ask.people) == dict.fromkeys(people, 10)
    with pytest.raises(InputError, match="3 of 2 people"):
        dealt(asks, ["ana", "bo", "bo"], overlap=3)


# ------------------------------------------------------------------------------------------------ what was said before


def told(kind, value, *, people=60, texts=2, name="p{}"):
    """One prompt, about whose texts people said this."""
    prompt = Prompt.of("Hi")
    shown = tuple(Completion(prompt.id, word) for word in "ABC"[:texts])
    ids = tuple(text.id for text in shown)
    records = [Feedback(f"f{n}", kind, prompt.id, ids, value, Author(name.format(n))) for n in range(people)]
    other = Prompt.of("Who?")  # a pair that nobody was asked about, so that there is one in any case
    spare = tuple(Completion(other.id, word) for word in "XY")
    return [Entry(prompt, shown, tuple(records)), Entry(other, spare, ())]


def unknown(entries):
    """What is still to be learned from the first pair, in nats."""
    pairs, candidates = candidates_of(entries)
    assert pairs[0].prompt.text == "Hi"
    return float(gain(candidates.chance_MP)[0])


def test_whatever_form_an_answer_has_it_is_not_asked_for_again():
    asked = unknown(told("comparison", {"chosen": 0}, people=0))
    assert unknown(told("comparison", {"chosen": 0})) < asked / 5
    assert unknown(told("comparison", {"tie": "good"})) < asked / 5
    assert unknown(told("ranking", {"ranking": [[1], [0], [2]]}, texts=3)) < asked / 5
    assert unknown(told("best_worst", {"best": 0, "worst": 1}, texts=2)) < asked / 5


def test_one_person_asked_sixty_times_is_one_person():
    once, again = (unknown(told("comparison", {"chosen": 0}, people=n, name="ana")) for n in (1, 60))
    assert again == pytest.approx(once)


def test_two_texts_that_people_cannot_judge_are_not_asked_about():
    pairs, _ = candidates_of(told("comparison", {"cannot_judge": True}, people=2))
    assert [pair.prompt.text for pair in pairs] == ["Who?"]


def test_candidates_take_what_is_known_of_each_text_and_how_often_each_pair_was_answered():
    entries = [entry(0, votes=[(0, 1), (0, 1), (1, 2)]), entry(1)]
    pairs, candidates = candidates_of(entries, features=lambda texts: np.array([[len(text), 1.0] for text in texts]))
    assert candidates.features_IF.shape == (6, 2)
    assert candidates.answered_P.tolist() == [2, 0, 1, 0, 0, 0]
    assert len(pairs) == 6
    assert candidates_of(entries)[1].features_IF is None
