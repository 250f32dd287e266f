"""Every sentence of the verdict and the report, in one place, by language.

A language is one mapping from name to text; `{names}` are filled in by `str.format`. A text missing from a language
is refused when the language is chosen, not when a page is half written.
"""

from __future__ import annotations

from collections.abc import Mapping

from burnish.errors import InputError, nearest

ENGLISH: Mapping[str, str] = {
    # ---- verdict: first sentences
    "improved": "The model got better: the independent judge's score rose by {gold} ({n} prompts, 95% interval {ci}).",
    "at_a_price": (
        "Not counted as an improvement: the independent judge's score rose by {gold} (95% interval {ci}), "
        "but the texts paid for it."
    ),
    "not_shown": (
        "No improvement could be shown: the independent judge's score changed by {gold}, and with {n} prompts "
        "anything from {low} to {high} is plausible."
    ),
    "worse": "The model got worse: the independent judge's score fell by {gold} ({n} prompts, 95% interval {ci}).",
    "no_gold": (
        "Nothing can be said about improvement: there is no independent judge, because too little feedback could be "
        "set aside to make one."
    ),
    "too_few": (
        "Too few answers to show a difference ({n:,} in all): there is no independent judge, because too few of "
        "them could be set aside to make one."
    ),
    "no_gold_counts": "{have} rated texts were set aside for it; at least {needed} would be needed.",
    "no_gold_remedy": "The score the model was trained on cannot stand in for it: a model learns to please that score.",
    "no_interval": (
        "Nothing can be said about improvement: the comparison has {n} prompts, and fewer than two give no interval."
    ),
    # ---- verdict: what follows
    "win_rate": "Of two texts on the same prompt, the one written after is scored higher {rate} of the time ({ci}).",
    "guards_held": "Nothing else got worse than allowed: {names}.",
    "over_optimised": (
        "The score it was trained on rose by {proxy} all the same. The model learned to please that score rather than "
        "people: this is called over-optimisation. Train for less long, or gather more feedback."
    ),
    "proxy_flat": "The score it was trained on did not clearly rise either ({proxy}): the training itself did little.",
    "detectable": "With {n} prompts, a true change smaller than about {size} would usually go unnoticed.",
    "broken_on_topic": "Fewer texts are about the thing they were asked about: {value} times as many as before.",
    "broken_perplexity": "The untouched model finds the texts less natural: perplexity is {value} times what it was.",
    "broken_distinct_2": "The texts became more alike: distinct word pairs are {value} times what they were.",
    "broken_length": "The length of the texts changed too much: it is {value} times what it was.",
    "broken_kl_nats": "The model moved {value} nats away from the untouched one, more than the allowed {limit}.",
    "broken_asked_rated_correlation": "What is asked and what is written do not agree more than before ({value}).",
    # ---- verdict: warnings
    "few_prompts": "Only {n} prompts were compared; intervals of so few are somewhat too narrow.",
    "unmeasured": "Not measured, so not guarded: {names}.",
    "past_its_best": (
        "Along the run the independent judge's score was highest at step {best} ({top}) and is clearly lower at the "
        "last measured step ({last}): the run went on past its best. (The judge chooses nothing, so this was not used.)"
    ),
    "weak_reward": "The reward model orders pairs no better ({ours}) than the baseline {name} ({theirs}).",
    "unmeasured_gold": (
        "Nobody's answers were left to measure the independent judge on, so how far it can be trusted is not known."
    ),
    "unmeasured_reward": (
        "Nobody's answers were left to measure the reward model on: it may know little more than chance."
    ),
    "weak_gold": "The independent judge orders pairs as people do only {share} of the time: read its score with care.",
    "cut_share": "{share} of the texts after training were cut off at the length limit.",
    "not_finite": "Not a finite number, so left out: {names}.",
    # ---- the page
    "title": "burnish report",
    "skip": "Skip to the verdict",
    "contents": "Contents",
    "verdict": "Verdict",
    "main_number": "Change of the independent judge's score, after minus before",
    "interval_of": "95% interval {ci}, {n} prompts",
    "worse_better": "worse|no change|better",
    "win_rate_short": "win rate",
    "kl_short": "from the untouched model",
    "correlation_short": "asked against rated",
    "warnings": "Read with care",
    "asked": "What was asked of whom",
    "asked_people": "People were asked",
    "asked_model": "The model is asked",
    "asked_reward": "The reward is",
    "asked_gold": "The independent judge",
    "asked_example": "For example",
    "table": "Before and after",
    "table_caption": (
        "The same prompts and seeds before and after training. Differences are after minus before, with 95% intervals "
        "over prompts; the bar shows the interval, the tick is no change."
    ),
    "measure": "Measure",
    "before": "Before",
    "after": "After",
    "difference": "Difference",
    "ci95": "95% interval",
    "not_measured": "not measured",
    "asked_rated": "Asked and rated",
    "asked_rated_text": (
        "Each dot is a text: where it stands across is what was asked, its height is how people would rate it "
        "according to the independent judge. A model that writes exactly what is asked puts every mean on the "
        "dashed line."
    ),
    "asked_rated_alt": "{side}: mean rating by what was asked: {means}. Correlation {r}.",
    "no_levels": "The prompts of this task ask for no particular rating, so there is nothing to set against it.",
    "asked_rated_table": "Mean rating by the independent judge for each rating asked, with 95% intervals over prompts",
    "asked_level": "Asked for",
    "curve": "The price of reward",
    "curve_text": (
        "As training moves the model away from the untouched one (to the right), the score it is trained on keeps "
        "rising. The independent judge's score shows how much of that is real. Where the two part, the model has "
        "begun to please the reward model rather than people. Bands are 95% intervals over prompts."
    ),
    "curve_alt": "Over the checkpoints the trained score goes {proxy}; the independent judge's score goes {gold}.",
    "curve_table": "Scores at each measured checkpoint",
    "no_curve": "This run measured no checkpoints along the way.",
    "training": "Training",
    "training_text": "One dot a step; the line is a running mean of {window} steps.",
    "training_alt": "{name} over {n} steps: {first} at first, {last} at last.",
    "no_training": "No training steps were logged.",
    "guards": "Guards",
    "guards_text": (
        "A score can be raised by writing badly. The run counts as an improvement only if none of these is broken."
    ),
    "guards_caption": "What must not get worse, how far it may go, and where it stands",
    "guard": "Guard",
    "allowed": "Allowed",
    "found": "Found",
    "result": "Result",
    "held": "held",
    "broken": "broken",
    "card": "Reward model",
    "card_text": (
        "The reward model predicts how people would rate a text. It is judged on texts it never saw: of two texts, "
        "does it give the higher score to the one people rated higher? Guessing would be right half of the time."
    ),
    "card_alt": "Pair accuracy: {values}.",
    "calibration_alt": "Calibration: expected error {error}; predicted and observed shares by bin: {values}.",
    "spread_alt": "Mean error by spread of the heads: {values}. Rank correlation {r}.",
    "card_table": "Pair accuracy on texts never seen, with 95% intervals over texts",
    "card_rows": "Model|Accuracy|95% interval|Pairs|Texts",
    "card_length": (
        "Rank correlation of the reward with the number of words: {ours}; of people's own ratings: {people}. "
        "A reward far above people's likes length for its own sake."
    ),
    "card_coverage": (
        "Its stated 95% ranges hold people's mean rating for {share} of the texts (they should for 95%)."
    ),
    "no_card": "No reward model was measured.",
    "gold_text": (
        "The independent judge ({how}) learned from {n} other texts, took no part in training, stopping or choosing, "
        "and puts pairs in people's order {share} of the time."
    ),
    "samples": "Texts side by side",
    "samples_text": (
        "Shown exactly as written. Picked by the change of the independent judge's score: the largest gains, the "
        "largest losses, and some drawn by lot (seed {seed})."
    ),
    "samples_plain": "Shown exactly as written, drawn by lot (seed {seed}).",
    "best": "Largest gains",
    "worst": "Largest losses",
    "random": "Drawn by lot",
    "sample_asked": "asked for {words}",
    "sample_rated": "rated {rating}",
    "sample_score": "score {score}",
    "cut": "cut off",
    "off_topic": "off topic",
    "empty": "(empty text)",
    "lineage": "Where the model comes from",
    "lineage_text": "From the checkpoint back to the feedback it was trained on.",
    "lineage_facts": "Also recorded",
    "no_lineage": "No lineage was recorded.",
    "how": "How this was measured",
    "how_statistics": (
        "Every 95% interval is a bootstrap with 10,000 resamples of whole prompts (of texts, 2,000 resamples, for pair "
        "accuracies): texts written on one prompt resemble each other and are never counted as independent. Both "
        "sides answer the same prompts with the same seeds, so differences are paired. One comparison decides the "
        "verdict, the independent judge's score; the others are guards and description and are not corrected for "
        "their number. Distinct word pairs are counted after cutting both texts of a pair to the shorter one's words; "
        "their interval resamples each prompt's jackknife pseudo-value."
    ),
    "how_run": "This run",
    "how_time": "Time by stage",
    "how_time_caption": "Seconds spent in each stage of the run",
    "stage": "Stage",
    "seconds": "Seconds",
    "share": "Share",
    "glossary": "Glossary",
    "footer": "Written by burnish. This page is one file, runs no program and asks nothing of any network.",
    # ---- rows of the run table
    "row_recipe": "Recipe",
    "row_model": "Model",
    "row_seed": "Seed",
    "row_checkpoint": "Checkpoint",
    "row_prompts": "Prompts compared",
    "row_samples": "Texts a side",
    "row_records": "Feedback records",
    "row_people": "People who gave it",
    "row_agreement": "Agreement of people (alpha)",
    "row_memory": "Highest memory, GiB",
    "row_total": "Seconds in all",
    "row_detectable": "Smallest change of the judge's score that would usually be noticed",
    # ---- measures
    "gold": "Independent judge's score",
    "gold_note": "higher is better; took no part in training",
    "proxy": "Score it was trained on",
    "proxy_note": "higher is better; the reward model's own opinion",
    "length": "Length",
    "length_note": "tokens a text",
    "distinct_2": "Distinct word pairs",
    "distinct_2_note": "share of pairs of neighbouring words that differ; texts cut to equal length",
    "repetition": "Repetition",
    "repetition_note": "share of runs of four words that stood earlier in the same text",
    "perplexity": "Perplexity",
    "perplexity_note": "how surprising the texts are to the untouched model; lower is more natural",
    "on_topic": "On topic",
    "on_topic_note": "share of texts about the thing they were asked about",
    "asked_rated_correlation": "Asked against rated",
    "asked_rated_correlation_note": "correlation of the rating asked for with the judge's rating; 1 is perfect",
    "truncated": "Cut off",
    "truncated_note": "share of texts that reached the length limit",
    "kl_nats": "Distance from the untouched model",
    "kl_nats_note": "KL divergence, nats a text",
    "guard_on_topic": "at least {low} of before",
    "guard_perplexity": "at most {high} of before",
    "guard_distinct_2": "at least {low} of before",
    "guard_length": "{low} to {high} of before",
    "guard_kl_nats": "at most {high} nats a text",
    "guard_asked_rated_correlation": "above before",
    "of_before": "{value} of before",
    "nats": "{value} nats",
    "change_by": "{value}",
    # ---- pictures
    "pic_ideal": "exactly as asked",
    "pic_asked": "asked for",
    "pic_rated": "rated by the independent judge",
    "pic_correlation": "{side}: correlation {r}",
    "pic_kl": "distance from the untouched model, √(KL in nats)",
    "pic_score": "score",
    "pic_proxy": "score it is trained on",
    "pic_gold": "independent judge",
    "pic_chance": "guessing",
    "pic_accuracy": "Pairs in people's order",
    "pic_reward_model": "reward model",
    "pic_one_person": "one person alone",
    "pic_other_domain": "{name}, never trained on",
    "pic_predicted": "predicted share of people who prefer the first text",
    "pic_observed": "observed share",
    "pic_calibration": "Calibration: expected error {error}",
    "pic_perfect": "perfect",
    "pic_spread": "spread of the reward model's heads",
    "pic_error": "mean error of the predicted rating",
    "pic_spread_title": "Spread against error: rank correlation {r}",
    "pic_step": "step",
    "pic_budget": "budget",
    "log_reward": "Reward",
    "log_kl_nats": "KL, nats a text",
    "log_length": "Length, tokens",
    "log_truncated": "Share cut off",
    "log_loss": "Loss",
    "log_seconds": "Seconds a step",
}

