import hashlib
import json

import pytest

from burnish.errors import InputError
from burnish.feedback import intake
from burnish.feedback.intake import Problem, import_file, import_files, read_entries
from burnish.feedback.outgoing import export_rows
from burnish.records import Author, content_id
from burnish.store import Entry

UP = {"prompt": "Hi", "completion": "Hello", "thumb": True}
DOWN = {**UP, "thumb": False}


def records(store, **choice):
    return [record for entry in store.entries(**choice) for record in entry.feedback]


def test_entries_are_read_without_a_database(jsonl):
    path = jsonl(UP, {**UP, "thumb": 1}, DOWN)
    good, bad, also_good = read_entries(path)
    assert isinstance(good, Entry)
    assert isinstance(also_good, Entry)
    assert bad == Problem(
        str(path), 2, len(json.dumps(UP)) + 1, "thumb: 1 is not true or false. Write it without quotes, not as 0 or 1."
    )
    assert str(bad).startswith(f"{path}:2: thumb: 1 is not")


def test_a_missing_file_is_an_error_at_once(store, tmp_path, jsonl):
    with pytest.raises(InputError, match="no such file"):
        read_entries(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="no such file"):
        import_files(store, [jsonl(UP), tmp_path / "none.jsonl"])
    assert records(store) == []


def test_bad_lines_never_take_the_good_ones_with_them(store, jsonl):
    path = jsonl(
        UP,
        "not json",
        {**UP, "completion": ""},
        b'{"prompt": "Hi", "completion": "\xff", "thumb": true}',
        '{"prompt": "Hi", "completion": "a", "rating": NaN, "scale": [1, 5]}',
        '{"prompt": "Hi", "completion": "a", "rating": 1e999, "scale": [1, 5]}',
        '{"prompt": "Hi", "completion": "\\ud800", "thumb": true}',
        '{"prompt": "Hi", "completion": "\\u0000", "thumb": true}',
        '{"prompt": "Hi", "completion": "\\u202e", "thumb": true}',
        '{"prompt": "Hi", "prompt": "Ho", "completion": "a", "thumb": true}',
        "[" * 5_000 + "]" * 5_000,
        '"text"',
        "",
        {**UP, "model": "x" * 2_000_000},
        {**UP, "id": "a\nb"},
        DOWN,
    )
    result = import_file(store, path)
    assert (result.stored, result.refused, result.lines) == (2, 13, 15)
    assert [problem.line for problem in result.problems] == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15]
    assert all(problem.reason for problem in result.problems)
    lines = path.read_bytes().split(b"\n")
    for problem in result.problems:
        assert problem.offset == sum(len(line) + 1 for line in lines[: problem.line - 1])
    assert {record.value["thumb"] for record in records(store)} == {True, False}


def test_importing_again_adds_nothing_and_equal_votes_within_a_file_count(store, jsonl):
    path = jsonl(UP, UP, UP, {**UP, "author": "ana"})
    assert import_file(store, path).stored == 4
    again = import_file(store, path)
    assert (again.stored, again.known) == (0, 4)
    assert len(records(store)) == 4
    longer = jsonl(UP, UP, UP, UP, name="longer.jsonl")  # the same lines in another file are the same votes
    assert (import_file(store, longer).stored, len(records(store))) == (1, 5)


def test_equal_lines_stay_apart_in_blank_lines_and_other_line_endings(store, jsonl):
    line = json.dumps(UP).encode()
    first = import_file(store, jsonl(line + b"\r", b"", line))
    assert first.stored == 2
    assert import_file(store, jsonl(line, line)).known == 2


def test_an_id_with_other_content_is_refused_kept_or_replaced(store, jsonl):
    import_file(store, jsonl({**UP, "id": "v"}))
    changed = jsonl({**DOWN, "id": "v"}, {**UP, "id": "w"}, name="changed.jsonl")
    refused = import_file(store, changed)
    assert (refused.stored, refused.refused) == (1, 1)
    assert refused.problems[0].line == 1
    assert "'v'" in refused.problems[0].reason
    kept = import_file(store, changed, on_duplicate="skip")
    assert (kept.kept, kept.known, kept.refused) == (1, 1, 0)
    assert [record.value["thumb"] for record in records(store)] == [True, True]
    replaced = import_file(store, changed, on_duplicate="replace")
    assert (replaced.replaced, replaced.known) == (1, 1)
    assert sorted(record.value["thumb"] for record in records(store)) == [False, True]
    assert len(records(store, include_superseded=True)) == 3
    again = import_file(store, changed, on_duplicate="replace")
    assert (again.replaced, again.known) == (0, 2)


