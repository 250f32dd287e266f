"""A whole run: what it leaves in its folder, and that its own config.toml makes the same run again."""

from __future__ import annotations

import json
import math

import pytest

from burnish import config, files
from burnish.loop.recipe import Recipe

PROMISED = {
    "": "schema recipe model seed seconds peak_memory_gib feedback reward_model gold_model before after difference "
    "win_rate kl_nats kl_budget_nats curve verdict checkpoint lineage",
    "seconds": "total",
    "feedback": "records people by_kind agreement",
    "reward_model": "pair_accuracy ci95 n_pairs baselines calibration_error length_correlation other_domains",
    "gold_model": "how n_texts pair_accuracy ci95",
    "before": "gold proxy length distinct_2 repetition perplexity on_topic",
    "after": "gold proxy length distinct_2 repetition perplexity on_topic",
    "difference": "gold",
    "win_rate": "mean ci95 n",
    "verdict": "improved reasons",
}
"""Keys of report.json that other programs rely on (`burnish run` in docs/cli.md)."""


@pytest.fixture(scope="module")
def report(finished):
    return json.loads((finished.folder / "report.json").read_text("utf-8"))


@pytest.mark.parametrize("part", PROMISED, ids=lambda part: part or "top")
def test_the_report_has_every_promised_key(report, part):
    found = report[part] if part else report
    assert set(PROMISED[part].split()) <= found.keys()


def test_the_report_is_measured(report):
    assert (report["schema"], report["recipe"], report["seed"]) == (1, "smoke", 0)
    assert report["feedback"]["records"] == 4_800
    assert report["feedback"]["by_kind"] == {"rating": 4_800}
    assert report["feedback"]["people"] == 0
    assert 0 < report["feedback"]["agreement"]["alpha"] < 1
    assert 0.3 < report["reward_model"]["pair_accuracy"] <= 1
    assert report["gold_model"]["pair_accuracy"] > 0.8
    assert all(
        math.isfinite(report[side][key]) for side in ("before", "after") for key in ("gold", "proxy", "perplexity")
    )
    before, after = report["before"], report["after"]
    assert after["length"] - before["length"] == pytest.approx(report["difference"]["length"]["mean"])
    assert report["kl_nats"] > 0
    assert [point["step"] for point in report["curve"]] == [0, 2, 4, 5]
    assert report["curve"][0]["kl_nats"] == pytest.approx(0, abs=1e-4)
    assert isinstance(report["verdict"]["improved"], bool)
    assert report["verdict"]["reasons"]


def test_stages_and_their_times_are_told(report, finished):
    stages = ["feedback", "before", "reward-0", "train-0", "after", "gold", "report"]
    status = json.loads((finished.folder / "status.json").read_text("utf-8"))
    assert status["done"] == stages
    assert status["state"] == "done"
    assert set(report["seconds"]) == {"total", *stages}
    assert report["seconds"]["total"] == pytest.approx(sum(report["seconds"][stage] for stage in stages), abs=0.5)


def test_samples_before_and_after_are_of_the_same_prompts(finished):
    lines = [json.loads(line) for line in (finished.folder / "samples.jsonl").read_text("utf-8").splitlines()]
    assert len(lines) == 10 * 2
    for line in lines:
        before, after = line["before"], line["after"]
        assert (before["prompt_id"], before["index"]) == (after["prompt_id"], after["index"])
        assert before["kl_nats"] == pytest.approx(0, abs=1e-4)
    assert any(line["before"]["text"] != line["after"]["text"] for line in lines)


