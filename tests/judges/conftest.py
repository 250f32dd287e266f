"""Judges made of scripts: what they say is a function of the question they are shown."""

from __future__ import annotations

import json
import re

import pytest

from burnish.judges.asking.asker import Asker
from burnish.models.scripted import Scripted
from burnish.records import Completion, Prompt, Sampling


def texts_in(question: Prompt) -> list[str]:
    """Return the judged texts of a question in the order shown: what stands between the marked lines."""
    text = question.messages[1].content
    mark = re.search(r"lines marked ([0-9a-f]{16})", text)[1]
    blocks = re.findall(rf"^===== {mark} (.+?) begins =====\n(.*?)\n===== {mark} \1 ends =====$", text, re.M | re.S)
    return [body for label, body in blocks if label != "the request"]


def labels_in(question: Prompt) -> tuple[str, str]:
    return tuple(re.findall(r"answer (\w) begins", question.messages[1].content)[:2])


@pytest.fixture
def by_length():
    """Script that prefers the longer text, as JSON."""

    def say(question: Prompt, seed: int) -> str:
        first, second = texts_in(question)
        label = labels_in(question)[len(second) > len(first)]
        return json.dumps({"reason": "the longer one", "verdict": label})

    return say


@pytest.fixture
def asker():
    def make(say, *, prefer=None, name="script", temperature=0.0, **more) -> Asker:
        return Asker(Scripted(say, prefer, name), Sampling(temperature=temperature), **more)

    return make


@pytest.fixture
def pairs():
    """Make prompts and pairs of completions out of (request, first, second)."""

    def make(*rows):
        prompts = [Prompt.of(request) for request, *_ in rows]
        groups = [[Completion(p.id, text) for text in texts] for p, (_, *texts) in zip(prompts, rows, strict=True)]
        return prompts, groups

    return make


@pytest.fixture
def shown():
    return texts_in


@pytest.fixture
def labels():
    return labels_in
