import numpy as np
import pytest

from burnish.errors import InputError
from burnish.maths.dawid_skene import dawid_skene, majority


def labels(seed, errors, items=600, each=3, classes=2):
    generator = np.random.default_rng(seed)
    truth = generator.integers(classes, size=items)
    person = np.concatenate([generator.permutation(len(errors))[:each] for _ in range(items)])
    item = np.repeat(np.arange(items), each)
    wrong = generator.random(len(item)) < np.asarray(errors)[person]
    said = np.where(wrong, (truth[item] + generator.integers(1, classes, size=len(item))) % classes, truth[item])
    return truth, item, person, said


def accuracies(seed, errors, classes=2):
    truth, item, person, said = labels(seed, errors, classes=classes)
    found = dawid_skene(item, person, said, n_items=600, n_people=len(errors), n_classes=classes)
    bare = majority(item, said, n_items=600, n_classes=classes)
    # a tie of the majority is broken by chance
    bare = bare + 1e-6 * np.random.default_rng(seed).random(bare.shape)
    return (found.chance_IC.argmax(1) == truth).mean(), (bare.argmax(1) == truth).mean()


@pytest.mark.parametrize(
    ("errors", "least"),
    [([0.3] * 10, -0.01), ([0.05] * 5 + [0.5] * 5, 0.06), ([*np.linspace(0.05, 0.5, 9), 0.95], 0.10)],
    ids=["alike", "unlike", "adversary"],
)
def test_never_much_worse_than_the_majority_and_better_where_people_differ(errors, least):
    gains = [np.subtract(*accuracies(seed, errors)) for seed in range(4)]
    assert np.mean(gains) > least


def test_habits_of_one_class_are_found():
    generator = np.random.default_rng(0)
    truth, item, person, said = labels(0, [0.1] * 6, items=900, classes=3)
    blind = (person == 0) & (truth[item] == 2) & (generator.random(len(item)) < 0.8)
    said = np.where(blind, 1, said)  # the first person mostly calls class 2 class 1
    found = dawid_skene(item, person, said, n_items=900, n_people=6, n_classes=3)
    assert found.confusion_KCC[0, 2, 1] > 0.6
    assert found.confusion_KCC[1, 2, 1] < 0.2
    assert found.confusion_KCC.sum(axis=2) == pytest.approx(np.ones((6, 3)))
    assert found.skill_K[0] < found.skill_K[1:].min()


def test_gold_is_held_and_teaches():
    # an even split of two against two: gold says which pair is right
    rows = [(item, person, int(person < 2)) for item in range(20) for person in range(4)]
    item, person, said = zip(*rows, strict=True)
    gold = dict.fromkeys(range(10), 1)
    found = dawid_skene(item, person, said, n_items=20, n_people=4, n_classes=2, gold=gold)
    assert found.chance_IC[:10, 1] == pytest.approx(np.ones(10))
    assert (found.chance_IC[10:, 1] > 0.9).all()
    assert found.skill_K[0] > 0.8 > 0.2 > found.skill_K[2]


def test_a_weight_of_zero_silences():
    truth, item, person, said = labels(1, [0.1, 0.1, 0.1, 0.9], each=4)
    loud = dawid_skene(item, person, said, n_items=600, n_people=4, n_classes=2)
    quiet = dawid_skene(item, person, said, n_items=600, n_people=4, n_classes=2, weights=[1, 1, 1, 0])
    assert (quiet.chance_IC.argmax(1) == truth).mean() > 0.95
    assert np.abs(loud.chance_IC - quiet.chance_IC).max() > 0.01


def test_the_cross_check_with_two_coins_by_hand():
    # one item, one person, after many: Bayes' rule with the fitted numbers
    _, item, person, said = labels(2, [0.2] * 5)
    item, person, said = np.append(item, 600), np.append(person, 3), np.append(said, 1)
    found = dawid_skene(item, person, said, n_items=601, n_people=5, n_classes=2)
    likely = found.prior_C * found.confusion_KCC[3, :, 1]
    assert found.chance_IC[600] == pytest.approx(likely / likely.sum(), abs=1e-4)


def test_what_cannot_be_known_is_refused():
    with pytest.raises(InputError, match="no item was labelled by two people"):
        dawid_skene([0, 1], [0, 1], [0, 1], n_items=2, n_people=2, n_classes=2)
    with pytest.raises(InputError, match="2 groups that share no items"):
        dawid_skene([0, 0, 1, 1], [0, 1, 2, 3], [0, 1, 1, 1], n_items=2, n_people=4, n_classes=2)
    with pytest.raises(InputError, match="labels go from 0 to 2, expected 0 to 1"):
        dawid_skene([0, 0], [0, 1], [0, 2], n_items=1, n_people=2, n_classes=2)
    with pytest.raises(InputError, match="no labels"):
        dawid_skene([], [], [], n_items=1, n_people=2, n_classes=2)
