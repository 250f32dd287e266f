import pytest

from burnish.errors import InputError
from burnish.store.judge_cache import JudgeCache, forget


def test_answers_come_back_also_after_closing(tmp_path):
    path = tmp_path / "judges.db"
    with JudgeCache(path) as cache:
        cache.put({"a": "1", "b": "两"})
        assert cache.get(["a", "b", "c"]) == {"a": "1", "b": "两"}
    with JudgeCache(path) as cache:
        assert cache.get(["b"]) == {"b": "两"}
        assert len(cache) == 2


def test_the_first_answer_to_a_key_stays(tmp_path):
    with JudgeCache(tmp_path / "judges.db") as cache, JudgeCache(tmp_path / "judges.db") as other:
        cache.put({"a": "1"})
        other.put({"a": "2", "b": "3"})
        assert cache.get("ab") == {"a": "1", "b": "3"}


def test_many_keys_at_once(tmp_path):
    with JudgeCache(tmp_path / "judges.db") as cache:
        cache.put({f"k{i}": str(i) for i in range(1500)})
        assert len(cache.get([f"k{i}" for i in range(3000)])) == 1500
        cache.put({})
        assert len(cache) == 1500


def test_a_folder_is_no_cache(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        JudgeCache(tmp_path)


SAID = "My sister Ann bought that lamp for our mother. 她住在南京路上的老房子里。"


@pytest.mark.parametrize(
    "question",
    [
        f"===== 12 begins =====\n{SAID}\n===== 12 ends =====",
        "Answer A:\n  MY sister Ann  bought that lamp for our mother!\nAnswer B:\nNo.",  # a sentence of it
        "评价：她住在南京路上的老房子里",
    ],
)
def test_forgetting_words_takes_every_answer_about_them(tmp_path, question):
    path = tmp_path / "judges.db"
    with JudgeCache(path) as cache:
        cache.put({"about": '"her kin gave it away"', "other": '"fine"'}, {"about": [question], "other": ["A lamp."]})
        assert cache.forget([SAID]) == 1
        assert cache.get(["about", "other"]) == {"other": '"fine"'}
        assert cache.forget([SAID]) == 0
    assert b"her kin" not in b"".join(each.read_bytes() for each in tmp_path.iterdir())


def test_what_masking_took_out_of_a_question_hides_no_words_from_forgetting(tmp_path):
    with JudgeCache(tmp_path / "judges.db") as cache:
        cache.put({"a": "1"}, {"a": ["Write to [EMAIL_k3v9m2qa] and ask for the small brass lamp"]})
        assert cache.forget(["Write to [EMAIL_aaaaaaa2] and ask for the small brass lamp"]) == 1


def test_answers_of_older_files_go_where_they_repeat_the_words(tmp_path):
    with JudgeCache(tmp_path / "judges.db") as cache:
        quoting = '{"evidence": ["sister Ann bought that lamp for our"], "answer": "no"}'
        cache.put({"quotes": quoting, "chinese": '["住在南京路上的"]', "other": '{"evidence": ["a lamp for our"]}'})
        assert cache.forget([SAID]) == 2
        assert set(cache.get(["quotes", "chinese", "other"])) == {"other"}


def test_what_anybody_says_is_nobodys_to_take_along(tmp_path):
    with JudgeCache(tmp_path / "judges.db") as cache:
        cache.put({"a": "1"}, {"a": ["Comment:\ntoo long\nAnswer yes or no."]})
        assert cache.forget(["too long", ""]) == 0


def test_there_is_nothing_to_forget_where_nothing_was_kept(tmp_path):
    assert forget(tmp_path / "none.db", ["A long sentence that nobody asked about."]) == 0
    assert list(tmp_path.iterdir()) == []
