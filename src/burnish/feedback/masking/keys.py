"""Rules for secrets: keys and tokens in the forms their makers give them, and what stands behind "password:"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from burnish.feedback.masking.findings import Finding

_FORMS = (
    r"sk-[A-Za-z0-9_\-]{20,200}",
    r"(?:sk|pk|rk|whsec)_(?:live|test)_[A-Za-z0-9]{16,200}",
    r"gh[pousr]_[A-Za-z0-9]{30,250}",
    r"github_pat_[A-Za-z0-9_]{22,250}",
    r"glpat-[A-Za-z0-9_\-]{16,64}",
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",
    r"AIza[A-Za-z0-9_\-]{30,40}",
    r"ya29\.[A-Za-z0-9_\-]{20,500}",
    r"xox[abeoprs]-[A-Za-z0-9\-]{10,600}",
    r"hf_[A-Za-z0-9]{20,100}",
    r"npm_[A-Za-z0-9]{30,60}",
    r"pypi-[A-Za-z0-9_\-]{16,250}",
    r"SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{32,64}",
    r"LTAI[A-Za-z0-9]{12,30}",
    r"AKID[A-Za-z0-9]{28,40}",
    r"GOCSPX-[A-Za-z0-9_\-]{20,40}",
    r"GR1348941[A-Za-z0-9_\-]{16,64}",
    r"dapi[0-9a-f]{32}(?:-\d)?",
    r"sq0[a-z]{3}-[A-Za-z0-9_\-\\]{20,64}",
    r"(?:AC|SK)[0-9a-z]{32}",
    r"\d{8,10}:[A-Za-z0-9_\-]{33,40}",  # of Telegram's bots
    r"[MNO][A-Za-z0-9_\-]{22,28}\.[A-Za-z0-9_\-]{5,8}\.[A-Za-z0-9_\-]{24,48}",  # of Discord's
    r"[0-9a-z]{32}-us\d{1,2}",
    r"eyJ[A-Za-z0-9_\-]{8,4000}\.eyJ[A-Za-z0-9_\-]{4,4000}(?:\.[A-Za-z0-9_\-]{0,2000})?",
)
_KEY = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(_FORMS)})(?![A-Za-z0-9_])")
_HOOK = re.compile(
    r"https?://(?:hooks\.slack\.com/(?:services|workflows)|discord(?:app)?\.com/api/webhooks)/[\w/\-]{16,200}", re.ASCII
)
_PREFIXED = re.compile(
    # as most makers form theirs by now: a few letters that say whose it is, and a long random part
    r"(?<![A-Za-z0-9_\-/.])[A-Za-z]{2,12}(?:[_\-][A-Za-z0-9]{1,8}){0,2}[_\-](?=[A-Za-z_\-]{0,40}\d)(?=[0-9_\-]{0,20}[A-Za-z])"
    r"([A-Za-z0-9]{20,200}|[A-Za-z0-9_\-]{32,200})(?![A-Za-z0-9_])"
)
_RANDOM = re.compile(
    r"(?<![A-Za-z0-9_\-+/=.@])[A-Za-z0-9][A-Za-z0-9+/_.\-]{22,512}[A-Za-z0-9+/_\-]={0,2}(?![A-Za-z0-9_\-+/=@])"
)
_HEXADECIMAL = re.compile(r"(?<![A-Za-z0-9_\-])[0-9a-fA-F]{24,128}(?![A-Za-z0-9_\-])")
_OF_KEYS = re.compile(
    r"key|token|secret|auth|password|credential|\bsid\b|api|access|appid|密钥|秘钥|令牌|口令|密码|签名|凭证",
    re.IGNORECASE,
)
_NEAR = 40
"""Characters before a row of hexadecimal digits in which a word may say that it is a key and no hash of a file."""
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s:,\-]{0,10000}?"
    r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----|$)"
)
_USERINFO = re.compile(r"(?<=://)[^\s/@:]{0,128}:[^\s/@]{1,256}(?=@)")
_BEARER = re.compile(r"\b(?:Bearer|Basic)\s+([A-Za-z0-9._~+/\-]{16,4000}=*)", re.IGNORECASE)

_SESSION = (
    re.compile(  # what a browser shows to be somebody; the word is said of much else, so the value must be random
        r"(?i:sess(?:ion)?|\bsid|csrf|xsrf|remember|jsession|cookie|ticket|nonce|\bjwt|\bauth)[A-Za-z_\-]{0,16}[\"']?"
        r"\s?[=:]\s?[\"']?([A-Za-z0-9._%+/\-]{16,512}={0,2})"
    )
)
_COOKIES = re.compile(r"\bcookie:\s([^\n]{8,4000})", re.IGNORECASE)
_COOKIE = re.compile(r"=([A-Za-z0-9._%+/\-]{16,512}={0,2})")
_LINE_OF_COMMAND = re.compile(  # curl -u name:password; mysql --password=...
    r"(?<!\S)(?:-u|--(?:proxy-)?user)[ =]['\"]?[^\s:'\"]{1,64}:([^\s'\"]{3,128})"
    r"|(?<!\S)--?(?:password|passwd|pass|token|secret|api-?key|access-?key)[ =]['\"]?(?![<$\-{*])([^\s'\"]{4,128})"
)
_AFTER_NAME = re.compile(  # "login: jo / Secret9"
    r"(?:\blog-?ins?|\bcredentials?|\bcreds?|\blogged in with|\busername|账号|用户名)[\s:：]{0,3}"
    r"(?:is|are|was|were|=|是)?\s?"
    r"[\w.@\-]{2,40}\s?[/|,]\s?([^\s/]{4,64})",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"\b(?:pass[ \-]?phrase|(?:seed|recovery|backup|mnemonic|secret)[ \-](?:phrase|words?)|mnemonic|助记词)s?\b"
    r"\W{0,4}(?:(?:is|was|are)\W{1,3})?"
    r"(?:[\"“']([^\"”'\n]{8,256})[\"”']|((?:[a-z]{3,8}[ ,]{1,2}){11,23}[a-z]{3,8}))",
    re.IGNORECASE,
)
_IN_TWO_GROUPS = re.compile(  # a code of one use, as telephones show it
    r"(?:\botp\b|\bpasscode"
    r"|\b(?:2fa|verification|security|login|sms|one-time|confirmation|auth(?:entication)?) (?:code|pin|password)"
    r"|验证码|动态码|校验码)(?:\s?(?:was|is|are|[:：是为]))?\s?(\d{3}[ \-]\d{3,4}|\d{2} \d{2} \d{2}|\d{4} \d{4})(?!\d)",
    re.IGNORECASE | re.ASCII,
)

_NAMES = (
    r"pass(?:[ \-]?(?:word|wd|phrase|code))?|pwd?|psw(?:d|rd)?|p/w|passwort|kennwort|contrase[ñn]a|clave|mot de passe"
    r"|senha|parola|пароль|auth(?:orization|entication)?|pin(?:[ \-]?(?:code|number))?|secret|otp"
    r"|(?:api|app|access|auth|secret|private|client|master|account|subscription|shared|encryption|signing)[ _\-]?"
    r"(?:key|token|secret)"
    r"|token|credentials?|(?:wi-?fi|security|verification|access|door|gate|login|sms|entry|alarm|lock|safe)"
    r"[ \-]?(?:code|key|combination)"
)
_CHINESE_NAMES = r"密码|口令|密钥|秘钥|密匙|令牌|验证码|校验码|动态码|提取码|解锁码|暗号"
_SHORT = re.compile(
    r"pass|pwd?$|psw|p/w|wort|contra|clave|senha|parola|пароль|pin|otp|code|密[码碼]|パス|비밀|口令|码|暗号",
    re.IGNORECASE,
)
"""Names of what may be a few digits; a token or a key is never."""
_OPEN = r"[^\s\u3000-\u303f\u4e00-\u9fff“”‘’\"'`&]|&(?!\w{1,20}=)"
_VALUE = rf"(?:\"([^\"\n]{{4,256}})\"|'([^'\n]{{4,256}})'|[“‘`「]?((?:{_OPEN}){{4,256}}))"
_NAME = rf"(?P<name>(?<![A-Za-z])(?:[A-Za-z0-9]{{1,16}}_){{0,4}}(?:{_NAMES})(?![A-Za-z])|{_CHINESE_NAMES})"
_ASSIGNED = re.compile(rf"{_NAME}[\"']?\s{{0,3}}(?:[=:：]{{1,2}}|->|→|=>)\s{{0,3}}{_VALUE}", re.IGNORECASE)
_SAID = re.compile(
    rf"{_NAME}(?:\s[A-Za-z]{{1,12}}){{0,3}}\s{{0,3}}(?:'s|\u2019s|\b(?:is|was|are|to)\b|是|为|叫|(?:改|设|换)[成为]了?)\s{{0,3}}[:：]?\s?"
    rf"{_VALUE}",
    re.IGNORECASE,
)
_BESIDE = re.compile(rf"{_NAME}\s{{0,2}}{_VALUE}", re.IGNORECASE)
"""With nothing between: only what no word looks like."""


def secrets(text: str) -> Iterator[Finding]:
    """Keys, tokens, private keys, passwords in addresses, and values that are called a password, a token, a key."""
    for pattern in (_KEY, _HOOK, _PEM, _USERINFO):
        yield from (Finding(*match.span(), "KEY") for match in pattern.finditer(text))
    for pattern in (_BEARER, _LINE_OF_COMMAND, _PHRASE, _IN_TWO_GROUPS):
        yield from (Finding(*match.span(match.lastindex or 0), "KEY") for match in pattern.finditer(text))
    yield from _sessions(text)
    for match in _AFTER_NAME.finditer(text):
        value = _without_ending(match[1])
        if _looks_random(value, short=True) and not value.isdigit():
            yield Finding(match.start(1), match.start(1) + len(value), "KEY")
    yield from _random(text)
    for pattern in (_ASSIGNED, _SAID, _BESIDE):
        for match in pattern.finditer(text):
            place = max(each for each in (2, 3, 4) if match[each] is not None)
            value = _without_ending(match[place]) if place == 4 else match[place]
            looks = _looks_random if pattern is _BESIDE else _looks_secret
            if looks(value, short=bool(_SHORT.search(match["name"]))):
                start = match.start(place)
                yield Finding(start, start + len(value), "KEY")


def _sessions(text: str) -> Iterator[Finding]:
    """What stands for somebody's login in a cookie, a header, a form."""
    for match in _SESSION.finditer(text):
        if _mixes(match[1], capitals=0):
            yield Finding(*match.span(1), "KEY")
    for cookies in _COOKIES.finditer(text):
        for match in _COOKIE.finditer(text, *cookies.span(1)):
            if _mixes(match[1], capitals=0):
                yield Finding(*match.span(1), "KEY")