def test_one_id_for_several_kinds_stands_for_all_of_them(store, jsonl):
    both = {**UP, "rating": 4, "scale": [1, 5], "id": "x"}
    assert import_file(store, jsonl(both)).stored == 2
    assert import_file(store, jsonl(both, name="same.jsonl")).known == 2
    for changed in ({**both, "comment": "and"}, {**UP, "id": "x"}, {**both, "thumb": False}):
        result = import_file(store, jsonl(changed, name="changed.jsonl"))
        assert (result.stored, result.refused) == (0, 1)
    assert len(records(store)) == 2


LINE = {"prompt": "Hi", "completion": "Hello", "rating": 2, "scale": [1, 5], "comment": "meh", "id": "r1"}
SHORT = {**{key: value for key, value in LINE.items() if key != "comment"}, "rating": 5}


def test_replacing_a_line_takes_back_what_it_no_longer_holds(store, jsonl):
    import_file(store, jsonl(LINE, {**UP, "id": "r1/comment~2", "author": "bo"}))
    replaced = import_file(store, jsonl(SHORT), on_duplicate="replace")
    assert (replaced.stored, replaced.replaced, replaced.refused) == (0, 1, 0)
    assert sorted(record.id for record in records(store)) == ["r1/comment~2", "r1~2"]
    assert store.stats()["by_kind"] == {"rating": 1, "thumb": 1}
    assert (store.stats()["records"], store.stats()["superseded"]) == (2, 2)
    for mode in ("replace", "error"):
        again = import_file(store, jsonl(SHORT), on_duplicate=mode)
        assert (again.known, again.replaced, again.refused) == (1, 0, 0)
    back = import_file(store, jsonl(LINE), on_duplicate="replace")
    assert back.replaced == 2
    assert sorted(record.kind for record in records(store)) == ["comment", "rating", "thumb"]
    other = {**SHORT, "thumb": True}
    import_file(store, jsonl(other), on_duplicate="replace")
    assert sorted(record.kind for record in records(store)) == ["rating", "thumb", "thumb"]
    assert store.erase("r1").records > 5
    assert [record.author.id for record in records(store, include_superseded=True)] == ["bo"]


def test_an_export_that_comes_back_takes_nothing_back(store, jsonl):
    import_file(store, jsonl(LINE))
    export = jsonl(*export_rows(store), name="export.jsonl")
    again = import_file(store, export, on_duplicate="replace")
    assert (again.known, again.replaced, again.stored) == (2, 0, 0)
    assert len(records(store)) == 2


def test_replacing_a_line_leaves_alone_what_only_looks_like_a_part_of_it(store, jsonl):
    import_file(store, jsonl(LINE))
    store.erase("r1/comment")
    forged = {**UP, "id": "q", "metadata": {"beside": ["thumb"]}}
    import_file(store, jsonl({**UP, "id": "q/thumb", "author": "bo"}, forged))
    import_file(store, jsonl(SHORT, {**DOWN, "id": "q"}), on_duplicate="replace")
    assert sorted(record.id for record in records(store)) == ["q/thumb", "q~2", "r1~2"]


def test_erasing_a_line_by_its_id_takes_all_its_parts_and_nobody_else_s(store, jsonl):
    import_file(store, jsonl({**LINE, "author": "ana"}, {**UP, "id": "r1/thumb", "author": "bo"}))
    forged = {**UP, "id": "s", "author": "cy", "metadata": {"beside": ["comment"]}}
    import_file(store, jsonl({**LINE, "id": "s/comment", "kind": "rating"}, forged))
    assert store.erase("s").records == 1
    assert store.erase("r1").records == 2
    assert [record.id for record in records(store)] == ["r1/thumb", "s/comment"]


def test_erasing_a_part_or_a_later_version_of_a_line(store, jsonl):
    import_file(store, jsonl(LINE, {**LINE, "id": "r2"}))
    assert store.erase("r1/comment").records == 1
    import_file(store, jsonl({**LINE, "comment": "fine", "id": "r2"}), on_duplicate="replace")
    import_file(store, jsonl({**LINE, "rating": 3, "id": "r2", "thumb": True}), on_duplicate="replace")
    assert sorted(record.id for record in records(store)) == ["r1", "r2/comment~3", "r2/thumb", "r2~2"]
    assert store.erase("r2~2").records == 6
    assert [record.id for record in records(store, include_superseded=True)] == ["r1"]


def test_duplicates_within_one_file(store, jsonl):
    result = import_file(store, jsonl({**UP, "id": "v"}, {**UP, "id": "v"}, {**DOWN, "id": "v"}))
    assert (result.stored, result.known, result.refused) == (1, 1, 1)
    assert result.problems[0].line == 3


