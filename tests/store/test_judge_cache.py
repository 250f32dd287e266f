import pytest

from burnish.errors import InputError
from burnish.store.judge_cache import JudgeCache


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