def _random(text: str) -> Iterator[Finding]:
    """Long rows of letters and digits that nobody says: behind a maker's letters, of mixed case, or called a key."""
    for match in _PREFIXED.finditer(text):
        if _mixes(match[1], capitals=0):
            yield Finding(match.start(), match.end(), "KEY")
    for match in _RANDOM.finditer(text):
        if _mixes(match[0], capitals=3) and match[0].count("/") <= 4:
            yield Finding(match.start(), match.end(), "KEY")
    for match in _HEXADECIMAL.finditer(text):
        if _OF_KEYS.search(text, max(0, match.start() - _NEAR), match.start()):
            yield Finding(match.start(), match.end(), "KEY")


def _mixes(value: str, *, capitals: int) -> bool:
    """Whether digits stand among the letters of a value, as in no word, date or path."""
    letters = [each for each in value if each.isalpha()]
    upper = sum(map(str.isupper, letters))
    digits = sum(map(str.isdigit, value))
    turns = sum(one.isdigit() != two.isdigit() for one, two in pairwise(value))
    mixed = upper >= capitals and len(letters) - upper >= capitals
    return digits >= 3 and len(letters) >= 4 and turns >= 5 and mixed


def _without_ending(value: str) -> str:
    """A value without the marks of the sentence or the code it stands in: a full stop, a bracket it did not open."""
    while value[-1:] in {".", ",", ";", ")", "}", "]"}:
        opening = {")": "(", "}": "{", "]": "["}.get(value[-1])
        if opening and opening in value:
            break
        value = value[:-1]
    return value


