"""What rooms below say in English is told in the reader's language; programs and logs read the English."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Formatter
from typing import Annotated, Any

import annotated_types as limits
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import TypeAdapter, ValidationError
from tests.studio.browser import material

import burnish
from burnish.errors import InputError
from burnish.loop.speakers import Speaker, speaker
from burnish.maths.sample_size import Spreads
from burnish.store import Store, accounts
from burnish.studio import answers, passwords, planner, sources
from burnish.studio.context import now_ms
from burnish.studio.study import Question, Study
from burnish.studio.translation import translated
from burnish.studio.wording import sentences

Clients = Callable[..., TestClient]

TOLD = {key: said for key, said in sentences().items() if key.startswith("told.") and not key.startswith("told.form_")}
PAIR = Study("pairs", "Pairs", (Question("better", "comparison", "Which is better?"),))
GRADED = Study("grades", "Grades", (Question("overall", "rating", "How good?"),))
RANKED = Study("ranks", "Ranks", (Question("order", "ranking", "Which order?"),))
LISTED = Study("lists", "Lists", (Question("points", "rubric", "Is it so?", criteria=(("sourced", "A source."),)),))


def fragments() -> str:
    """Every text in the code, with a mark where something is filled in."""

    def read(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        for child in ast.iter_child_nodes(node):
            yield from read(child)

    root = Path(burnish.__file__).parent
    rooms = [root / name for name in ("studio", "store", "feedback", "loop")]
    files = [
        *(path for room in rooms for path in room.rglob("*.py")),
        root / "errors.py",
        root / "maths/sample_size.py",
    ]
    return "\n".join(text for path in files for text in read(ast.parse(path.read_text("utf-8"))))


def own_words(sentence: str) -> list[str]:
    """The parts of a sentence that stand in the code in one piece: between values, and where it puts two together."""
    plain = "\0".join(literal for literal, *_ in Formatter().parse(sentence))
    return [part.strip(" .") for part in re.split(r"\0| is not |(?<=[.?]) ", plain) if len(part) > 3]


def test_the_english_of_every_sentence_is_what_the_code_says() -> None:
    """Who changes a message in the code has to change it here too, or nobody would find its translation."""
    said = fragments()
    lost = [(key, part) for key, sentence in TOLD.items() for part in own_words(sentence["en"]) if part not in said]
    assert lost == []


def test_every_language_fills_in_what_the_english_tells() -> None:
    for key, sentence in sentences().items():
        if key.startswith("told."):
            names = {
                language: {name for _, name, _, _ in Formatter().parse(text) if name}
                for language, text in sentence.items()
            }
            assert names["zh"] <= names["en"], key


def message_of(act: Callable[[], Any]) -> str:
    with pytest.raises(InputError) as error:
        act()
    return str(error.value)


def asked(study: Study, **given: Any) -> Callable[[], Any]:
    return lambda: answers.read(study, given, ["one text", "another text"][: max(study.needs_several, 1)])


NARROW = Spreads(item=0.2, person=0.5, noise=0.1)


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (asked(PAIR), "better: 还没有回答。"),
        (asked(PAIR, better={"tie": "good", "chosen": 1}), "better: 请在选其一、平局和无法判断之中给出一项。"),
        (asked(PAIR, better={"chosen": 1, "comment": 3}), "better: comment: 3 不是文本，请加上引号。"),
        (asked(PAIR, better={"choosen": 1}), "better: choosen: 不属于 comparison 类的回答。是不是想写 'chosen'？"),
        (asked(PAIR, better={"chosen": 2}), "better: chosen: 2 不是 0 到 1 的整数。"),
        (asked(GRADED, overall={"rating": 7}), "overall[0]: rating: 7 不是 1 到 5 的整数。"),
        (asked(GRADED, overall={"rating": "4"}), "overall[0]: rating: '4' 不是数字，请去掉引号。"),
        (asked(GRADED, overall={}), "overall[0]: 还没有回答。"),
        (asked(RANKED, order={"ranking": [0, 0]}), "order: 回复 0 排了两次，请每个只排一次。"),
        (asked(RANKED, order={"ranking": [[0, 1]]}), "order: 所有回复并列，等于没有排序。"),
        (asked(LISTED, points={"rubric": []}), "points[0]: 评分项 'sourced' 还没有回答。"),
        (lambda: answers.seconds_of(-1), "seconds: -1 小于 0。"),
        (
            lambda: planner.options(0.01, 5, NARROW),
            "5 个人做不到 ±0.01：仅他们之间的差异就有 ±0.438。请增加人数，或放宽区间。",
        ),
        (lambda: planner.options(0.1, 0, NARROW), "人数 0 不在 1 到 100,000 之间。"),
        (lambda: passwords.checked_password("short", "ana"), "密码有 5 个字符，请用 10 到 200 个。"),
        (lambda: passwords.checked_password("aaaaaaaaaaaa", "ana"), "密码太容易猜到。请用几个词，不要用自己的名字。"),
        (
            lambda: accounts.checked_name("-"),
            "'-' 不能作名称。请用 1 到 40 个字母、数字、点、连字符或下划线，以字母或数字开头。",
        ),
        (lambda: speaker("gold", [Speaker("old", "old")]), "这里没有模型 'gold'。是不是想写 'old'？"),
        (lambda: sources.below_here("/etc/passwd"), "'/etc/passwd' 不是 FOLDER 之下的文件。请放到那里，或直接上传。"),
    ],
)
def test_a_refusal_is_told_in_chinese(
    act: Callable[[], Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message = message_of(act)
    assert translated(message, "zh").replace(str(tmp_path), "FOLDER") == told
    assert translated(message, "en") == message


def test_what_a_form_is_refused_for_is_told_in_chinese() -> None:
    number, text = Annotated[int, limits.Gt(0), limits.Le(9)], Annotated[str, limits.MaxLen(3)]
    told = []
    for kind, value in ((number, 0), (number, 10), (number, "x"), (text, "long"), (float, "x")):
        with pytest.raises(ValidationError) as error:
            TypeAdapter(kind).validate_python(value)
        told.append(translated(f"people: {error.value.errors()[0]['msg']}.", "zh"))
    said = ("应大于 0。", "不应大于 9。", "应为整数。", "最多 3 个字符。", "应为数字。")
    assert told == [f"people: {each}" for each in said]


def test_what_fits_no_sentence_stays_as_it_is_and_a_long_text_is_not_searched() -> None:
    for message in ("", "nobody wrote this: yet.", "a: " * 100_000, f"{'x' * 2_000} is unknown."):
        assert translated(message, "zh") == message


# --------------------------------------------------------------------------------------------------------------- pages


def chinese(client: TestClient) -> TestClient:
    client.cookies.set("burnish_language", "zh")
    return client


def test_a_file_with_bad_lines_is_told_of_in_chinese(client_as: Clients, store: Store) -> None:
    material.begin(store, material.a_study(material.PAIR), material.pairs(1))
    lines = b'{"prompt": "one"}\nnot json\n{"prompt": "two", "completions": ["a", "a"]}\n'
    page = chinese(client_as("olga", role="owner")).post("/studies/replies/items", files={"file": ("new.jsonl", lines)})
    said = html.unescape(page.text)
    assert "new.jsonl:1: 其中没有回复。请加上 completion、completions，或 chosen 和 rejected。" in said
    assert "不是 JSON（Expecting value）。" in said
    assert "'two': 有回复为空或重复，没有人能分辨。" in said


def test_a_plan_that_cannot_be_and_a_source_that_cannot_be_drawn_are_told_of_in_chinese(
    client_as: Clients, store: Store
) -> None:
    material.begin(store, material.a_study(material.RATING), material.singles(1))
    owner = chinese(client_as("olga", role="owner"))
    page = owner.get("/studies/replies/plan", params={"half_width": 0.01, "people": 2})
    assert "2 个人做不到 ±0.01" in page.text
    page = owner.post("/studies/replies/drawing")
    assert "来源 'file' 已有文本。请改为导入它的条目。" in html.unescape(page.text)


def test_a_refused_answer_is_told_in_the_readers_language(client_as: Clients, store: Store) -> None:
    material.begin(store, material.a_study(material.RATING), material.singles(1))
    ana = client_as("ana")
    found = re.search(r'"assignment": ?"([^"]+)"', ana.get("/tasks/replies/work").text)
    assert found
    sent = {"key": "0123456789abcdef", "seconds": 3.2, "answers": {"grade": {"rating": 7}}}
    said = ana.post(f"/tasks/replies/items/{found[1]}", json=sent).json()["error"]["message"]
    assert said == "rating: 7 is not a whole number from 1 to 5."
    said = chinese(ana).post(f"/tasks/replies/items/{found[1]}", json=sent).json()["error"]["message"]
    assert said == "rating: 7 不是 1 到 5 的整数。"


def test_a_program_is_told_english_whatever_its_account_reads(app: FastAPI, store: Store) -> None:
    account = store.accounts.add("olga", "owner", now_ms=now_ms())
    store.accounts.set_look(account.number, language="zh", theme="auto")
    key = store.sessions.make_token(account, "test", "owner", now_ms=now_ms(), lasts_ms=3_600_000)
    program = TestClient(app, headers={"Authorization": f"Bearer {key}"})
    material.begin(store, material.a_study(material.RATING), material.singles(1))
    answer = program.post("/api/studies/replies/drawing")
    assert answer.json()["error"]["message"] == "source: 'file' holds its texts already. Bring its items instead."