def test_strict_stores_nothing_if_anything_in_any_file_is_wrong(store, jsonl):
    good, bad = jsonl(UP, name="good.jsonl"), jsonl(UP, {**UP, "completion": ""}, "x", name="bad.jsonl")
    result = import_files(store, [good, bad], strict=True)
    assert (result.stored, result.refused, result.lines) == (0, 2, 4)
    assert [problem.line for problem in result.problems] == [2, 3]
    assert records(store) == []
    assert import_files(store, [good], strict=True).stored == 1


def test_strict_stores_nothing_if_an_id_clashes(store, jsonl):
    import_file(store, jsonl({**UP, "id": "v"}))
    path = jsonl(*({**UP, "id": f"n{number}"} for number in range(40)), {**DOWN, "id": "v"}, name="clash.jsonl")
    result = import_file(store, path, strict=True)
    assert (result.stored, result.refused) == (0, 1)
    assert (result.problems[0].line, result.problems[0].file) == (41, str(path))
    assert len(records(store)) == 1
    assert import_file(store, path, strict=True, on_duplicate="replace").stored == 40


def test_strict_counts_bad_lines_and_clashes_together_in_the_order_of_the_file(store, jsonl, monkeypatch):
    monkeypatch.setattr(intake, "_BATCH", 3)
    import_file(store, jsonl({**UP, "id": "v"}))
    rows = [{**UP, "id": f"n{number}"} for number in range(5)]
    path = jsonl(rows[0], {**DOWN, "id": "v"}, "x", *rows[1:], "x", {**DOWN, "id": "n1"}, name="both.jsonl")
    for strict in (True, False):
        result = import_files(store, [path, path], strict=strict)
        assert (result.stored, result.refused, result.lines) == (0 if strict else 5, 8, 18)
        assert [problem.line for problem in result.problems] == [2, 3, 8, 9] * 2
        assert len(records(store)) == (1 if strict else 6)


def test_the_first_problems_are_kept_although_a_clash_is_known_later(store, jsonl, monkeypatch):
    monkeypatch.setattr(intake, "MOST_PROBLEMS", 2)
    import_file(store, jsonl({**UP, "id": "v"}))
    result = import_file(store, jsonl({**DOWN, "id": "v"}, "x", "y", "z", name="late.jsonl"))
    assert (result.refused, [problem.line for problem in result.problems]) == (4, [1, 2])


def test_a_strict_import_that_fails_while_reading_stores_nothing(store, jsonl, monkeypatch):
    def failing(path, **options):
        yield from read(path)
        raise InputError("rows.jsonl: cannot be read after line 1")

    path = jsonl(UP)
    read = intake.read_objects
    monkeypatch.setattr(intake, "need_files", lambda paths: None)
    monkeypatch.setattr(intake, "read_objects", failing)
    with pytest.raises(InputError, match="after line 1"):
        import_file(store, path, strict=True)
    assert records(store) == []
    with pytest.raises(InputError, match="after line 1"):
        import_file(store, path)
    assert len(records(store)) == 1


@pytest.mark.parametrize("strict", [False, True])
def test_whoever_stops_an_import_is_told_what_is_stored(store, jsonl, monkeypatch, strict):
    monkeypatch.setattr(intake, "_BATCH", 2)
    path = jsonl(*({**UP, "id": f"n{number}"} for number in range(9)))
    reading = intake.check

    def stopped(entry):
        if entry.feedback[0].id == "n5":
            raise KeyboardInterrupt
        return reading(entry)

    monkeypatch.setattr(intake, "check", stopped)
    with pytest.raises(KeyboardInterrupt) as stop:
        import_file(store, path, strict=strict)
    (note,) = stop.value.__notes__
    assert ("nothing was stored" if strict else "; 4 records stored so far. Import the same again") in note
    assert len(records(store)) == (0 if strict else 4)
    monkeypatch.setattr(intake, "check", reading)
    assert import_file(store, path, strict=strict).stored == (9 if strict else 5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"author": Author("x" * 257)}, "import: author: 257 characters, but at most 256"),
        ({"author": Author("a\nb")}, "import: author: .* without control characters"),
        ({"author": Author(" ")}, "import: author: ' ' is not a name"),
        ({"source": "x" * 5000}, "import: source: 5,000 characters"),
    ],
)
def test_an_author_or_source_no_record_may_have_is_refused_once(store, jsonl, given, message):
    for call in (lambda path: import_file(store, path, **given), lambda path: read_entries(path, **given)):
        with pytest.raises(InputError, match=message):
            call(jsonl(UP))


