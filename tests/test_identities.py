"""Names, splits and seeds follow from what a thing is alone."""

from __future__ import annotations

import pytest

from burnish.identities import canonical_json, content_id, seed_of, share_of


def test_names_are_the_same_on_every_machine():
    """Golden: SHA-256 of canonical JSON, computed with another tool (sha256sum)."""
    assert canonical_json({"b": "ü", "a": [1, None]}) == '{"a":[1,null],"b":"ü"}'
    assert content_id("p", [["user", "x"]]) == "p_efbae9f150869636d249"
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_shares_are_even_and_salted():
    shares = [share_of(str(key), "split") for key in range(2_000)]
    assert abs(sum(share < 0.2 for share in shares) / 2_000 - 0.2) < 0.03
    both = sum(share_of(str(key), "gold") < 0.2 and share < 0.2 for key, share in enumerate(shares))
    assert both / 2_000 < 0.06  # independent: 0.04


def test_seeds_differ_by_every_part():
    assert len({seed_of(1, 2), seed_of(2, 1), seed_of(12), seed_of("1", "2", ""), seed_of(1)}) == 5
    assert seed_of(1, 2) == seed_of("1", "2") < 2**63
