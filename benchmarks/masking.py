"""How much personal data does masking find, and how much else does it take? By type, with 95% intervals.

python benchmarks/masking.py [--texts 6000] [--seed 0] [--types fresh] [--missed]

Three sets. *Generated* (benchmarks/masking_texts.py): English and Chinese sentences with made-up values, half of them
disguised (full width, spaces and dots, "(at)" and 艾特, invisible characters, digits read out), and sentences whose
numbers are nobody's. *By hand* (tests/feedback/masking/handwritten.txt), in parts that say what the rules made of
them when they first read them. *Real*: people's film reviews, product reviews, tweets and comments, which hold next to
no personal data: every masked place is printed, for anyone to judge.

A value is found when every character of it is masked, under whatever name; one character left over is a leak. A masked
place is right when at least half of it is personal data.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import NormalDist

from masking_texts import MARK, NONE, SENTENCES, generated, unmarked

from burnish import corpora
from burnish.feedback.masking import find

BY_HAND = Path(__file__).resolve().parents[1] / "tests" / "feedback" / "masking" / "handwritten.txt"
MUST = ("EMAIL", "PHONE", "CARD", "IBAN", "NATIONAL_ID", "IP", "KEY")
"""The types that must not leak."""
HOSTILE = (
    "a@",
    "a.",
    "1-",
    "1 ",
    "路",
    "市区镇路1号",
    "1号",
    "12 Main ",
    "password=",
    "a1:",
    "one ",
    "+1",
    "GB12",
    "(at) ",
    "01 ",
    "1/",
    "Aa1-",
    "call me 1 ",
    "send to 12 Main ",
    "id card a1 ",
    "a . ",
    "a@b,",
    "moc.a",
    "#=@a#b.",
    "O0",
    "one 1 ",
    "1 then ",
    "session=a1",
    "cookie: a=",
    "-u a:",
    "login a/",
    "passphrase lamp ",
    "路一号",
    "城1-1-",
    "12 Main Dale ",
    "address to ",
    "wohne am Weg ",
    "recovery codes: a1-",
    "2fa AAAA ",
    "use a1 as ",
    "a点",
    "a _ ",
    "Rose Cottage, Rose ",
    "一,",
    "p ",
    "文 ",
    "a 1 ",
    "+1*",
    "07seven",
    "one hundred ",
    "password a ",
    "address 1 a ",
    "ip 1-1",
)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson 1927)."""
    z = NormalDist().inv_cdf(0.975)
    middle = (hits + z * z / 2) / (n + z * z)
    half = z * (hits * (n - hits) / n + z * z / 4) ** 0.5 / (n + z * z)
    return middle - half, middle + half


def by_hand() -> list[tuple[str, str]]:
    """Return (part, marked text) of the hand-written texts."""
    found, part = [], ""
    for line in BY_HAND.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            part = "by hand, " + line[3:].split(":")[0].split(",")[0]
        elif line and not line.startswith("#"):
            found.append((part, line.replace("\\n", "\n")))
    return found


def by_type(part: str) -> Iterator[tuple[str, str]]:
    """Yield (type, text with this one mark) for every value of one part of the hand-written texts."""
    for name, marked in by_hand():
        for mark in MARK.finditer(marked) if name == f"by hand, {part}" else ():
            here = mark.start()
            yield mark[1], MARK.sub(lambda other, here=here: other[0 if other.start() == here else 2], marked)


def measure(texts: Iterable[tuple[str, str]], *, show: bool) -> tuple[dict[str, Counter[str]], float]:
    """Return counts by group of (group, marked text), and the seconds that finding took."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    seconds = 0.0
    for group, marked in texts:
        text, planted = unmarked(marked)
        before = time.process_time()
        found = find(text)
        seconds += time.process_time() - before
        covered = {at for each in found for at in range(each.start, each.end)}
        meant = {at for place in planted for at in range(*place)}
        missed = [place for place in planted if not covered.issuperset(range(*place))]
        wrong = [
            each for each in found if 2 * len(meant.intersection(range(each.start, each.end))) < each.end - each.start
        ]
        counts[group].update(values=len(planted), found=len(planted) - len(missed), masked=len(found), texts=1)
        counts[group].update(right=len(found) - len(wrong), characters=len(text), touched=bool(found))
        if show and (missed or wrong):
            print(f"  {group}: missed {[text[slice(*each)] for each in missed]}, wrong {wrong}: {text}")
    return counts, seconds


def row(name: str, count: Counter[str]) -> str:
    def part(hits: int, n: int) -> str:
        low, high = wilson(hits, n) if n else (0.0, 0.0)
        return f"{hits / n:8.3f} [{low:.3f}, {high:.3f}]" if n else f"{'-':>23}"

    found, right = part(count["found"], count["values"]), part(count["right"], count["masked"])
    return f"{name:<24}{count['values']:>7}{found}{count['masked']:>8}{right}"


def real_texts(limit: int) -> None:
    """Print what is masked in real people's texts."""
    lines = (corpora.resolve("ratings") / "texts.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines][:limit]
    found = [(text, each) for text in texts for each in find(text)]
    print(f"\nreal texts: {len(found)} places masked in {len(texts):,}:")
    print("  " + "\n  ".join(f"{each.type:<8} {text[each.start : each.end]}" for text, each in found))


def slowest(characters: int = 20_000) -> tuple[float, str]:
    """Return the seconds that the worst of some hostile texts takes, and what it is made of."""
    times = []
    for unit in HOSTILE:
        before = time.process_time()
        find(unit * (characters // len(unit)))
        times.append((time.process_time() - before, unit))
    return max(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--types", default="", help="parts of the hand-written texts to tell by type, such as fresh")
    parser.add_argument("--missed", action="store_true", help="print every miss and every wrong masking")
    args = parser.parse_args()
    counts, seconds = measure(generated(args.texts, args.seed), show=args.missed)
    print(f"{'':<24}{'values':>7}{'recall':>8} [95%]{'':>9}{'masked':>8}{'right':>8} [95%]")
    for name in (*SENTENCES, NONE):
        print(row(name, counts[name]))
    whole = sum(counts.values(), Counter[str]())
    print(row("all generated", whole))
    for name, count in measure(by_hand(), show=args.missed)[0].items():
        print(row(name, count))
    for part in args.types.split(",") if args.types else ():
        types = measure(by_type(part), show=False)[0]
        must = sum((types[each] for each in MUST if each in types), Counter[str]())
        print(f"\nby hand, {part}, by type (the texts' other values are not counted, so the right half says nothing):")
        for name, count in [*sorted(types.items()), ("what must not leak", must)]:
            print(row(name, count)[:54])
    clean = counts[NONE]
    print(f"\nsentences whose numbers are nobody's: something masked in {clean['touched']} of {clean['texts']}")
    hundred = seconds / whole["characters"] * 400  # 100 tokens of English are about 400 characters
    print(
        f"{hundred * 1000:.2f} ms for 400 characters (about 100 tokens); {whole['texts'] / seconds:,.0f} texts a second"
    )
    worst, unit = slowest()
    print(f"slowest of {len(HOSTILE)} hostile texts of 20,000 characters: {worst:.2f} s ({unit!r} repeated)")
    real_texts(30_000)


if __name__ == "__main__":
    main()
