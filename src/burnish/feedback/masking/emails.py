"""Rules for e-mail addresses, as they are written and as they are hidden from machines.

Every pattern is bounded, so that no text can make it slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from burnish.feedback.masking.findings import Finding

_OPEN, _CLOSE = r"[(\[{<【\u3014]", r"[)\]}>】\u3015]"
_STROKE = r"[\-_*|~]"  # "-at-": only with "-dot-", because people work-at-home
_AT = rf"(?:\s?{_OPEN}{{1,2}}\s?(?:at|@|艾特)\s?{_CLOSE}{{1,2}}\s?|\s?(?:艾特|小老鼠)\s?)"
_DOT = rf"(?:\s?\.\s?|\s?{_OPEN}{{1,2}}\s?(?:dot|\.|点)\s?{_CLOSE}{{1,2}}\s?|\sdot\s|\s?点\s?)"
_WORD = r"A-Za-z0-9\u00c0-\u1fff"  # with Greek, Cyrillic and what else has its own addresses; not Chinese
_SAID_DOT = rf"(?:\s(?:dot|underscore|dash)\s|\s?{_OPEN}{{1,2}}\s?(?:dot|\.|点)\s?{_CLOSE}{{1,2}}\s?)"
_LABEL = rf"[{_WORD}](?:[{_WORD}\-]{{0,62}}[{_WORD}])?"

_EMAIL = re.compile(
    rf"(?<![{_WORD}._%+\-])(?:[{_WORD}][{_WORD}._%+'\-]{{0,63}})@(?:{_LABEL}\.){{1,5}}[A-Za-z\u00c0-\u1fff]{{2,24}}(?![{_WORD}])"
)
_SIGN = re.compile("@")
_HIDDEN_SIGN = re.compile(r"@|(?<![A-Za-z])at(?![A-Za-z])|艾特|小老鼠", re.IGNORECASE)
_USERINFO = re.compile(r"://[^\s/@]{0,128}:[^\s/@]{0,128}$")  # of an address that begins with a name and a password
_ENDING = rf"[A-Za-z]{{2,10}}(?![{_WORD}])"
_KNOWN_ENDING = (  # without those that are words of a sentence too (at, be, in, it, me, my, no, so, us ...)
    r"(?:com|org|net|edu|gov|mil|info|biz|app|dev|shop|io|ai|co|cn|uk|de|fr|jp|hk|tw|ca|ru|es|eu|au|br|ie|cz|pl|nl|se|dk|fi|pt"
    r"|gr|hu|ro|bg|hr|sk|si|lt|lv|ee|ch|kr|sg|nz|mx|ar|cl|pe|za|ng|ke|gh|eg|tr|il|ae|sa|pk|bd|lk|vn|th|ph|ua|kz|lu|mo|cc|tv)"
    rf"(?![{_WORD}])"
)
_HIDDEN_EMAIL = re.compile(
    rf"(?<![{_WORD}._%+\-])(?:[A-Za-z][\w\-]{{0,30}}{_SAID_DOT}){{0,2}}[A-Za-z][{_WORD}._%+'\-]{{0,63}}(?:"
    rf"{_AT}{_LABEL}(?:{_DOT}{_LABEL}){{0,3}}{_DOT}{_ENDING}"
    rf"|{_STROKE}at{_STROKE}[{_WORD}]{{1,30}}(?:{_STROKE}dot{_STROKE}[{_WORD}]{{1,30}}){{0,2}}{_STROKE}dot{_STROKE}{_ENDING}"
    rf"|\s?@\s?{_LABEL}(?:{_DOT}{_LABEL}){{0,3}}{_DOT}{_KNOWN_ENDING}"
    # "at" as a word only with "dot" as a word: people look at things, and sentences end
    rf"|\s(?:at|@)\s{_LABEL}(?:\sdot\s{_LABEL}){{0,3}}\sdot\s{_ENDING})",
    re.IGNORECASE,
)
_BESIDE_AT = re.compile(  # "jo.h at example.com": what nobody would look at, or where mail is spoken of
    rf"(?<![{_WORD}._%+\-])(?:(?:e-?mail|mail|address|write|reach|contact|ping|邮箱|邮件)[^.\n]{{0,20}}?\s"
    rf"([A-Za-z0-9][\w.+\-]{{1,40}}\sat\s(?:{_LABEL}\.){{1,3}}{_KNOWN_ENDING})"
    rf"|([A-Za-z][A-Za-z]*[._\d+\-][\w.+\-]{{0,40}}\sat\s(?:{_LABEL}\.){{1,3}}{_KNOWN_ENDING}))",
    re.IGNORECASE,
)
_SHOUTED = re.compile(  # "jo AT example.com": capitals that no sentence has
    rf"(?<![{_WORD}._%+\-])[A-Za-z0-9][\w.+\-]{{0,40}}\sAT\s(?:{_LABEL}(?:\.|\sDOT\s)){{1,3}}(?i:{_KNOWN_ENDING})"
)
_NOBODY = re.compile(
    r"(?:you|me|us|him|her|them|it|look\w*|work\w*|shop\w*|buy|bought|order\w*|sold|found|is|are|was|here|there|price\w*|stuff|"
    r"deals?|site|store|available|cheaper|one|people|someone|seen?|saw|visit\w*|listed|stay\w*)\s(?:at|@)\s",
    re.IGNORECASE,
)
"""What stands before "at" in a sentence, and is no name of anybody."""


def emails(text: str) -> Iterator[Finding]:
    """Addresses as they are written, and as they are hidden: "(at)", "[dot]", 艾特, 点."""
    for sign, pattern in ((_SIGN, _EMAIL), (_HIDDEN_SIGN, _HIDDEN_EMAIL)):
        for match in pattern.finditer(text) if sign.search(text) else ():
            before = _USERINFO.search(text, max(0, match.start() - 140), match.start())
            if not before and not _NOBODY.match(match[0]):
                yield Finding(match.start(), match.end(), "EMAIL")
    for pattern in (_BESIDE_AT, _SHOUTED):
        for match in pattern.finditer(text) if _HIDDEN_SIGN.search(text) else ():
            if not _NOBODY.match(match[match.lastindex or 0]):
                yield Finding(*match.span(match.lastindex or 0), "EMAIL")
