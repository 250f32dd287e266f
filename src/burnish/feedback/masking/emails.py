"""Rules for e-mail addresses, as they are written and as they are hidden from machines.

Every pattern is bounded, so that no text can make it slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from burnish.feedback.masking.findings import Finding

_OPEN, _CLOSE = r"[(\[{<【\u3014]", r"[)\]}>】\u3015]"
_STROKE = r"[\-_*|~/]"  # "-at-": only with "-dot-", because people work-at-home
_AT_WORD = (  # what the sign is called, here and elsewhere: words that no sentence has beside a name and a domain
    r"(?:艾特|小老鼠|圈a|arroba|arobase|chiocciola|klammeraffe|ma[łl]pa|apenstaartje|snabel-?a|собака|kukac|zavin[áa][čc])"
)
_CODED_AT = r"(?:%40|&#0{0,3}64;|&#x0{0,2}40;|&commat;|\\u0040|\\x40)"  # in a link, a page, a string
_DOT_WORD = r"(?:dot|点|點|punto|ponto|punkt|punt|point|kropka|точка|tečka)"
_AT = (
    rf"(?:\s?{_OPEN}{{1,2}}\s?(?:at|ät|@|{_AT_WORD})\s?{_CLOSE}{{1,2}}\s?"
    rf"|\s?(?:艾特|小老鼠|圈a)\s?|\s{_AT_WORD}\s|{_CODED_AT})"
)
_DOT = (
    rf"(?:\s?\.\s?|\u3002(?=[A-Za-z])|\s?{_OPEN}{{1,2}}\s?(?:{_DOT_WORD}|\.)\s?{_CLOSE}{{1,2}}\s?"
    rf"|\s{_DOT_WORD}\s|\s?[点點]\s?|%2e|&#0{{0,3}}46;)"
)
_WORD = r"A-Za-z0-9\u00c0-\u1fff"  # with Greek, Cyrillic and what else has its own addresses; not Chinese
_SAID_DOT = (
    rf"(?:\s(?:{_DOT_WORD}|underscore|dash|hyphen)\s|\s?{_OPEN}{{1,2}}\s?(?:{_DOT_WORD}|\.|_|-)\s?{_CLOSE}{{1,2}}\s?)"
)
_LABEL = rf"[{_WORD}](?:[{_WORD}\-]{{0,62}}[{_WORD}])?"

_EMAIL = re.compile(
    rf"(?<![{_WORD}._%+\-])(?:[{_WORD}][{_WORD}._%+'\-]{{0,63}})@(?:{_LABEL}\.){{1,5}}[A-Za-z\u00c0-\u1fff]{{2,24}}(?![{_WORD}])"
)
_SIGN = re.compile("@")
_HIDDEN_SIGN = re.compile(
    rf"@|(?<![A-Za-z])(?:at|ät)(?![A-Za-z])|{_OPEN}[aä]{_CLOSE}|[在圈][A-Za-z0-9]|爱特|{_AT_WORD}|{_CODED_AT}",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"://[^\s/@]{0,128}:[^\s/@]{0,128}$")  # of an address that begins with a name and a password
_ENDING = rf"[A-Za-z]{{2,10}}(?![{_WORD}])"
_KNOWN_ENDING = (  # without those that are words of a sentence too (at, be, in, it, me, my, no, so, us ...)
    r"(?:com|org|net|edu|gov|mil|info|biz|app|dev|shop|io|ai|co|cn|uk|de|fr|jp|hk|tw|ca|ru|es|eu|au|br|ie|cz|pl|nl|se|dk|fi|pt"
    r"|gr|hu|ro|bg|hr|sk|si|lt|lv|ee|ch|kr|sg|nz|mx|ar|cl|pe|za|ng|ke|gh|eg|tr|il|ae|sa|pk|bd|lk|vn|th|ph|ua|kz|lu|mo|cc|tv)"
    rf"(?![{_WORD}])"
)
_HIDDEN_EMAIL = re.compile(  # no price: "49.99 @ shop.com"
    rf"(?<![{_WORD}._%+\-])(?!\d+[.,]\d+\s)(?:[A-Za-z][\w\-]{{0,30}}{_SAID_DOT}){{0,2}}"
    rf"[A-Za-z0-9][{_WORD}._%+'\-]{{0,63}}(?:"
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
_PROVIDER = (
    r"(?:g(?:oogle)?mail|hotmail|outlook|yahoo|icloud|proton(?:mail)?|gmx|aol|fastmail|foxmail|qq|163|126|yandex)"
)
_STANDS_FOR_AT = re.compile(  # "(# is the at sign)", #换成@
    r"([#*$!&~^])\W{0,3}(?:换[成为]?|改[成为]?|替换[成为]?|代替|当作|=|is|means|for|with|by|to|as)\W{0,3}(?:(?:the|an)\W)?(?:@|at\b)"
    r"|(?:replace|change|swap|读作|用)\W{0,3}([#*$!&~^])",
    re.IGNORECASE,
)
_WITH_ANOTHER_SIGN = re.compile(
    rf"(?<![{_WORD}._%+\-])[A-Za-z0-9][\w.+\-]{{1,40}}([#*$!&~^])(?:{_LABEL}\.){{1,3}}{_KNOWN_ENDING}", re.IGNORECASE
)
_LOCAL = rf"(?<![{_WORD}._%+\-])[{_WORD}][{_WORD}._%+'\-]{{1,63}}"
_ODD = re.compile(
    "|".join(
        (
            rf"{_LOCAL}{_OPEN}[aä@]{_CLOSE}(?:{_LABEL}\.){{1,4}}{_KNOWN_ENDING}",  # jo(a)example.com
            rf"{_LOCAL}@{_LABEL}(?:[.,]{_LABEL}){{0,3}},{_KNOWN_ENDING}",  # a slip of the finger: example,com
            rf"{_LOCAL}@{_PROVIDER}(?![{_WORD}.])",  # everyone knows how it goes on
            rf"{_LOCAL}\s?圈a\s?[\u4e00-\u9fff]{{2,12}}[.点]{_KNOWN_ENDING}",
            r"(?<!\w)(?:[\w.+\-]\s){2,40}@(?:\s[\w.\-]){4,40}(?!\w)",  # letter by letter
            # behind a blank before and after the sign and the dot, any ending: nobody writes a sentence so
            rf"(?<![{_WORD}._%+\-])[A-Za-z]\w{{0,30}}[._+\-\d][\w.+\-]{{1,30}}\s@\s{_LABEL}(?:\s\.\s{_LABEL}){{0,2}}\s\.\s{_ENDING}",
            # with blanks within the name too: jo _ ana @ example . com
            rf"(?<![{_WORD}._%+\-])(?:[A-Za-z]\w{{0,30}}\s[._]\s){{1,2}}\w{{1,30}}\s@\s{_LABEL}(?:\s?\.\s?{_LABEL}){{0,2}}\s?\.\s?{_KNOWN_ENDING}",
            # with Chinese words for the signs; 在 alone is a word of every sentence, so the dot must be one too
            rf"(?<![{_WORD}._%+\-])[A-Za-z0-9][\w.+\-]{{0,40}}(?:[点點]\w{{1,30}}){{0,2}}(?:在|爱特|圈)(?:[A-Za-z0-9\-]{{1,30}}[点點]){{1,3}}{_KNOWN_ENDING}",
            rf"{_LOCAL}@{{2,3}}(?:{_LABEL}\.){{1,4}}{_KNOWN_ENDING}",  # one sign too many
            rf'"[^"\n@]{{1,64}}"@(?:{_LABEL}\.){{1,5}}{_ENDING}',  # RFC 5321: a quoted name may hold anything
            # read from behind: moc.elpmaxe@oj
            rf"(?<![{_WORD}@.\-])(?:moc|ten|gro|ude|vog|ofni|oi|nc|ed|rf|ur|pj|ku\.oc|ku|ua|ac|ln|hc|ue)\.[\w.\-]{{2,60}}@[\w+][\w.+\-]{{1,62}}\w",
        )
    ),
    re.IGNORECASE,
)
"""Ways to hide an address that need their own form; all have a sign between a name and a domain."""
_AT_PROVIDER = re.compile(  # "jo77 at gmail": a name that no word is, or where mail is spoken of
    rf"(?<![{_WORD}._%+\-])(?:(?:e-?mail|mail|address|邮箱)(?:\s\w{{1,10}}){{0,2}}[:\s]{{1,2}}(?:is\s|it's\s)?"
    rf"([A-Za-z0-9][\w.+\-]{{2,40}}\s(?:at|@)\s{_PROVIDER})"
    rf"|([A-Za-z0-9](?=[\w.+\-]{{0,39}}[\d._+\-])[\w.+\-]{{2,40}}\s(?:at|@)\s{_PROVIDER}))(?![{_WORD}])",
    re.IGNORECASE,
)
_NAME_AT = re.compile(  # "gmail: jo.ark.1990", which leaves the rest to the reader
    rf"(?<![A-Za-z@.]){_PROVIDER}(?:邮箱)?(?:[:：]\s?|\s(?:is\s)?)(?=[\w.\-]{{0,30}}\d)([A-Za-z][\w\-]{{1,30}}(?:\.\w{{1,20}}){{0,3}})(?![\w@.])",
    re.IGNORECASE,
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
    yield from (Finding(*match.span(1), "EMAIL") for match in _NAME_AT.finditer(text) if len(match[1]) > 5)
    if not _HIDDEN_SIGN.search(text):
        return
    for pattern in (_BESIDE_AT, _SHOUTED, _AT_PROVIDER):
        for match in pattern.finditer(text):
            if not _NOBODY.match(match[match.lastindex or 0]):
                yield Finding(*match.span(match.lastindex or 0), "EMAIL")
    yield from (Finding(*match.span(), "EMAIL") for match in _ODD.finditer(text))
    signs = {match[1] or match[2] for match in _STANDS_FOR_AT.finditer(text)}
    for match in _WITH_ANOTHER_SIGN.finditer(text) if signs else ():
        if match[1] in signs:
            yield Finding(*match.span(), "EMAIL")
