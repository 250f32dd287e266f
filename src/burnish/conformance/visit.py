"""A visit at somebody's model and data: every trap that looks at a model, then the data; what `burnish doctor` prints.

The model is given a fresh LoRA adapter of small rank, or its own weights to train where none fits, and all of it is
thrown away: what training would do is tried on it, and nothing is written. A few short texts of the data stand for all
in the checks that compute; the longest goes through once, forwards and backwards (T40).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from burnish import progress
from burnish.conformance import data
from burnish.conformance.finding import Finding
from burnish.conformance.traps import some_rows, traps
from burnish.conformance.traps.trap import Trap
from burnish.errors import InputError
from burnish.examples import Row
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.models.tuning import TuningConfig
from burnish.records import Completion, Signal

LOOKED_AT = 3
"""Rows that most checks compute on."""
SHORT = 160
"""Characters: longer rows are left to T40, so that a visit takes under a minute on a small model."""
WHOLE = ("T1", "T2", "T3", "T4", "T40")
"""Checks that look at more rows: they count tokens, or take the longest."""
MANY = 200


def visit(policy: Policy, signals: Sequence[Signal]) -> Iterator[Finding]:
    """Yield what every check finds; without signals the checks look at texts of their own."""
    make_trainable(policy)
    every = [row for row in data.rows_of(signals) if row.prompt.messages and row.completion.text.strip()] or some_rows()
    few = chosen(every)
    for trap in traps():
        if trap.takes_model:
            progress.say(f"{trap.name} ...")
            yield checked(trap, policy, every[:MANY] if trap.name in WHOLE else few)
    if signals:
        yield from data.findings(HeadedPolicy(policy), signals)


def make_trainable(policy: Policy) -> None:
    """Put a small adapter on the model, or train its weights where no layer is linear (a GRU, an LSTM)."""
    try:
        policy.add_lora(rank=4, alpha=8.0, seed=0)
    except InputError:
        policy.adapt(TuningConfig("full"))


def chosen(rows: Sequence[Row]) -> list[Row]:
    """Return a few rows of unlike length, cut short where all are long."""
    ordered = sorted(rows, key=_characters)
    short = [row for row in ordered if _characters(row) <= SHORT]
    if len(short) < 2:
        short = [replace(row, completion=_begun(row.completion)) for row in ordered[:LOOKED_AT]]
    return [short[place] for place in sorted({0, len(short) // 2, len(short) - 1})]


def _begun(completion: Completion) -> Completion:
    """Return the beginning of a completion, as text that nobody sampled."""
    return replace(completion, text=completion.text[:SHORT], token_ids=None, logprobs=None)


def _characters(row: Row) -> int:
    return len(row.prompt.text) + len(row.completion.text)


def checked(trap: Trap, policy: Policy, rows: Sequence[Row]) -> Finding:
    """Return what a trap's check finds; the remedy stands behind the colon of what it says."""
    try:
        trap.check(policy, rows)
    except AssertionError as wrong:
        said, _, remedy = str(wrong).partition(": ")
        return Finding(trap.name, "fault", said, remedy)
    except InputError as refused:
        return Finding(trap.name, "fault", str(refused))
    return Finding(trap.name, "ok", trap.says.rstrip("."))


def preview(policy: Policy, rows: Sequence[Row]) -> tuple[str, str]:
    """Return the first row as the model sees it: what is shown and not learned, then what carries loss."""
    network = HeadedPolicy(policy)
    row = (list(rows) or some_rows())[0]
    said = network.tokens(row)
    asked = network.prompt_ids(row.prompt, network.max_tokens - len(said))
    decode = policy.tokenizer.decode
    return str(decode(asked)), str(decode(said))
