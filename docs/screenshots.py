"""Pictures of every page of the studio, taken by a real browser: docs/studio/PAGE-WIDTH-THEME-LANGUAGE.webp.

    python benchmarks/round_trip.py --keep trip      a store with ten answers, and the run that learned from them
    python docs/screenshots.py trip                  docs/studio/ anew
    python docs/screenshots.py trip --only work- --out /tmp/look --all --png

Into a copy of the store it puts studies of all kinds and the answers of people who never were, so that pages have
something to show. Each page is taken on a laptop (light, English) and on a phone (dark, Chinese); `--all` takes every
width, theme and language. It also tells the weight of each page and complains of what scrolls sideways or fails.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from burnish.records import Completion, Prompt, share_of
from burnish.store import Store, open_store, read_objects
from burnish.studio import StudioSettings, assign, create_app, examples, sources
from burnish.studio.context import Studio, now_ms
from burnish.studio.session import person_of
from burnish.studio.study import Question, Study
from burnish.studio.study_file import to_toml

HERE = Path(__file__).resolve().parent
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
WIDTHS, THEMES, LANGUAGES = (1280, 360), ("light", "dark"), ("en", "zh")
USUAL = ((1280, "light", "en"), (360, "dark", "zh"))
PEOPLE = {"bo": 0.05, "cy": 0.15, "dee": 0.45}
"""Simulated annotators, and how often each errs."""

REMARKS = ("Too long.", "The meaning is wrong.", "Sounds natural.")

Shot = tuple[int, str, str]


@dataclass(frozen=True)
class View:
    """One picture: where it is, and what to do before it is taken."""

    name: str
    path: str
    act: Callable[[Page], None] = lambda page: None
    signed_in: bool = True


def write_one(page: Page) -> None:
    page.locator("#text").fill("Write one sentence about a kettle that you like very much.")
    page.keyboard.press("Enter")
    page.locator(".opinions:visible").first.wait_for(timeout=240_000)  # the model is loaded first


def write_two(page: Page) -> None:
    page.locator("input[value='2']").check()
    write_one(page)


def keys(*pressed: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.wait_for_load_state()
        for key in pressed:
            page.keyboard.press(key)
        page.wait_for_timeout(300)

    return act


def settled(page: Page) -> None:
    """Figures are computed in the background: wait for them, then load them."""
    for _ in range(40):
        if page.locator("main svg, main img").count():
            return
        page.wait_for_timeout(500)
        page.reload()


KINDS: tuple[Question, ...] = (
    Question("thumb", "thumb", "Would you send this?"),
    Question("stars", "rating", "How helpful is it?", anchors=((1, "useless"), (5, "solves it"))),
    Question("list", "rubric", "What holds?", criteria=(("true", "It is true."), ("short", "It is short."))),
    Question("order", "ranking", "Put them in order, best first."),
    Question("ends", "best_worst", "Which is best, which worst?"),
    Question("marks", "span", "Mark what is wrong.", labels=("wrong", "unclear")),
    Question("mend", "correction", "Write it as it should read."),
    Question("words", "comment", "What is good or bad?", labels=("tone", "truth")),
    Question("advice", "suggestion", "What should change?"),
)
SEVERAL = {"ranking": 4, "best_worst": 4}


def views(store: Store, run: str) -> list[View]:
    """Return every page, with the states that matter."""
    kinds = [View(f"work-{each.name}", f"/tasks/kind-{each.name}/work") for each in KINDS]
    return [
        View("sign-in", "/sign-in", signed_in=False),
        View("tasks", "/"),
        View("guide", "/tasks/plain-words/guide"),
        View("work-comparison", "/tasks/plain-words/work", keys("a")),
        View("work-chinese", "/tasks/da-bai-hua/work"),
        View("work-keys", "/tasks/plain-words/work", keys("?")),
        *kinds,
        View("play", "/play", write_one),
        View("play-two", "/play", write_two),
        View("review", "/review", settled),
        View("reports", "/review/reports"),
        View("studies", "/studies"),
        View("study", "/studies/plain-words"),
        View("results", "/results"),
        View("results-study", "/results/studies/plain-words", settled),
        View("results-models", "/results/models", settled),
        View("results-runs", "/results/runs"),
        View("results-run", f"/results/runs/{run}", settled),
        View("people", "/people"),
        View("log", "/people/log"),
        View("me", "/me"),
        View("me-history", "/me/history"),
        View("api", "/api"),
        View("missing", "/nowhere"),
    ]


# ------------------------------------------------------------------------------------------------------- what to show


def furnish(studio: Studio) -> None:
    """Put studies of every kind into the store and have people who never were answer them."""
    for name in examples.EXAMPLES:
        examples.install(studio.store, name, now_ms=now_ms())
    for question in KINDS:
        open_study(studio.store, question)
    for name, errs in PEOPLE.items():
        account = studio.store.accounts.add(name, "annotator", now_ms=now_ms())
        report_one(studio, person_of(account), "kind-words")
        for study in ("plain-words", "opinions"):
            answer_all(studio, person_of(account), study, errs)


def open_study(store: Store, question: Question) -> None:
    """Open a study of one question on the sentences of the example `opinions`."""
    shown = SEVERAL.get(question.kind, 1)
    source = replace(examples.load("opinions").source, completions=shown, path="")
    study = Study(f"kind-{question.name}", question.text.rstrip(".?"), (question,), source=source)
    store.studies.save(study.name, to_toml(study), overlap=study.overlap, by="ana", now_ms=now_ms())
    with resources.as_file(resources.files(examples) / "opinions.jsonl") as path:
        texts = [line.value["completion"] for line in read_objects(path) if line.value]
    prompt = Prompt.of("Say what you think of something that you bought.")
    groups = [texts[place : place + shown] for place in range(0, len(texts) - shown + 1, shown)]
    items = [sources.Drawn(prompt, tuple(Completion(prompt.id, text) for text in group)) for group in groups]
    made = sources.add(store, study, items)
    assert not made.problems, made.problems
    store.studies.set_state(study.name, "open")


def report_one(studio: Studio, who: Any, name: str) -> None:
    """Report the first item of a study that a person is given, then skip it."""
    task = assign.next_task(studio, who, name, now_ms())
    assert task is not None
    assign.flag(studio, who, task.assignment, "The text breaks off in the middle.", now_ms())
    assign.skip(studio, who, task.assignment, "broken text", "", now_ms())


def answer_all(studio: Studio, who: Any, name: str, errs: float) -> None:
    """Answer all that a person may of a study: the longer text, but for slips."""
    draw = random.Random(who.name)
    while task := assign.next_task(studio, who, name, now_ms()):
        told: dict[str, Any] = {}
        for question in task.study.questions:
            texts = [each.text for each in task.completions]
            if question.kind == "comparison":
                right = max(range(2), key=lambda place: share_of(texts[place], "liked"))
                told[question.name] = {"chosen": right if draw.random() > errs else 1 - right}
            elif question.kind == "rating":
                value = round(8 * share_of(texts[0], "liked")) - 4 + draw.choice((-1, 0, 0, 1))
                told[question.name] = {"rating": max(-4, min(4, value if draw.random() > errs else -value))}
            elif question.kind == "comment" and draw.random() < 0.5:
                told[question.name] = [{"comment": draw.choice(REMARKS)}, None]
        payload = {"key": f"{who.name}{task.assignment}", "seconds": draw.uniform(4, 20), "answers": told}
        assign.submit(studio, who, task.assignment, payload, now_ms())


# ------------------------------------------------------------------------------------------------------- the pictures


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve the app in a thread; yields its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


def take(browser: Browser, address: str, session: str, view: View, shot: Shot, out: Path, *, as_png: bool) -> list[str]:
    """Take one picture and return what is wrong with the page."""
    width, theme, language = shot
    context = browser.new_context(
        base_url=address,
        viewport={"width": width, "height": 800},
        locale=language,
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    if view.signed_in:
        context.add_cookies([{"name": "burnish_session", "value": session, "url": address}])
    page = context.new_page()
    wrong: list[str] = []
    weight = [0]
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda answer: weight.append(_size(answer)))
    answer = page.goto(view.path)
    assert answer is not None
    expected = {"missing": 404, "sign-in": 200}.get(view.name, 200)
    if answer.status != expected:
        wrong.append(f"status {answer.status}")
    page.wait_for_load_state("networkidle")
    page_weight = sum(weight)
    view.act(page)
    if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
        wrong.append(f"{wide} pixels wide")
    is_long = not view.name.startswith("work-")  # those keep their buttons at the window's lower edge
    picture(page, out / f"{view.name}-{width}-{theme}-{language}", is_long=is_long, as_png=as_png)
    context.close()
    if page_weight > 300_000:
        wrong.append(f"{page_weight:,} bytes")
    return wrong


def picture(page: Page, path: Path, *, is_long: bool, as_png: bool) -> None:
    """Write what the page looks like: WebP, a third of a PNG's bytes, which Playwright itself does not offer."""
    if as_png:
        page.screenshot(path=path.with_name(f"{path.name}.png"), full_page=is_long)
        return
    page.evaluate("scrollTo(0, 0)")
    size = page.evaluate("[innerWidth, innerHeight, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": size[0], "height": size[2] if is_long else size[1], "scale": 1}
    wanted = {"format": "webp", "quality": 60, "captureBeyondViewport": is_long, "clip": clip}
    taken = page.context.new_cdp_session(page).send("Page.captureScreenshot", wanted)
    path.with_name(f"{path.name}.webp").write_bytes(base64.b64decode(taken["data"]))


