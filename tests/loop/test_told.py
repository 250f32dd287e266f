"""Lines that a training run says."""

import math

from burnish.loop.told import headline, left_out


def test_what_was_left_out_is_told_with_its_reasons_the_commonest_first():
    counted = {"a tie": 2, "not scored": 0, "below the threshold": 1200}
    said = "raft: drawn and not learned from: below the threshold (1,200), a tie (2)"
    assert left_out("raft", "drawn and not learned from", counted) == said
    assert left_out("raft", "not used", {"not scored": 0}) == ""


def test_the_first_three_numbers_that_there_are_stand_in_the_headline():
    told = {"nll": 1.0, "loss": 0.123456, "reward": math.nan, "kl_nats": 2.0, "pair_accuracy": 0.5}
    assert headline(told) == "loss 0.123, kl_nats 2, pair_accuracy 0.5"
