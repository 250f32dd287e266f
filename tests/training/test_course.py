"""A course hands a method what it asks for, in an order the seed fixes, and says what is missing."""

import math
from dataclasses import replace
from itertools import chain

import pytest
import torch

from burnish import methods
from burnish.conformance import toys
from burnish.conformance.toys import SAMPLING
from burnish.conformance.world import ASKED, World
from burnish.errors import InputError
from burnish.examples import Example, Row, example_from_plain, example_to_plain
from burnish.models.table import TablePolicy
from burnish.records import Completion, Demonstration, Prompt, Score, Span
from burnish.training.course import Course, CourseConfig, Material
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig
from burnish.training.window import window

SMALL = CourseConfig(steps=6, prompts_per_step=3, group=4, examples_per_step=3)


def course(name: str, *, given: Material | None = None, settings=SMALL, walk=None, **config) -> Course:
    module = methods.load(name)
    made = module.Config(**config)
    network = TablePolicy(ASKED, heads=module.needs(made).heads, seed=1)
    given = given or Material(prompts=ASKED, reward=World(0), sampling=SAMPLING)
    how = {"optimiser": OptimiserConfig(learning_rate=0.1, warmup_steps=1), "walk": walk or StepConfig(), "seed": 4}
    return Course(network, module, made, given, settings, **how)


def shown(count: int) -> list[Demonstration]:
    table = TablePolicy(ASKED)
    every = list(table.completions())
    return [Demonstration(ASKED[i % 3], table.completion(ASKED[i % 3], every[i])) for i in range(count)]


# ------------------------------------------------------------------------------------------------------- what it needs


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("grpo", Material(reward=World(0)), "give it prompts"),
        ("grpo", Material(prompts=ASKED), "give it a reward"),
        ("sft", Material(), "sft learns from demonstrations; the data holds none"),
        ("dpo", Material(signals=shown(3)), "dpo learns from preferences; the data holds demonstrations"),
    ],
)
def test_what_is_missing_is_named(name, given, said):
    with pytest.raises(InputError, match=said):
        course(name, given=replace(given, sampling=SAMPLING))


# ------------------------------------------------------------------------------------------------------------- windows


def test_every_example_comes_once_before_any_comes_again():
    signals = shown(9)
    made = course("sft", given=Material(signals=signals, sampling=SAMPLING))
    windows = []
    for _ in range(6):
        windows.append([example.rows[0].completion.text for example in made.next_window()[0]])
        made.step += 1
    first, second = list(chain(*windows[:3])), list(chain(*windows[3:]))
    assert sorted(first) == sorted(second) == sorted(each.completion.text for each in signals)
    assert first != second


def test_fresh_rows_are_scored_and_known_to_be_fresh():
    made = course("grpo", beta=0.0)
    groups, told = made.next_window()
    world = World(0)
    for example in groups:
        for row in example.rows:
            assert row.fresh
            assert row.score == world.value(row.prompt, row.completion.token_ids)
    scores = [row.score for example in groups for row in example.rows]
    assert told["reward"] == pytest.approx(sum(scores) / len(scores))


def test_a_window_of_the_past_is_drawn_again_and_is_saved():
    made = course("dqn", replay=2)
    first, _ = made.next_window()
    assert len(first) == 3
    for made.step in range(1, 5):
        later, _ = made.next_window()
        assert len(later) == 6  # three fresh groups and three of one past window, however many were kept
        if made.step == 1:
            assert later[3:] == first
    tensors, numbers = made.state()
    again = course("dqn", replay=2)
    again.load_state(tensors, numbers)
    assert len(again.kept) == 2
    assert [example_to_plain(each) for each in again.kept[0]] == [example_to_plain(each) for each in made.kept[0]]


def test_the_running_mean_of_rewards_is_the_next_window_s_baseline():
    made = course("reinforce", beta=0.0, baseline="running")
    assert math.isnan(made.baseline)
    told = made.advance()
    assert made.baseline == pytest.approx(told["return"]) == pytest.approx(told["paid"])
    after = made.advance()
    assert made.baseline == pytest.approx(told["return"] + 0.1 * (after["return"] - told["return"]))


def test_what_is_drawn_and_not_learned_from_is_told_and_counted_and_saved():
    made = course("raft", threshold=0.9, keep=9)
    told = made.advance()
    assert told["left_out"] > 0
    assert made.not_chosen == {"below the threshold": told["left_out"]}
    after = made.advance()
    assert made.not_chosen == {"below the threshold": told["left_out"] + after["left_out"]}
    assert not made.left_out
    again = course("raft", threshold=0.9, keep=9)
    again.load_state(*made.state())
    assert again.not_chosen == made.not_chosen
    assert "left_out" not in course("grpo").advance()