def test_strict_reads_no_standard_input(store):
    with pytest.raises(InputError, match="a pipe may take for ever"):
        import_file(store, "-", strict=True)


def test_a_clash_deep_in_a_strict_file_is_still_found(store, jsonl, monkeypatch):
    monkeypatch.setattr(intake, "_BATCH", 4)
    import_file(store, jsonl({**UP, "id": "v"}))
    rows = [{**UP, "id": f"n{number}"} for number in range(30)]
    result = import_file(store, jsonl(*rows, {**DOWN, "id": "v"}, *rows, name="long.jsonl"), strict=True)
    assert result.problems[0].line == 31


def test_problems_are_kept_up_to_a_limit_and_counted_beyond_it(store, jsonl, monkeypatch):
    monkeypatch.setattr(intake, "MOST_PROBLEMS", 3)
    path = jsonl(*["x"] * 8, UP)
    for strict in (False, True):
        result = import_file(store, path, strict=strict)
        assert result.refused == 8
        assert len(result.problems) == 3


def test_author_and_source_of_the_whole_file(store, jsonl):
    import_file(store, jsonl(UP, {**DOWN, "author": "bob"}), author=Author("ana"), source="shop")
    assert [(record.author.id, record.source) for record in records(store)] == [("ana", "shop"), ("bob", "shop")]


def test_one_file_for_two_authors_is_two_people_s_votes(store, jsonl):
    path = jsonl(UP, {**DOWN, "author": "cy"})
    for mode in ("error", "replace"):
        for author, stored in (("ana", 2), ("bo", 1)):
            result = import_file(store, path, author=Author(author), on_duplicate=mode)
            assert (result.stored, result.known, result.refused) == (
                (stored, 2 - stored, 0) if mode == "error" else (0, 2, 0)
            )
    assert sorted(record.author.id for record in records(store, include_superseded=True)) == ["ana", "bo", "cy"]
    assert import_file(store, path, author=Author("ana", "ai")).stored == 1


def test_a_given_source_makes_another_record_where_the_line_names_none(store, jsonl):
    path = jsonl(UP, {**DOWN, "source": "web"})
    assert import_file(store, path, source="shop").stored == 2
    other = import_file(store, path, source="app")
    assert (other.stored, other.known, other.refused) == (1, 1, 0)


def test_where_nothing_is_given_an_id_is_of_the_line_and_its_place_among_equals(jsonl):
    for given in ({}, {"author": Author("ana"), "source": "shop"}):
        whole = {**UP, "author": "", "source": ""} if given else UP
        found = [entry.feedback[0].id for entry in read_entries(jsonl(whole, whole), **given)]
        digest = hashlib.sha256(json.dumps(whole).encode()).hexdigest()
        assert found == [content_id("f", [digest, before]) for before in (0, 1)]


def test_ai_authors_stay_ai(store, jsonl):
    import_file(store, jsonl({**UP, "author": "judge", "author_kind": "ai"}))
    assert records(store)[0].author == Author("judge", "ai")


def test_trl_files(store, jsonl):
    user, good, bad = (
        {"role": role, "content": text} for role, text in (("user", "Hi"), ("assistant", "A"), ("assistant", "B"))
    )
    path = jsonl(
        {"prompt": "Hi", "chosen": "A", "rejected": "B"},
        {"prompt": [user], "chosen": [good], "rejected": [bad]},
        {"chosen": [user, good], "rejected": [user, bad]},
        {"prompt": "Hi", "completion": "A", "label": True},
        {"prompt": [user], "completion": [bad], "label": False},
    )
    assert import_file(store, path).stored == 5
    (entry,) = store.entries()
    assert sorted(completion.text for completion in entry.completions) == ["A", "B"]
    assert [record.kind for record in entry.feedback] == ["comparison"] * 3 + ["thumb"] * 2


def test_erased_words_do_not_come_back_with_the_same_file(store, jsonl):
    path = jsonl({**UP, "author": "ana"}, DOWN)
    import_file(store, path)
    store.erase_author("ana")
    again = import_file(store, path)
    assert (again.stored, again.known) == (0, 2)
    assert len(records(store)) == 1


def test_the_result_gives_both_counts_in_words():
    result = intake.ImportResult(stored=1200, known=3, refused=2, lines=1205)
    assert str(result) == "1,200 records stored, 3 already known; 2 of 1,205 lines refused"
    assert "4 replaced, 5 left as they were" in str(intake.ImportResult(replaced=4, kept=5))
