"""Whether a comment only praises ("great, keep it like this"): then there is nothing to mend.

Rather too strict than too lenient: praise that is taken for a critique asks for one refinement too many; a wish that is
taken for praise is never heard.
"""

from __future__ import annotations

import math
import re

from burnish.feedback.words import grammar
from burnish.feedback.words.clauses import clauses
from burnish.feedback.words.lexicon import own
from burnish.feedback.words.reading import ASKS, SARCASM, Reading

SURE = 0.67
"""Standard deviations that a value must lie above 0: three in four that it is praise."""
_IMPERATIVE = re.compile(
    "add|avoid|change|check|correct|cut|delete|drop|expand|explain|fix|give|include|make|mention|move|put|remove|replace"
    "|rewrite|say|shorten|show|split|start|tell|trim|try|use|write"
)
_BEFORE = re.compile("also|and|but|just|maybe|now|only|perhaps|please|so|then")
"""What may stand before an imperative in its clause."""
_MORE = re.compile(
    "more|less|fewer|longer|shorter|simpler|clearer|better|instead|otherwise|except|unless|if|almost|nearly|until|next"
    "|could|would|might|please|missing|needs?"
)
"""Words of what is not there yet; where one stands, it is left open whether a change is asked for."""
_CHINESE = re.compile(
    "[请改加删补换缩]|希望|建议|应该|应当|最好|能不能|可以再|如果|要是|再.{0,4}[些点]|下次|除了|只是|不过|但是|还差"
)


def only_praises(reading: Reading) -> bool:
    """Return whether a comment is surely good, finds no fault, and neither wishes nor asks for anything."""
    whole = reading.whole
    if whole is None or whole.value < SURE * math.sqrt(whole.variance):
        return False
    faults = any(said.value < 0 for said in reading.said) or {ASKS, SARCASM} & set(reading.doubts)
    return not faults and not _asks(reading.comment)


def _asks(comment: str) -> bool:
    words = own().cut(comment)
    if _CHINESE.search(comment) or "?" in comment or any(_MORE.fullmatch(word.text) for word in words):
        return True
    if grammar.REQUESTS.within(words, len(words)) or grammar.WISHES.within(words, len(words)):
        return True
    for part in clauses(comment, words):
        said = [word.text for word in words[part.first : part.last]]
        while said and _BEFORE.fullmatch(said[0]):
            said.pop(0)
        if said and _IMPERATIVE.fullmatch(said[0]):
            return True
    return False
