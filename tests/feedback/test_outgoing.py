import json

import pytest

from burnish.errors import InputError
from burnish.feedback.intake import import_file
from burnish.feedback.outgoing import export_rows
from burnish.store import open_store, write_objects

SYSTEM = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
SPANS = [{"start": 0, "end": 1, "label": "wrong"}]
THREE = {"prompt": "", "completions": ["a", "b", "c"]}
PAIR = {"prompt": "Hi", "chosen": "Hello", "rejected": "No"}
ROWS = [
    {"prompt": "Hi", "completion": "Hello", "rating": 4, "scale": [1, 5], "author": "ana", "id": "1"},
    {"prompt": "Hi", "completion": "Hello", "thumb": True, "comment": "nice", "kind": "thumb", "id": "2"},
    {**PAIR, "strength": 2, "model": ["m", None], "id": "3"},
    {**PAIR, "tie": "bad", "shown_first": "chosen", "id": "4"},
    {**THREE, "ranking": [2, 0, 1], "id": "5"},
    {**THREE, "ranking": [[2], [0, 1]], "author": "j", "author_kind": "ai", "id": "6"},
    {"prompt": SYSTEM, "completion": "x", "comment": "c", "id": "7"},
    {"prompt": "Hi", "completion": "x", "correction": "y", "time": "2026-01-31T12:00:00Z", "id": "8"},
    {"prompt": "Hi", "completion": "x y", "spans": SPANS, "metadata": {"k": [1]}, "id": "9"},
]


def canonical(rows):
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def test_what_went_in_comes_out_in_the_same_shape(store, jsonl):
    assert import_file(store, jsonl(*ROWS)).stored == 9
    assert canonical(export_rows(store)) == canonical(ROWS)


def test_export_into_an_empty_store_and_out_again_is_the_same_set(store, jsonl, tmp_path):
    lines = [
        *ROWS,
        {**ROWS[0], "id": None},
        {**ROWS[0], "id": None},
        {**ROWS[0], "thumb": False, "comment": "c", "id": "m"},
    ]
    import_file(store, jsonl(*lines))
    path = tmp_path / "out.jsonl.gz"
    assert write_objects(export_rows(store), path) == 14
    with open_store(f"sqlite:///{tmp_path / 'other.db'}") as other:
        assert import_file(other, path, strict=True).stored == 14
        assert canonical(export_rows(other)) == canonical(export_rows(store))
    again = import_file(store, path)
    assert (again.stored, again.known) == (0, 14)


def test_replaced_records_go_out_once_and_come_back(store, jsonl, tmp_path):
    import_file(store, jsonl({**ROWS[0], "id": "v"}))
    import_file(store, jsonl({**ROWS[0], "rating": 1, "id": "v"}), on_duplicate="replace")
    path = tmp_path / "out.jsonl"
    assert write_objects(export_rows(store), path) == 1
    assert import_file(store, path).known == 1
    with open_store(f"sqlite:///{tmp_path / 'other.db'}") as other:
        import_file(other, path)
        assert [row["rating"] for row in export_rows(other)] == [1]


def test_only_some_kinds(store, jsonl):
    import_file(store, jsonl(*ROWS))
    assert [row["id"] for row in export_rows(store, kinds_wanted=["rating", "span"])] == ["1", "9"]
    with pytest.raises(InputError, match="Did you mean 'rating'"):
        export_rows(store, kinds_wanted=["ratings"])


def test_erased_records_do_not_go_out(store, jsonl):
    import_file(store, jsonl(*ROWS))
    store.erase_author("ana")
    assert "1" not in {row["id"] for row in export_rows(store)}