def test_one_line_of_metrics_a_step(finished):
    lines = [json.loads(line) for line in (finished.folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert all(math.isfinite(line[key]) for line in lines for key in ("loss", "reward", "kl_nats", "gradient_norm"))


def test_tensorboard_holds_the_same_numbers(finished):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = accumulator.EventAccumulator(str(finished.folder / "tensorboard"))
    board.Reload()
    logged = [json.loads(line) for line in (finished.folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    drawn = board.Scalars("round-0/reward")
    assert [each.step for each in drawn] == [line["step"] for line in logged]
    assert [each.value for each in drawn] == pytest.approx([line["reward"] for line in logged])


def test_the_checkpoint_is_a_whole_adapter_with_its_lineage(report, finished):
    folder = finished.folder / "checkpoints" / report["checkpoint"]
    files.verify(folder)
    made = json.loads((folder / "burnish.json").read_text("utf-8"))
    assert made["id"] == report["checkpoint"]
    assert (
        made["snapshot"] == report["lineage"]["snapshot"] == files.sha256_of(finished.folder / "signals" / "fit.jsonl")
    )
    assert json.loads((folder / "adapter_config.json").read_text("utf-8"))["peft_type"] == "LORA"


def test_the_page_can_be_opened_offline(finished):
    page = (finished.folder / "report.html").read_text("utf-8")
    assert "<html" in page
    assert "six simulated raters" in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_the_config_names_version_seed_and_snapshot(finished, report):
    text = (finished.folder / "config.toml").read_text("utf-8")
    head = text.split("task =")[0]
    assert "# burnish: " in head
    assert "# seed: 0" in head
    assert f"# snapshot: {report['lineage']['snapshot']}" in head
    assert config.build(Recipe, config.parse_toml(finished.folder / "config.toml")).rl.steps == 5


def test_the_config_makes_the_same_run_again(finished, resume, start, tmp_path):
    """And so does a run in a process of its own: the one before shared nothing with it but the settings."""
    again = start(tmp_path, recipe=str(finished.folder / "config.toml"))
    assert again.wait() == 0, again.said
    assert resume.essence(again.folder) == resume.essence(finished.folder)


def test_another_seed_makes_another_run(finished, start, tmp_path):
    other = start(tmp_path, "--seed", "1", rl__steps=2)
    assert other.wait() == 0, other.said
    assert (other.folder / "samples" / "before.jsonl").read_bytes() != (
        finished.folder / "samples" / "before.jsonl"
    ).read_bytes()


def test_a_second_round_goes_on_and_is_still_measured_against_the_untouched_model(start, tmp_path):
    run = start(tmp_path, loop__rounds=2, rl__steps=2, rl__learning_rate=0.02)
    assert run.wait() == 0, run.said
    status = json.loads((run.folder / "status.json").read_text("utf-8"))
    assert {"reward-0", "train-0", "reward-1", "train-1"} <= set(status["done"])
    promoted = next(look for look in status["looks-0"] if look["checkpoint"] == status["promoted-0"])
    first = status["looks-1"][0]
    # the same prompts and seeds: the second round begins with the KL at which the first was promoted
    assert first["kl_nats"] == pytest.approx(promoted["kl_nats"], rel=1e-3, abs=1e-5)
    assert first["checkpoint"] == status["promoted-0"]
    made = json.loads((run.folder / "checkpoints" / status["promoted-1"] / "burnish.json").read_text("utf-8"))
    assert made["parent"] != made["id"]
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert [(line["round"], line["step"]) for line in lines] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    for folder in ("reward-1", status["looks-1"][-1]["checkpoint"]):
        lineage = json.loads((run.folder / "checkpoints" / folder / "burnish.json").read_text("utf-8"))
        assert "rule:grammar" in lineage["sources"]
        assert lineage["snapshot"] == files.sha256_of(run.folder / "signals" / "fit-1.jsonl")


def test_a_dry_run_trains_nothing_and_writes_nothing(start, tmp_path):
    run = start(tmp_path, "--dry-run")
    assert run.wait() == 0
    assert not run.folder.exists()
    assert "[rl]" in run.said


def test_a_task_without_a_tiny_model_says_so(start, tmp_path):
    run = start(tmp_path, recipe="reviews", model="tiny")
    assert run.wait() == 2
    assert "'tiny' is made by the recipe smoke" in run.said