def test_a_window_nothing_is_chosen_of_teaches_nothing():
    made = course("raft", threshold=2.0)  # rewards end at 1
    before = made.steps.state()
    assert made.advance()["examples"] == 0
    assert all(torch.equal(tensor, before[key]) for key, tensor in made.steps.state().items())


# ----------------------------------------------------------------------------------------------- who draws, who speaks


def said_best(network: TablePolicy, prompt: Prompt, tokens: tuple[int, ...], table: str) -> None:
    """Put into a table that these tokens are best by far."""
    with torch.no_grad():
        for node, token in zip(network._nodes(prompt.id, tokens, len(tokens)), tokens, strict=True):
            network.tables[table][node][..., token] = 50.0


def knowing(name: str, table: str, **config) -> Course:
    """A course whose network knows the best completion to each prompt already."""
    made = course(name, settings=replace(SMALL, group=40), **config)
    for prompt in ASKED:
        said_best(made.network, prompt, World(0).best(prompt), table)
    return made


@pytest.mark.parametrize("temperature", [0.8, 1.0, 2.0])
def test_epsilon_is_the_share_that_explores_at_any_temperature_of_sampling(temperature):
    drawn = replace(SAMPLING, temperature=temperature)
    given = Material(prompts=ASKED, reward=World(0), sampling=drawn)
    made = course("dqn", given=given, settings=replace(SMALL, group=40), epsilon=0.2)
    chances = {round(math.exp(p), 9) for e in made.draw(0) for row in e.rows for p in row.completion.logprobs}
    assert chances == {0.84, 0.04}  # by hand: 1 - 0.2 + 0.2 / 5 for the best token, 0.2 / 5 for any other
    soft = course("dqn", given=given, backup="soft", temperature=0.05)
    row = soft.draw(0)[0].rows[0]
    q_BTV = soft.network.outputs(soft.network.inputs([row], len(row.completion.token_ids))).q_BTKV[:, :, 0]
    said = (q_BTV[0] / 0.05).log_softmax(-1).gather(1, torch.tensor(row.completion.token_ids)[:, None])[:, 0]
    assert row.completion.logprobs == pytest.approx(said.tolist())


@pytest.mark.parametrize(
    ("name", "table", "config"), [("nash_md", "logits", {"mixture": 1.0}), ("dqn", "q", {"epsilon": 1.0})]
)
def test_what_is_looked_at_is_the_policy_itself_not_its_opponent_or_its_exploring(name, table, config):
    made = knowing(name, table, **config)
    best = sum(World(0).value(p, World(0).best(p)) for p in ASKED) / len(ASKED)
    assert made.mean_reward(ASKED) == pytest.approx(best)
    scores = [row.score for example in made.draw(0) for row in example.rows]
    assert sum(scores) / len(scores) < best - 0.2  # drawn from the reference alone; from all tokens alike


# --------------------------------------------------------------------------------------------------------------- steps


def test_several_steps_on_a_window_are_held_against_the_policy_that_drew_it():
    told = course("grpo", beta=0.0, walk=StepConfig(rows_per_slice=4, passes=3, parts=3), clip_low=0.01).advance()
    assert told["clip_share"] > 0
    once = course("grpo", beta=0.0, clip_low=0.01).advance()
    assert once["clip_share"] == 0


