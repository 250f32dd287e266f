"""What answers cost: by the answer exactly, by the hour as well as the time is known."""

from __future__ import annotations

import pytest

from burnish.errors import InputError
from burnish.feedback.answers import answers_of
from burnish.feedback.pay import Rate, cost, rate_of, seconds_an_item
from burnish.records import Author, Completion, Feedback, Interval, Prompt
from burnish.store import Entry


def test_rates_are_read_as_they_are_written():
    assert rate_of("0.12 EUR per answer") == Rate(0.12, "EUR", is_hourly=False)
    assert rate_of("15 USD per hour") == Rate(15.0, "USD", is_hourly=True)
    assert rate_of("3 元 per answer").currency == "元"
    for odd in ("", "EUR 3 per answer", "-1 EUR per hour", "1 EUR per day", "1e3 EUR per hour", "1 EUR  per hour"):
        with pytest.raises(InputError, match=r"pay: .* is no rate"):
            rate_of(odd)


def test_by_the_answer_a_cost_is_exact():
    found = cost(Rate(0.5, "EUR", is_hourly=False), 10, 30, None)
    assert found is not None
    assert (found.so_far.mean, found.to_come.mean, found.to_come.low, found.to_come.high) == (5, 15, 15, 15)


def test_by_the_hour_it_is_as_uncertain_as_the_time():
    found = cost(Rate(36, "EUR", is_hourly=True), 10, 100, Interval(20, 15, 25, 40))
    assert found is not None
    assert found.so_far == Interval(2.0, 1.5, 2.5, 40)
    assert found.to_come == Interval(20.0, 15.0, 25.0, 40)
    assert cost(Rate(36, "EUR", is_hourly=True), 10, 100, None) is None


def test_the_time_of_an_item_counts_once_however_many_questions_it_has():
    prompt = Prompt.of("q")
    text = Completion(prompt.id, "a")
    said = [
        Feedback(f"{who}-{item}-{kind}", kind, prompt.id, (text.id,), value, Author(who),
                 seconds_spent=seconds, metadata={"item": item})
        for who, item, seconds in (("ana", "i1", 10.0), ("ana", "i2", 20.0), ("bo", "i1", 60.0))
        for kind, value in (("thumb", {"thumb": True}), ("comment", {"comment": "x"}))
    ]  # fmt: skip
    answers = list(answers_of(Entry(prompt, (text,), tuple(said))))
    found = seconds_an_item(answers)
    assert found is not None
    assert found.mean == pytest.approx(30.0)
    assert (found.low, found.high, found.n) == (15.0, 60.0, 2)  # two people, not three items
    assert seconds_an_item(answers[:1]) is None
