"""How a trained model wants to be asked: behind a control token, with a wish beside the prompt.

A method that teaches such a condition (`ask` in `burnish.methods`) has its checkpoints say so in `burnish.json`, as
text that the prompt's last message is put into: "<|good|>{asked}". Whoever loads the checkpoint then asks it so,
knowing nothing of the method; a model asked without its condition answers as if it had not been trained.
"""

from __future__ import annotations

import json
from pathlib import Path

from burnish.examples import with_words
from burnish.records import Prompt

LINEAGE = "burnish.json"
ASKED = "{asked}"
"""Stands for what the prompt said."""


def template_in(folder: Path) -> str:
    """Return how the model of a folder wants to be asked; empty: as it is."""
    file = folder / LINEAGE
    if not file.exists():
        return ""
    config = json.loads(file.read_text("utf-8")).get("config") or {}
    return str(config.get("asked", ""))


def keep(template: str, folder: Path) -> None:
    """Write into a model's folder how it wants to be asked, where `template_in` reads it."""
    (folder / LINEAGE).write_text(json.dumps({"config": {"asked": template}}, indent=1), "utf-8")


def asked(prompt: Prompt, template: str) -> Prompt:
    """Return the prompt as the template has it; the prompt itself without one."""
    if not template:
        return prompt
    literal = template.replace("{", "{{").replace("}", "}}")  # braces of a wish are braces
    return with_words(prompt, literal.replace("{" + ASKED + "}", ASKED))