@pytest.mark.parametrize("rows", [1, 8, 100])
def test_so_many_steps_are_taken_as_are_asked_for_whatever_fits_into_memory(rows):
    made, whole = (course("grpo", walk=StepConfig(rows_per_slice=each, passes=2, parts=3)) for each in (rows, 100))
    one, other = made.advance(), whole.advance()
    assert made.steps.trainer.step == 6
    assert one == pytest.approx(other, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("rows", [1, 3, 5, 100])
def test_slices_change_nothing(rows):
    whole = course("ppo", beta=0.1, walk=StepConfig(rows_per_slice=100))
    sliced = course("ppo", beta=0.1, walk=StepConfig(rows_per_slice=rows))
    for _ in range(3):
        one, other = whole.advance(), sliced.advance()
        assert one == pytest.approx(other, abs=1e-9, nan_ok=True)
    for key, tensor in whole.steps.state().items():
        assert torch.allclose(tensor, sliced.steps.state()[key], atol=1e-9), key


def test_the_slow_copy_moves_its_share_of_the_way():
    made = course("dqn", slow=0.25)
    before = made.steps.slow.averages["q"].clone()
    made.advance()
    now = made.network.parameters()["q"].detach()
    assert torch.allclose(made.steps.slow.averages["q"], before + 0.25 * (now - before))


def test_a_slower_teacher_follows_the_policy_and_goes_on_exactly(monkeypatch):
    """By the formula w + rate (now - w), and from what was saved as if nothing had happened."""
    slower = replace(toys.TOYS["sdpo"], config={"teacher_rate": 0.25})
    monkeypatch.setitem(toys.TOYS, "sdpo", slower)
    made, again = (toys.begin("sdpo", seed=0, steps=6, examples_per_step=9).course for _ in range(2))
    before = made.network.parameters()["logits"].detach().clone()
    made.advance()
    now = made.network.parameters()["logits"].detach().clone()
    assert not torch.equal(now, before)
    assert torch.allclose(made.network.teacher.averages["logits"], before + 0.25 * (now - before))
    again.load_state(*made.state())
    assert again.advance() == pytest.approx(made.advance(), nan_ok=True, abs=0)
    assert all(torch.equal(tensor, again.steps.state()[key]) for key, tensor in made.steps.state().items())


def test_the_average_is_what_is_looked_at_and_the_weights_come_back():
    made = course("grpo", beta=0.0, walk=StepConfig(ema=0.5))
    start = made.network.parameters()["logits"].detach().clone()
    made.advance()
    now = made.network.parameters()["logits"].detach().clone()
    with made.steps.averaged():
        assert torch.allclose(made.network.parameters()["logits"].detach(), 0.1 * start + 0.9 * now)  # as warm as it is
    assert torch.equal(made.network.parameters()["logits"].detach(), now)


def test_measuring_changes_nothing():
    made = course("sft", given=Material(signals=shown(6), sampling=SAMPLING))
    before = made.steps.state()
    first = made.steps.measure(made.examples)
    assert first == made.steps.measure(made.examples)
    assert all(torch.equal(tensor, before[key]) for key, tensor in made.steps.state().items())


# -------------------------------------------------------------------------------------------------------------- window


def test_what_is_said_of_spans_lands_on_their_tokens():
    table = TablePolicy(ASKED, heads={"reward": 1})
    spans = (Span(0, 1, severity=1.0), Span(0, 3, severity=0.5))
    row = Row(ASKED[0], table.completion(ASKED[0], [2, 1, 0]), spans=spans)
    batch, _ = window(table, [Example((row,))], methods.Needs(eats=()), rows_per_slice=8, max_new_tokens=3, seed=0)
    assert batch.token_labels_BT[0, :2].tolist() == [1.5, 0.5]
    assert math.isnan(batch.token_labels_BT[0, 2])
    assert batch.token_rewards_BT.isnan().all()  # labels are learned, and nobody is paid for them


def test_both_rows_of_a_pair_count_equally_often_for_each_head():
    table = TablePolicy(ASKED, heads={"reward": 4})
    pairs = [Example(tuple(Row(ASKED[0], table.completion(ASKED[0], [t, u])) for u in (1, 2))) for t in (1, 2, 3, 4)]
    needs = methods.Needs(eats=(), heads={"reward": 4}, together=True)
    batch, _ = window(table, pairs, needs, rows_per_slice=8, max_new_tokens=3, seed=0)
    assert torch.equal(batch.weights_BK[0::2], batch.weights_BK[1::2])
    assert len({tuple(row.tolist()) for row in batch.weights_BK}) > 1


def test_a_window_without_a_token_is_refused():
    table = TablePolicy(ASKED)
    nothing = Example((Row(ASKED[0], Completion("", "")),))
    with pytest.raises(InputError, match="no completion in this window has a token"):
        window(table, [nothing], methods.Needs(eats=()), rows_per_slice=8, max_new_tokens=3, seed=0)


def test_an_example_goes_to_json_and_back():
    row = Row(
        ASKED[0], Completion("p", "1 0", (1, 0), (-0.5, -0.25)), score=0.5, spans=(Span(0, 1),), teacher=ASKED[1],
        token_scores=(0.1, 0.2), fresh=True,
    )  # fmt: skip
    again = example_from_plain(example_to_plain(Example((row,)))).rows[0]
    assert example_to_plain(Example((again,))) == example_to_plain(Example((row,)))
    assert (again.completion, again.spans, again.teacher, again.fresh) == (
        row.completion, row.spans, row.teacher, row.fresh,
    )  # fmt: skip
    assert math.isnan(again.margin)


def test_scores_that_nobody_gave_are_left_out():
    made = course("weighted_sft", given=Material(
        signals=[Score(ASKED[0], TablePolicy(ASKED).completion(ASKED[0], [1, 0]), value) for value in (1.0, None)],
        sampling=SAMPLING,
    ))  # fmt: skip
    assert len(made.examples) == 1


def test_a_prompt_of_raw_text_has_no_words():
    assert Prompt(()).text == ""
