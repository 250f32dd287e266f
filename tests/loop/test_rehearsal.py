"""Before a run does anything, the heaviest slice of its reinforcement is tried; no number of the run knows of it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from burnish import progress
from burnish.errors import InputError
from burnish.loop import fit as fitting
from burnish.loop import rehearsal
from burnish.loop.folder import RunFolder
from burnish.loop.recipe import AdapterSettings, GrpoSettings, Recipe, RlSettings, SamplingSettings
from burnish.loop.reinforce import Reinforcement
from burnish.loop.ring import Ring
from burnish.loop.rollouts import draw, prompts_of_step
from burnish.loop.run import RunOptions, resolve
from burnish.machine.plan import GIB, Size
from burnish.maths.batch import Outputs
from burnish.maths.control import LengthController
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import PolicyInputs
from burnish.models.sampler import EngineSampler
from burnish.records import Completion, Prompt, Score
from burnish.tasks import smoke
from burnish.training.optimiser import OptimiserConfig

ASKED = [Prompt.of("the " * count) for count in (1, 9, 3, 12, 2, 5)]
RECIPE = Recipe(
    dtype="float32",
    adapter=AdapterSettings(rank=4, alpha=8.0),
    sampling=SamplingSettings(max_new_tokens=6, together=8),
    rl=RlSettings(group_size=3, prompts_per_step=4, prompts_per_slice=2),
)
FULL = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."


class Even:
    """A reward in name."""

    def score(self, prompts, completions):
        return [Score(p, c, 0.5) for p, c in zip(prompts, completions, strict=True)]


@pytest.fixture
def said(monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(progress, "say", told.append)
    return told


def rehearse(policy, recipe=RECIPE, prompts=ASKED, size=None, free=None):
    rehearsal.rehearse(policy, prompts, recipe, size=size, free=free)


def through(policy, monkeypatch):
    """What goes through the policy: (tokens, whether gradients are wanted, whether it is the policy itself)."""
    seen, original = [], policy.states

    def states(rows, *, adapter=True, **more):
        seen.append((rows, torch.is_grad_enabled(), adapter))
        return original(rows, adapter=adapter, **more)

    monkeypatch.setattr(policy, "states", states)
    return seen


def test_no_slice_of_any_step_is_heavier(trained, monkeypatch):
    """Every two of the prompts, with completions as they come: the rehearsed slice has the tokens of the heaviest."""
    network = HeadedPolicy(trained)
    rows = rehearsal.heaviest(network, ASKED, RECIPE)
    tokens = sum(map(network.length, rows))
    for pair in itertools.combinations(ASKED, 2):
        assert sum(3 * (len(trained.encode(prompt)) + 6) for prompt in pair) <= tokens
    through_policy = through(trained, monkeypatch)
    rehearse(trained)
    heaviest = len(through_policy[0][0].tokens_N)
    for step in range(3):
        chosen = prompts_of_step(ASKED, step, 4, seed=0)
        window = draw(
            trained, EngineSampler(trained), Even(), chosen, RECIPE,
            seed=step, beta=0.1, length=LengthController(0.0), run="", round=0,
        )  # fmt: skip
        assert all(len(each.inputs.rows.tokens_N) <= heaviest for each in window.slices)


def test_it_is_what_a_step_computes(trained, monkeypatch):
    """The policy with gradients, the reference without; by the numbers of the policy's own outputs."""
    network = HeadedPolicy(trained, temperature=0.8)
    rows = rehearsal.heaviest(network, ASKED, RECIPE)
    found = network.outputs(network.inputs(rows, 6), reference=True)
    packed = trained.pack(
        [rows[0].prompt, rows[3].prompt], [[row.completion for row in rows[i : i + 3]] for i in (0, 3)]
    )
    expected = trained.outputs(PolicyInputs(packed, 0.8, 6), reference=True)
    for name in ("logprobs_BT", "reference_logprobs_BT", "kl_BT", "entropy_BT"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name))
    seen = through(trained, monkeypatch)
    rehearse(trained)
    assert sorted(each[1:] for each in seen) == [(False, False), (True, True)]
    seen.clear()
    rehearse(trained, replace(RECIPE, grpo=GrpoSettings(beta=0.0), rl=replace(RECIPE.rl, kl_target_nats=0.0)))
    assert [each[1:] for each in seen] == [(True, True)]


