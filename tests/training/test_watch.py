"""What is said of fresh completions: once, of what is plain over many windows, and by a run that goes on as by one."""

import math

import pytest

from burnish import methods
from burnish.conformance.toys import SAMPLING
from burnish.conformance.world import ASKED, World
from burnish.examples import Example, Row, example_from_plain, example_to_plain
from burnish.models.table import TablePolicy
from burnish.plain import signal_from_plain, signal_to_plain
from burnish.records import Completion, Prompt, Score
from burnish.rewards.combined import Combined, Part
from burnish.training.course import Course, CourseConfig, Material
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig
from burnish.training.watch import WINDOWS, Watch, spread_of_parts

ASK = Prompt.of("q")


def group(*given: dict[str, float]) -> Example:
    rows = (Row(ASK, Completion(ASK.id, str(n), index=n), parts=tuple(each.items())) for n, each in enumerate(given))
    return Example(tuple(rows))


def heard(watch: Watch, groups: list[Example], lengths: list[float]) -> list[str]:
    return [text for length in lengths for text in watch.see(groups, length)]


def test_the_spread_of_a_part_is_within_its_groups_by_hand():
    groups = [group({"a": 1, "b": 9}, {"a": 3, "b": 9}), group({"a": 7, "b": 0}, {"b": 4})]
    assert spread_of_parts(groups) == {"a": 2.0, "b": 8.0}  # (1 + 1) + 0, and 0 + (4 + 4)


def test_a_part_that_decides_alone_is_named_once_and_only_after_many_windows():
    watch, groups = Watch(), [group({"wide": 0, "narrow": 0.1}, {"wide": 4, "narrow": 0.0})]
    assert heard(watch, groups, [5.0] * (WINDOWS - 1)) == []
    (said,) = heard(watch, groups, [5.0] * 3 * WINDOWS)
    assert "'wide' makes up 100% of the spread" in said


@pytest.mark.parametrize(
    "groups",
    [
        [group({"one": 0, "other": 1}, {"one": 2, "other": 0})],  # 2 of 2.5: neither decides alone
        [group({"only": 0}, {"only": 4})],
        [group({"one": 1, "other": 1}, {"one": 1, "other": 1})],
        [],
    ],
)
def test_where_parts_share_or_there_is_one_or_nothing_differs_nothing_is_said(groups):
    assert heard(Watch(), groups, [5.0] * 3 * WINDOWS) == []


@pytest.mark.parametrize(("then", "says"), [(9.0, True), (13.0, False), (16.0, True), (math.nan, False)])
def test_completions_that_grow_or_shrink_by_half_are_told_of_once(then, says):
    said = heard(Watch(), [], [14.0] * WINDOWS + [then] * 3 * WINDOWS if then < 10 else [10.0] * WINDOWS + [then] * 30)
    assert len(said) == says
    if says:
        assert f"{then:.0f} tokens" in said[0]


def test_a_word_more_or_less_is_no_drift():
    assert heard(Watch(), [], [1.4] * WINDOWS + [4.0] * WINDOWS) == []


def test_one_window_of_another_length_is_no_drift():
    assert heard(Watch(), [], ([10.0] * WINDOWS + [40.0]) + [10.0] * 2 * WINDOWS) == []


def test_a_watch_that_goes_on_says_nothing_twice_and_forgets_nothing():
    groups, lengths = [group({"a": 0, "b": 0}, {"a": 4, "b": 0.1})], [10.0] * WINDOWS + [16.0] * WINDOWS
    whole = heard(Watch(), groups, lengths)
    watch, said = Watch(), []
    for length in lengths:
        said += watch.see(groups, length)
        watch = Watch(**watch.state())
    assert said == whole
    assert len(said) == 2


def test_what_each_reward_gave_goes_through_a_file_and_back():
    score = Score(ASK, Completion(ASK.id, "a"), 3.0, parts=(("one", 1.0), ("other", 2.0)))
    assert signal_from_plain(signal_to_plain(score)) == score
    example = group({"one": 1.0, "other": 2.0})
    (row,) = example_from_plain(example_to_plain(example)).rows
    assert row.parts == example.rows[0].parts


def test_a_course_says_it_of_a_combined_reward_whose_parts_add_up_to_its_score(capsys):
    world = World(0)
    paid = Combined((Part("world", world, weight=5.0), Part("shy", World(1), weight=0.1)), scale="none")
    for score in paid.score(ASKED[:1], [TablePolicy(ASKED).completion(ASKED[0], (1, 2, 0))]):
        assert sum(gave for _, gave in score.parts) == pytest.approx(score.value)
    module = methods.load("grpo")
    course = Course(
        TablePolicy(ASKED, seed=1), module, module.Config(), Material(prompts=ASKED, reward=paid, sampling=SAMPLING),
        CourseConfig(steps=WINDOWS + 2, prompts_per_step=3, group=4), optimiser=OptimiserConfig(learning_rate=0.01),
        walk=StepConfig(), seed=0,
    )  # fmt: skip
    for _ in range(WINDOWS + 2):
        course.advance()
    assert capsys.readouterr().err.count("'world' makes up") == 1
    course.load_state(*course.state())
    assert course.watch.said == ["part"]
