import json

import pytest

from burnish.errors import DamagedFileError, InputError
from burnish.feedback.intake import import_file
from burnish.feedback.masking import Masker, Vault, make_key, read_key
from burnish.feedback.masking.rules import PLACEHOLDER
from burnish.feedback.rows import Given, to_entry
from burnish.records import Author, Completion, Feedback, FinishReason, Prompt, Sampling
from burnish.store import Entry

KEY = bytes(range(32))
ROW = {
    "prompt": "Mail jane@example.com",
    "completion": "Done: JANE@example.com and 212-555-0147.",
    "rating": 4,
    "scale": [1, 5],
}


@pytest.fixture
def masker():
    return Masker(KEY)


def entry(**row):
    return to_entry({**ROW, **row}, ("line", 0), Given())


def test_the_same_value_is_the_same_placeholder_however_it_is_written(masker):
    found = masker.entry(entry())
    (in_prompt,) = PLACEHOLDER.findall(found.prompt.text)
    in_completion = PLACEHOLDER.findall(found.completions[0].text)
    assert in_completion[0] == in_prompt
    assert in_completion[1].startswith("[PHONE_")
    assert (
        masker(["call 212-555-0147", "or (212) 555-0147"])[1].removeprefix("or ")
        in masker(["call 212-555-0147", "or (212) 555-0147"])[0]
    )


def test_another_prompt_or_another_key_has_other_placeholders(masker):
    one, other = entry(), entry(prompt="Please mail jane@example.com")
    texts = {PLACEHOLDER.search(each.prompt.text)[0] for each in map(masker.entry, (one, other))}
    assert len(texts) == 2
    assert Masker(make_key()).entry(one) != masker.entry(one)
    assert Masker(KEY).entry(one) == masker.entry(one)


def test_a_completion_is_masked_alike_beside_any_other(masker):
    """Else a rating of it and a comparison with it would speak of two texts."""
    pair = {"prompt": ROW["prompt"], "chosen": "Ask bob@example.com", "rejected": ROW["completion"]}
    alone, beside = masker.entry(entry()), masker.entry(to_entry(pair, ("x", 0), Given()))
    assert alone.completions[0].id in {each.id for each in beside.completions}


def test_what_is_masked_is_no_rollout_any_more(masker):
    prompt = Prompt.of("Hi")
    drawn = {"token_ids": (1, 2), "logprobs": (-0.1, -0.2), "sampling": Sampling(), "finish_reason": FinishReason.STOP}
    said, clean = (Completion(prompt.id, text, **drawn) for text in ("a@example.com", "fine"))
    found = masker.entry(Entry(prompt, (said, clean)))
    assert (found.completions[0].token_ids, found.completions[0].logprobs) == (None, None)
    assert found.completions[1] == clean
    asked = Prompt.of("Mail a@example.com")
    after = masker.entry(Entry(asked, (Completion(asked.id, "fine", **drawn),)))
    assert after.completions[0].token_ids is None  # its log-probabilities were those of another prompt


def test_everything_a_person_said_is_masked_and_numbers_stay(masker):
    found = masker.entry(
        entry(
            kind="rating",
            comment="says jane@example.com",
            consent="signed jane@example.com",
            metadata={"seen": ["by jane@example.com", 3]},
            author="ana@example.org",
            id="case of ana@example.org",
        )
    )
    (record,) = found.feedback
    assert "@" not in json.dumps([record.comment, record.consent, record.metadata, record.author.id, record.id])
    assert record.value == {"rating": 4, "scale": [1, 5]}
    assert record.completion_ids == (found.completions[0].id,)
    assert record.prompt_id == found.prompt.id


def test_a_person_keeps_one_name_over_all_prompts(masker):
    names = {masker.entry(entry(prompt=asked, author="ana@example.org")).feedback[0].author.id for asked in ("a", "b")}
    assert len(names) == 1
    assert masker.author(Author("ana")) == Author("ana")