def test_few_prompts_stand_in_a_slice_more_than_once(trained):
    recipe = replace(RECIPE, rl=replace(RECIPE.rl, prompts_per_slice=4))
    network = HeadedPolicy(trained)
    rows = rehearsal.heaviest(network, ASKED[:3], recipe)
    assert [row.prompt.text for row in rows] == [ASKED[place].text for place in (1, 2, 0, 1) for _ in range(3)]
    rows = rehearsal.heaviest(network, ASKED[:1], recipe)
    assert len(rows) == 4 * 3


def test_nothing_of_it_stays(trained):
    before, chance = trained.state(), torch.get_rng_state()
    rehearse(trained)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trained.state().items())
    assert all(parameter.grad is None for parameter in trained.parameters().values())
    assert torch.equal(torch.get_rng_state(), chance)


def test_a_run_with_it_is_the_run_without_it(start, finished, resume, tmp_path):
    bare = start(tmp_path, hooks=[("burnish.loop.rehearsal:rehearse", 0, "nothing")])
    assert bare.wait() == 0, bare.said
    assert "memory: weights" in finished.said
    assert "memory: weights" not in bare.said
    assert resume.essence(bare.folder) == resume.essence(finished.folder)


@pytest.mark.parametrize("error", [RuntimeError(FULL), MemoryError(), torch.OutOfMemoryError("out of memory")])
def test_memory_that_does_not_suffice_is_told_with_what_to_set(trained, monkeypatch, error, said):
    def full(*more, **how):
        raise error

    monkeypatch.setattr(trained, "states", full)
    monkeypatch.setattr("burnish.machine.system.free_bytes", lambda: GIB)
    with pytest.raises(InputError) as told:
        rehearse(trained)
    assert "the heaviest slice, 6 rows with" in str(told.value)
    assert "(1.0 GiB were free)" in str(told.value)
    for name in ("rl.prompts_per_slice", "rl.group_size", "sampling.max_new_tokens", "rl.recompute = true"):
        assert name in str(told.value)
    assert all(parameter.grad is None for parameter in trained.parameters().values())