def _looks_secret(value: str, *, short: bool) -> bool:
    """Whether a value is no ordinary word: it mixes kinds of characters, or has a digit."""
    if not value.isascii() or "://" in value or (value.isdigit() and not short):
        return False
    inner = value.strip(".!?:")
    digits, letters = any(map(str.isdigit, inner)), any(map(str.isalpha, inner))
    marks = any(not each.isalnum() and each not in "-_'." for each in inner)
    return len(inner) >= 4 and (digits or (marks and letters))


def _looks_random(value: str, *, short: bool) -> bool:
    """Whether a value stands out even with no "is" before it: letters with digits and marks, or a few digits alone."""
    inner = value.strip(".!?:,;()")
    if not inner.isascii() or "://" in inner:
        return False
    kinds = [any(map(kind, inner)) for kind in (str.isdigit, str.islower, str.isupper, _is_mark)]
    return (
        (short and inner.isdigit() and 4 <= len(inner) <= 12)
        or (short and len(inner) >= 6 and sum(map(str.isdigit, inner)) >= 2 and (kinds[1] or kinds[2]))
        or (kinds[0] and sum(kinds) >= 3 and len(inner) >= 6)
        or (len(inner) >= 16 and _mixes(inner, capitals=0))
    )


def _is_mark(character: str) -> bool:
    return not character.isalnum() and character not in "-_'./,"
