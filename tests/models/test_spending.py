"""What asking costs: counted by price, held while a question is under way, and never more than the cap."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from burnish.models.spending import MESSAGE_OVERHEAD, Prices, Purse
from burnish.records import Message


def test_money_is_counted_by_price_and_capped():
    purse = Purse(Prices(prompt=1.0, completion=10.0), money=100 / 1e6)
    asked = [Message("user", "ab")]
    held = purse.reserve(asked, 8)  # at most 18 * 1 + 8 * 10 = 98 millionths
    assert (held.prompt_tokens, held.completion_tokens) == (2 + MESSAGE_OVERHEAD, 8)
    purse.book(held, 5, 2)
    assert purse.spent.money == pytest.approx(25 / 1e6)
    assert purse.reserve(asked, 8) is None
    assert purse.reserve(asked, 5) is not None  # 68 more fit


def test_who_waits_for_the_budget_is_told_when_it_is_used_up():
    purse = Purse(tokens=60)
    asked = [Message("user", "ab")]
    held = [purse.reserve(asked, 8), purse.reserve(asked, 8)]  # 26 each
    with ThreadPoolExecutor(1) as threads:
        third = threads.submit(purse.reserve, asked, 8)
        purse.book(held[0], 30, 10)  # 40 spent, 26 held: it may still fit
        assert not third.done()
        purse.book(held[1], None, None)  # 66 spent
        assert third.result(timeout=10) is None