@pytest.mark.parametrize("error", [RuntimeError(FULL), MemoryError()])
def test_packed_weights_that_do_not_fit_are_told_too(trained, monkeypatch, error):
    def full(*more, **how):
        raise error

    monkeypatch.setattr(trained, "packed", full)
    monkeypatch.setattr("burnish.machine.system.free_bytes", lambda: GIB)
    with pytest.raises(InputError, match=r"packed for it, does not fit into memory \(1.0 GiB were free\).*bfloat16"):
        rehearse(trained)
    monkeypatch.setattr(trained, "packed", lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        rehearse(trained)


def test_the_tokens_that_are_told_are_those_that_are_computed(trained, monkeypatch):
    """A prompt's once for its group, also where few prompts stand in a slice more than once."""

    def full(rows, **how):
        raise RuntimeError(f"{FULL} {len(rows.tokens_N)}")

    monkeypatch.setattr(trained, "states", full)
    for prompts in (ASKED, ASKED[:1]):
        with pytest.raises(InputError, match="does not fit") as told:
            rehearse(trained, prompts=prompts)
        computed = str(told.value.__cause__).split()[-1]
        assert f"the heaviest slice, 6 rows with {computed} tokens, does" in str(told.value)


def test_a_run_that_does_not_fit_ends_before_anything_is_done(tiny, tmp_path, monkeypatch):
    """So that the same command with less begins anew in the same folder; what is left to do decides, not what was."""
    tried = []

    def full(policy, prompts, recipe, *, size, free):
        tried.append(size)
        raise InputError("training: the heaviest slice does not fit into memory.")

    monkeypatch.setattr(rehearsal, "rehearse", full)
    recipe = replace(resolve(RunOptions("smoke", model=str(tiny)), smoke, {}), seed=3)
    folder = RunFolder(tmp_path)
    with pytest.raises(InputError, match="does not fit"):
        Ring(folder, smoke, recipe, RunOptions("smoke")).turn()
    assert tried == [Size.of(tiny)]
    assert folder.status["done"] == []
    folder.update(done=["feedback", "before", "reward-0"])
    with pytest.raises(InputError, match="does not fit"):
        Ring(folder, smoke, recipe, RunOptions("smoke")).turn()
    folder.update(done=["feedback", "before", "reward-0", "train-0", "after", "gold", "report"])
    Ring(folder, smoke, recipe, RunOptions("smoke")).turn()
    assert len(tried) == 2


def test_the_rows_that_were_planned_are_the_rows_that_are_drawn(tiny, tmp_path, monkeypatch):
    seen = []

    def asked(policy, *, rows=None, **more):
        seen.append(rows)
        raise LookupError("no further")

    for room in ("ring", "reinforce"):
        monkeypatch.setattr(f"burnish.loop.{room}.EngineSampler", asked)
    ring = Ring(RunFolder(tmp_path), smoke, replace(RECIPE, model=str(tiny)), RunOptions("smoke"))
    monkeypatch.setattr(ring, "promoted", lambda number: None)
    samplers = (
        lambda: ring._sample_test("before", None),
        lambda: ring._fresh_samples(1),
        lambda: Reinforcement(
            tmp_path, ring._policy(None), Even(), RECIPE, ASKED, ASKED,
            lineage=None, round=0, origin=None, check_stop=print, published=print,
        ),
    )  # fmt: skip
    for sampler in samplers:
        with pytest.raises(LookupError):
            sampler()
    assert seen == [RECIPE.sampling.together] * 3


def test_what_is_not_loaded_yet_is_stood_in_for(trained, tiny_folder, monkeypatch, said):
    size, asked = Size.of(tiny_folder), []
    monkeypatch.setattr("burnish.training.rehearsal.let_through", lambda *more, beside, **how: asked.append(beside))
    rehearse(trained, size=size, free=GIB)
    planned = rehearsal.planned_for(RECIPE, size, prompt_tokens=len(trained.encode(ASKED[3])), free=GIB)
    assert asked == [planned.reward_model + planned.adapter]
    assert said == [planned.told()]


def test_a_plan_of_more_than_is_free_is_told(trained, tiny_folder, said):
    rehearse(trained, size=Size.of(tiny_folder), free=GIB // 4)
    assert said[1].startswith("  note: 25")
    assert "rl.recompute = true" in said[1]


class Rating:
    """A network with one reward, in name; it keeps what went through it."""

    def __init__(self) -> None:
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[list[int]] = []

    def parameters(self):
        return {"weight": self.weight}

    def outputs(self, inputs, *, reference):
        self.seen.append(inputs)
        return Outputs(rewards_BK=self.weight * torch.tensor(inputs, dtype=torch.float32)[:, None])


def test_a_reward_s_heaviest_window_is_tried_before_its_first_step(tmp_path):
    lengths = [3, 50, 7, 8, 30, 6, 5, 4]
    said = [Score(ASKED[0], Completion(ASKED[0].id, str(length)), 1.0) for length in lengths]
    scores, pairs = fitting.rows_of(said, lambda text, prompt: lengths.index(int(text)))
    network = Rating()
    fitting.fit(
        network, [fitting.Item(length, length) for length in lengths], scores, pairs,
        fitting.FitSettings(2.0, 2, OptimiserConfig(), 1, {}, 0),
        units_per_logit=1.0, folder=tmp_path, check_stop=lambda saved: None, what="learning", lower="Set x lower.",
    )  # fmt: skip
    tried, *learned = network.seen
    assert len(learned) == 8
    assert sum(tried) == max(map(sum, learned)) > min(map(sum, learned))
