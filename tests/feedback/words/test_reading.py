"""Our own sets of comments with negation and with contrast: read rightly at least 95 times in a hundred.

They were written before any rule. While the rules were written only the texts with `share_of(text, "words")` of one
half or more were looked at; the others have a floor of their own, because they show what to expect of new comments.
"""

from pathlib import Path

import pytest

from burnish.feedback.words.reading import LEAST, read
from burnish.records import share_of

DATA = Path(__file__).parent / "data"


def test_a_word_that_only_vader_lists_names_the_part_where_the_completion_has_it():
    completion = "It opens in Rome. A crime novel lies there. Then everybody sings."
    (said,) = read("The crime novel sounds made up.", completion).said
    assert said.aspect == "correctness"
    assert [completion[span.start : span.end] for span in said.spans] == ["crime", "novel"]
    assert read("That is a crime.").whole.value < 0
    assert read("That is a crime.", completion).whole is None


def rows(name):
    lines = (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def sign_of(estimate):
    if estimate is None or abs(estimate.value) < LEAST:
        return "0"
    return "+" if estimate.value > 0 else "-"


def is_read_rightly(row):
    _, sign, *expected, text = row
    found = read(text)
    wanted = {part[:-1]: part[-1] for part in expected[0].split() if part != "."} if expected else {}
    return sign in (".", sign_of(found.whole)) and all(
        sign_of(found.aspects.get(aspect)) == each for aspect, each in wanted.items()
    )


@pytest.mark.parametrize(("name", "unseen"), [("negation", 0.93), ("contrast", 0.90)])
def test_at_least_95_of_100_comments_with_negation_and_with_contrast_are_read_rightly(name, unseen):
    given = rows(name)
    assert len(given) >= 300
    assert {row[0] for row in given} == {"en", "zh"}
    right = [is_read_rightly(row) for row in given]
    assert sum(right) / len(right) >= 0.95
    apart = [each for each, row in zip(right, given, strict=True) if share_of(row[-1], "words") < 0.5]
    assert sum(apart) / len(apart) >= unseen
