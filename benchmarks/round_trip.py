"""A person's way round the ring: the studio, ten answers in a real browser, a run that learns from them, the dashboard.

    python benchmarks/round_trip.py                       smoke: a tiny model, about a minute
    python benchmarks/round_trip.py reviews               the real model, shortened
    python benchmarks/round_trip.py reviews --whole       the real model, the recipe's own settings

In an empty folder it starts `burnish studio`, opens the printed link in Chromium, makes an account, answers ten items
of the study that comes along by keys alone, runs `burnish run RECIPE --feedback sqlite:///burnish.db` beside it, and
looks at the results. Prints what was found and how long each part took. Exits with 1 when what was learned from is not
exactly what was answered, or when ten answers are called enough.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

DB = "sqlite:///burnish.db"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
PASSWORD = "four words that nobody guesses"
SHORTENED = {
    "smoke": ("rl.steps=4", "rl.evaluate_every=2", "evaluation.prompts=12", "evaluation.samples=2"),
    "reviews": (
        "rl.steps=3", "rl.evaluate_every=3", "rl.validation_prompts=5", "rl.validation_samples=1",
        "evaluation.prompts=8", "evaluation.samples=1", "sampling.max_new_tokens=40",
    ),
}  # fmt: skip
STUDY_KEYS = ("a", "b", "a", "b", "t")
"""Answers to comparisons, over and over: A, B, A, B, both good."""


@dataclass
class Journey:
    """What was found on the way, and the seconds that each part took."""

    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 1)


def travel(folder: Path, recipe: str, sets: tuple[str, ...], browser: Browser, *, answers: int = 10) -> Journey:
    """Go the whole way in an empty folder and return what was found."""
    journey = Journey()
    began = time.perf_counter()
    with studio(folder) as link:
        journey.seconds["studio answers"] = round(time.perf_counter() - began, 1)
        page = browser.new_page(base_url=f"{urlsplit(link).scheme}://{urlsplit(link).netloc}", locale="en")
        join(page, link)
        begin_study(page)
        answer(page, 1)
        journey.seconds["first item answered"] = round(time.perf_counter() - began, 1)
        with journey.part("the other items"):
            answer(page, answers - 1, done=1)
        with journey.part("run"):
            report = learn(folder, recipe, sets)
        with journey.part("dashboard"):
            journey.facts["on the page"] = shown(page, report)
        page.close()
    journey.facts |= found(f"sqlite:///{folder}/burnish.db", report)
    return journey


@contextlib.contextmanager
def studio(folder: Path) -> Iterator[str]:
    """Start `burnish studio` in a folder; yields the link that makes its owner."""
    command = [sys.executable, "-u", "-m", "burnish", "studio", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if link := re.search(r"http://\S+/invite/\S+", said):
                yield link.group()
                break
        else:
            raise SystemExit(f"the studio did not start: {said}")
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def join(page: Page, link: str) -> None:
    """Open the link and become the owner."""
    page.goto(link)
    page.get_by_label("Name").fill("ana")
    for label in page.locator("input[type=password]").all():
        label.fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("nav[aria-label]")


def begin_study(page: Page) -> None:
    """From the list of tasks to the first item."""
    page.goto("/")
    page.locator("ul.tasks a.primary").first.click()
    page.locator("form.begin button.primary").press("Enter")
    page.wait_for_selector("#task")
    page.wait_for_load_state()  # keys pressed before the script is there are nobody's


def answer(page: Page, count: int, *, done: int = 0) -> None:
    """Answer so many comparisons by keys: the choice, how much better, send."""
    for number in range(done, done + count):
        heading = page.locator("#item-title").inner_text()
        key = STUDY_KEYS[number % len(STUDY_KEYS)]
        page.keyboard.press(key)
        if key in "ab" and page.locator(".strength").is_visible():
            page.keyboard.press("2")
        page.keyboard.press("Enter")
        page.wait_for_function("before => document.getElementById('item-title')?.innerText !== before", arg=heading)


def learn(folder: Path, recipe: str, sets: tuple[str, ...]) -> dict[str, Any]:
    """Run the loop on what stands in the store and return its report."""
    given = [word for each in sets for word in ("--set", each)]
    command = [sys.executable, "-m", "burnish", "run", recipe, "--feedback", DB, *given]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"the run failed ({done.returncode}):\n{done.stdout}")
    report: dict[str, Any] = json.loads(next(folder.glob("runs/*/report.json")).read_text("utf-8"))
    return report


def shown(page: Page, report: dict[str, Any]) -> list[str]:
    """Return which of the facts stand on the page about models: checkpoint, verdict, whose votes."""
    page.goto("/results/models")
    section = page.locator("section.model", has_text=report["checkpoint"]).first  # the page fills itself
    section.locator("details summary").first.click()
    text = section.inner_text()
    facts = {
        "checkpoint": report["checkpoint"] in text,
        "verdict": report["verdict"]["reasons"][0] in text,
        "voter": "ana: 10" in text,
    }
    return [name for name, is_there in facts.items() if is_there]


def found(url: str, report: dict[str, Any]) -> dict[str, Any]:
    """Return what the store and the report say of each other."""
    from burnish.store import open_store

    with open_store(url, create=False) as store:
        stored = {record.id: record for entry in store.entries() for record in entry.feedback}
        checkpoint = next(each for each in store.checkpoints() if each.id == report["checkpoint"])
        signals = store.load_snapshot(checkpoint.snapshot)
    learned = {each for signal in signals for each in signal.feedback_ids}
    return {
        "answers in the store": len(stored),
        "by kind": report["feedback"]["by_kind"],
        "answers behind the checkpoint": len(learned),
        "the same ones": learned == {each for each, record in stored.items() if record.kind == "comparison"},
        "authors": sorted({record.author.id for record in stored.values()}),
        "checkpoint": checkpoint.id,
        "parent": checkpoint.parent,
        "improved": report["verdict"]["improved"],
        "verdict": report["verdict"]["reasons"][0],
    }


def is_well(journey: Journey) -> bool:
    """Return whether exactly what was answered was learned from, is too little, and is on the page."""
    facts = journey.facts
    return (
        facts["answers in the store"] == facts["answers behind the checkpoint"] == 10
        and facts["the same ones"]
        and not facts["improved"]
        and "Too few answers" in facts["verdict"]
        and facts["on the page"] == ["checkpoint", "verdict", "voter"]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="smoke", choices=sorted(SHORTENED))
    parser.add_argument("--whole", action="store_true", help="the recipe's own settings")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this empty folder, and leave it there")
    args = parser.parse_args()
    folder = args.keep or Path(tempfile.mkdtemp(prefix="round-trip-"))
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        journey = travel(folder, args.recipe, () if args.whole else SHORTENED[args.recipe], browser)
    for name, value in {**journey.facts, **{f"seconds: {k}": v for k, v in journey.seconds.items()}}.items():
        print(f"{name:32} {value}")
    if not args.keep:
        shutil.rmtree(folder)
    return 0 if is_well(journey) else 1


if __name__ == "__main__":
    sys.exit(main())