def _size(answer: Any) -> int:
    with contextlib.suppress(PlaywrightError):  # an answer without a body
        return len(answer.body())
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trip", type=Path, help="what `benchmarks/round_trip.py --keep` left")
    parser.add_argument("--out", type=Path, default=HERE / "studio")
    parser.add_argument("--only", default="", help="pages whose names begin so")
    parser.add_argument("--all", action="store_true", help="every width, theme and language")
    parser.add_argument("--png", action="store_true", help="PNG in place of WebP")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    out = args.out.resolve()
    shots = list(product(WIDTHS, THEMES, LANGUAGES)) if args.all else list(USUAL)
    copy = Path(tempfile.mkdtemp(prefix="screenshots-")) / "trip"
    shutil.copytree(args.trip, copy)
    os.chdir(copy)
    count = 0
    with open_store("sqlite:///burnish.db") as store:
        app = create_app(store, StudioSettings(requests_per_second=1e6))
        furnish(app.state.studio)
        owner = store.accounts.by_name("ana")
        assert owner is not None
        session = store.sessions.start(owner.number, now_ms=now_ms())
        run = next(Path("runs").iterdir()).name
        with serving(app) as address, sync_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
            for view in views(store, run):
                for shot in shots if view.name.startswith(args.only) else ():
                    try:
                        wrong = take(browser, address, session, view, shot, out, as_png=args.png)
                    except PlaywrightError as error:  # one page that fails takes no other with it
                        wrong = [str(error).splitlines()[0]]
                    count += bool(wrong)
                    print(
                        f"{view.name:18} {shot[0]:5} {shot[1]:6} {shot[2]:3} {'; '.join(wrong) or 'well'}", flush=True
                    )
    shutil.rmtree(copy.parent)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