GLOSSARY_ENGLISH: tuple[tuple[str, str], ...] = (
    (
        "95% interval",
        "The range within which the true value plausibly lies. Made so that it holds the true value 95 times in 100. "
        "If an interval of a difference includes zero, the difference may be nothing but chance.",
    ),
    (
        "Independent judge (gold)",
        "A second model of people's ratings, learned from other texts by other means. It took no part in training, "
        "stopping or choosing, so a model cannot have learned to please it.",
    ),
    (
        "Score it was trained on (proxy)",
        "The reward model's opinion: what training raises. It is not evidence of quality.",
    ),
    ("Reward model", "A model that predicts how people would rate a text, learned from people's feedback."),
    (
        "Over-optimisation",
        "When the trained score keeps rising while people's opinion does not: the model exploits the reward model's "
        "mistakes.",
    ),
    (
        "KL, nats",
        "How far the trained model's choices are from the untouched model's, added up over a text. 0 is no change; a "
        "budget keeps the model from forgetting how to write.",
    ),
    (
        "Win rate",
        "How often a text written after is scored higher than one written before on the same prompt; 50% is no change.",
    ),
    ("Pair accuracy", "Of two texts that people rated differently, how often the model puts them in the same order."),
    (
        "Calibration error",
        "When the model says 70% of people would prefer the first text, is it 70%? The average gap, in shares.",
    ),
    ("Perplexity", "How surprising a text is to the untouched model, a token. Garbled or odd text has a high one."),
    (
        "Distinct word pairs",
        "Of all pairs of neighbouring words, the share that differ. Falls when texts become alike.",
    ),
    ("Correlation", "1 when one thing rises exactly with another, 0 when they have nothing to do with each other."),
    ("Prompt", "What the model is asked. Prompts of this comparison were used for nothing else."),
)

_LANGUAGES: Mapping[str, tuple[Mapping[str, str], tuple[tuple[str, str], ...]]] = {
    "en": (ENGLISH, GLOSSARY_ENGLISH),
}


def wording(language: str = "en") -> Mapping[str, str]:
    """Return the texts of a language by name. Raises InputError for a language that is not here or not whole."""
    if language not in _LANGUAGES:
        known = nearest(language, _LANGUAGES)
        raise InputError(f"report.language: {language!r} is not one of the languages of the report.{known}")
    texts = _LANGUAGES[language][0]
    if missing := sorted(ENGLISH.keys() - texts.keys()):
        raise InputError(f"report.language: {language!r} lacks {len(missing)} texts, such as {missing[0]!r}. Add them.")
    return texts


def glossary(language: str = "en") -> tuple[tuple[str, str], ...]:
    """Return (term, meaning) in reading order."""
    wording(language)
    return _LANGUAGES[language][1]
