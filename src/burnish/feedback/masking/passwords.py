"""Rules for secrets that words give away: what is called a password, stands in a cookie or on a line of command."""

from __future__ import annotations

import re
from collections.abc import Iterator

from burnish.feedback.masking.findings import Finding
from burnish.feedback.masking.keys import mixes

_SESSION = re.compile(  # what a browser shows to be somebody; said of much else, so the value must be random
    r"(?i:sess(?:ion)?|\bsid|csrf|xsrf|remember|jsession|cookie|ticket|nonce|\bkey|\bapikey|\bjwt|\bauth)[A-Za-z_\-]{0,16}[\"']?"
    r"\s?[=:]\s?[\"']?([A-Za-z0-9._%+/\-]{16,512}={0,2})"
)
_COOKIES = re.compile(r"\bcookie:\s([^\n]{8,4000})", re.IGNORECASE)
_COOKIE = re.compile(r"=([A-Za-z0-9._%+/\-]{16,512}={0,2})")
_LINE_OF_COMMAND = re.compile(  # curl -u name:password; mysql --password=...
    r"(?<!\S)(?:-u|--(?:proxy-)?user)[ =]['\"]?[^\s:'\"]{1,64}:([^\s'\"]{3,128})"
    r"|(?<!\S)--?(?:password|passwd|pass|token|secret|api-?key|access-?key)[ =]['\"]?(?![<$\-{*])([^\s'\"]{4,128})"
)
_AFTER_NAME = re.compile(  # "login: jo / Secret9"
    r"(?:\blog-?ins?|\bcredentials?|\bcreds?|\blogged in with|\bwi-?fi|\brouter|\busername|账号|用户名)[\s:：]{0,3}"
    r"(?:is|are|was|were|=|是)?\s?"
    r"[\w.@\-]{2,40}(?:\s?[/|,]\s?|:)([^\s/]{4,64})",
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

_CODES_TO_RECOVER = re.compile(
    r"\b(?:recovery|backup|scratch|emergency|one-time) (?:codes?|keys?)\b[^\w\n]{1,4}(?:(?:is|are)\s)?"
    r"((?:[a-z0-9]{4,12}(?:-[a-z0-9]{4,12}){0,5}[ ,;\n]{1,2}){0,15}[a-z0-9]{4,12}(?:-[a-z0-9]{4,12}){0,5})",
    re.IGNORECASE,
)
_BASE32 = re.compile(  # what a second factor is set up with
    r"\b(?:2fa|totp|authenticator|second factor|mfa|secret)\b[^\n]{0,20}?"
    r"(?-i:\b((?:[A-Z2-7]{4}[ \-]?){4,16}(?![A-Za-z0-9])))",
    re.IGNORECASE,
)
_NAMED_BEHIND = re.compile(  # "I use Secret9! as my password", Secret9!是我的密码
    r"(?:(?:\bus(?:e|es|ed|ing)|\btyped?|\bentered|\bput|用|输入?)\s?[\"'“]?([\x21-\x7e]{4,64}?)[\"'”]?"
    r"\s?(?:\bas\b|\bfor\b|作为?|当作?|做)\s?(?:(?:my|the|our|his|her|their|a)\s)?(?:\w{1,12}\s){0,2}?"
    r"|(?<![\x21-\x7e])[\"'“]?([\x21-\x7e]{4,64}?)[\"'”]?\s?(?:\b(?:is|was)\s(?:my|our|the|his|her|their)\s(?:\w{1,12}\s){0,2}?|是[我他她]?的?))"
    r"(?:pass(?:word|code|phrase)|pwd?|pin\b|密码|口令)",
    re.IGNORECASE,
)

_NAMES = (
    r"pass(?:[ \-]?(?:word|wd|phrase|code))?|p[a@4][s$5]{2}[ \-]?w[o0]rd"
    r"|pwd?|psw(?:d|rd)?|p/w|passwort|kennwort|contrase[ñn]a|clave|mot de passe"
    r"|senha|parola|пароль|auth(?:orization|entication)?|pin(?:[ \-]?(?:code|number))?|secret|otp"
    r"|(?:api|app|access|auth|secret|private|client|master|account|subscription|shared|encryption|signing)[ _\-]?"
    r"(?:key|token|secret)"
    r"|token|credentials?|(?:wi-?fi|security|verification|access|door|gate|login|sms|entry|alarm|lock|safe)"
    r"[ \-]?(?:code|key|combination)"
)
_CHINESE_NAMES = r"密码|口令|密钥|秘钥|密匙|令牌|验证码|校验码|动态码|提取码|解锁码|暗号"
_SHORT = re.compile(
    r"pass|w[o0]rd|pwd?$|psw|p/w|wort|contra|clave|senha|parola|пароль|pin|otp|code|密[码碼]|パス|비밀|口令|码|暗号",
    re.IGNORECASE,
)
"""Names of what may be a few digits; a token or a key is never."""
_OPEN = r"[^\s\u3000-\u303f\u4e00-\u9fff“”‘’\"'`&]|&(?!\w{1,20}=)"
_VALUE = rf"(?:\"([^\"\n]{{4,256}})\"|'([^'\n]{{4,256}})'|[“‘`「]?((?:{_OPEN}){{4,256}}))"
_NAME = rf"(?P<name>(?<![A-Za-z])(?:[A-Za-z0-9]{{1,16}}_){{0,4}}(?:{_NAMES})(?![A-Za-z])|{_CHINESE_NAMES})"
_ASSIGNED = re.compile(rf"{_NAME}[\"']?\s{{0,3}}(?:[=:：]{{1,2}}|->|→|=>)\s{{0,3}}{_VALUE}", re.IGNORECASE)
_ASSIGNED_LATER = re.compile(rf"{_NAME}(?:,?\s[A-Za-z]{{1,12}}){{1,4}}:\s?\"([^\"\n]{{4,64}})\"", re.IGNORECASE)
_SAID = re.compile(
    rf"{_NAME}(?:\s[A-Za-z]{{1,12}}){{0,3}}\s{{0,3}}(?:'s|\u2019s|\b(?:is|was|are|to)\b(?:\s(?:still|now|just|always|currently|only|simply|literally))?"
    rf"|[就还]?是|一直是|为|叫|(?:改|设|换)[成为]了?)\s{{0,3}}[:：]?\s?"
    rf"{_VALUE}",
    re.IGNORECASE,
)
_STANDS_FOR_ONE = re.compile(  # a variable, a call, "<your key here>"
    r"\$\{?[A-Z_]{3,40}\}?|%[A-Z_]{3,40}%|\{\{.*\}\}|<.*>|[a-z_][\w.]{2,60}\((?:[^()]*\))?|[xX*•.]+"
)
_BESIDE = re.compile(rf"{_NAME}\s{{0,2}}{_VALUE}", re.IGNORECASE)
"""With nothing between: only what no word looks like."""


def passwords(text: str) -> Iterator[Finding]:
    """Values that are called a password, a token, a key, and what stands for somebody's login."""
    for pattern in (_LINE_OF_COMMAND, _PHRASE, _IN_TWO_GROUPS):
        yield from (Finding(*match.span(match.lastindex or 0), "KEY") for match in pattern.finditer(text))
    yield from _sessions(text)
    for match in _CODES_TO_RECOVER.finditer(text):
        if sum(map(str.isdigit, match[1])) >= 4:
            yield Finding(*match.span(1), "KEY")
    yield from (Finding(*match.span(1), "KEY") for match in _BASE32.finditer(text) if re.search("[2-7]", match[1]))
    for match in _NAMED_BEHIND.finditer(text):
        if _looks_secret(match[match.lastindex or 0], short=True):
            yield Finding(*match.span(match.lastindex or 0), "KEY")
    for match in _AFTER_NAME.finditer(text):
        value = _without_ending(match[1])
        if _looks_random(value, short=True) and not value.isdigit():
            yield Finding(match.start(1), match.start(1) + len(value), "KEY")
    for match in _ASSIGNED_LATER.finditer(text):
        if _looks_secret(match[2], short=True):
            yield Finding(*match.span(2), "KEY")
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
        if mixes(match[1], capitals=0):
            yield Finding(*match.span(1), "KEY")
    for cookies in _COOKIES.finditer(text):
        for match in _COOKIE.finditer(text, *cookies.span(1)):
            if mixes(match[1], capitals=0):
                yield Finding(*match.span(1), "KEY")


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
    if not value.isascii() or "://" in value or (value.isdigit() and not short) or _STANDS_FOR_ONE.fullmatch(value):
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
        or (len(inner) >= 16 and mixes(inner, capitals=0))
    )


def _is_mark(character: str) -> bool:
    return not character.isalnum() and character not in "-_'./,"
