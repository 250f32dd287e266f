"""The list of things a review can be about: ours, many, distinct, each with the words that name it."""

import json
from importlib import resources

THINGS = json.loads(resources.files("burnish").joinpath("tasks/things.json").read_text(encoding="utf-8"))


def test_there_are_enough_and_half_of_each_kind():
    kinds = [thing["kind"] for thing in THINGS]
    assert set(kinds) == {"product", "film"}
    assert len(THINGS) >= 330
    assert abs(kinds.count("product") - kinds.count("film")) <= len(THINGS) // 20


def test_every_thing_has_the_three_keys_and_a_name_of_its_own():
    names = [thing["name"].casefold() for thing in THINGS]
    assert len(set(names)) == len(names)
    assert all(set(thing) == {"name", "kind", "words"} for thing in THINGS)


def test_no_two_products_share_their_invented_name_and_no_two_films_their_title():
    invented = [thing["name"].split()[1] for thing in THINGS if thing["kind"] == "product"]
    titles = [frozenset(thing["words"]) for thing in THINGS if thing["kind"] == "film"]
    assert len(set(invented)) == len(invented)
    assert len(set(titles)) == len(titles)


def test_words_are_lowercase_distinct_and_stand_in_the_name():
    for thing in THINGS:
        words = thing["words"]
        assert words, thing
        assert len(set(words)) == len(words), thing
        assert all(word == word.lower() and " " not in word for word in words), thing
        own = set(words) - {"film", "movie"}
        assert own, thing
        assert all(word in thing["name"].lower() for word in own), thing


def test_a_film_is_also_known_by_being_a_film():
    assert all({"film", "movie"} <= set(thing["words"]) for thing in THINGS if thing["kind"] == "film")
    assert all(thing["name"].startswith("the film '") for thing in THINGS if thing["kind"] == "film")