def test_spans_move_with_their_text(masker):
    text = "Ask jane@example.com or 212-555-0147 today."
    marks = [
        {"start": 0, "end": 3, "label": "a"},
        {"start": 10, "end": 43, "label": "b"},  # from within the address to the end
        {"start": 37, "end": 42, "label": "c"},
    ]
    row = {"prompt": "Hi", "completion": text, "spans": marks}
    found = masker.entry(to_entry(row, ("x", 0), Given()))
    masked = found.completions[0].text
    parts = [masked[span["start"] : span["end"]] for span in found.feedback[0].value["spans"]]
    assert parts[0] == "Ask"
    assert parts[1] == masked[4:]
    assert parts[2] == "today"


def test_an_import_stores_nothing_that_was_masked(store, jsonl, tmp_path):
    path = jsonl({**ROW, "comment": "jane@example.com"}, {**ROW, "rating": "jane@example.com"})
    masker = Masker(KEY)
    result = import_file(store, path, masker=masker)
    assert (result.stored, result.refused) == (2, 1)
    assert "jane@" not in result.problems[0].reason
    assert masker.tally.to_plain()["by_type"] == {"EMAIL": 4, "PHONE": 1}  # one in the message
    store.close()
    assert all(b"example.com" not in file.read_bytes() for file in tmp_path.glob("burnish.db*"))


def test_an_import_again_with_the_same_key_adds_nothing(store, jsonl):
    path = jsonl(ROW, ROW)
    assert import_file(store, path, masker=Masker(KEY)).stored == 2
    assert import_file(store, path, masker=Masker(KEY)).known == 2


def test_an_id_does_not_let_anyone_test_guesses_of_the_line(store, jsonl):
    path = jsonl(ROW)
    import_file(store, path, masker=Masker(KEY))
    import_file(store, path, masker=Masker(make_key()))
    ids = {record.id for each in store.entries() for record in each.feedback}
    assert len(ids) == 2  # without the key the line's hash leads to neither


def test_a_vault_leads_back_with_the_key_alone(tmp_path):
    pytest.importorskip("cryptography")
    path = tmp_path / "vault"
    masker = Masker(KEY, vault=Vault(path, KEY))
    masked = masker.text("Mail jane@example.com or 张三 at 13800138000")
    masker.vault.save()
    assert b"jane" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    opened = Vault(path, KEY)
    assert opened.reveal(masked) == "Mail jane@example.com or 张三 at 13800138000"
    assert opened.reveal("[EMAIL_aaaaaaaa] unknown") == "[EMAIL_aaaaaaaa] unknown"
    with pytest.raises(InputError, match="this key does not open"):
        Vault(path, make_key())


def test_a_vault_only_grows_and_knows_a_damaged_line(tmp_path):
    pytest.importorskip("cryptography")
    path = tmp_path / "vault"
    for text in ("a@example.com", "a@example.com b@example.com"):
        vault = Vault(path, KEY)
        Masker(KEY, vault=vault).text(text)
        vault.save()
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    one, two = map(json.loads, lines)
    path.write_text(json.dumps({**one, "sealed": two["sealed"]}) + "\n")
    with pytest.raises(InputError, match="does not open"):
        Vault(path, KEY)
    path.write_text("nonsense\n")
    with pytest.raises(DamagedFileError, match="vault:1: is no line of a vault"):
        Vault(path, KEY)


def test_a_key_file_is_made_once_for_its_owner(tmp_path):
    path = tmp_path / "key"
    with pytest.raises(InputError, match="no such key file"):
        read_key(path)
    key = read_key(path, create=True)
    assert read_key(path, create=True) == key
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("short")
    with pytest.raises(InputError, match="holds no key"):
        read_key(path)


def test_feedback_of_any_shape_passes(masker):
    record = Feedback("1", "thumb", "p", (), {"thumb": True})
    prompt = Prompt.of("Hi")
    found = masker.entry(Entry(prompt, (), (record,)))
    assert found.feedback[0].value == {"thumb": True}
    assert masker.tally.touched == 0
