"""Rules for secrets: keys and tokens in the forms their makers give them, and what stands behind "password:"."""

from __future__ import annotations

import re
from collections.abc import Iterator

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
    r"xox[abeoprs]-[A-Za-z0-9\-]{10,250}",
    r"hf_[A-Za-z0-9]{20,100}",
    r"npm_[A-Za-z0-9]{30,60}",
    r"pypi-[A-Za-z0-9_\-]{16,250}",
    r"SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{32,64}",
    r"LTAI[A-Za-z0-9]{12,30}",
    r"eyJ[A-Za-z0-9_\-]{8,4000}\.eyJ[A-Za-z0-9_\-]{4,4000}(?:\.[A-Za-z0-9_\-]{0,2000})?",
)
_KEY = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(_FORMS)})(?![A-Za-z0-9_])")
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s:,\-]{0,10000}?"
    r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----|$)"
)
_USERINFO = re.compile(r"(?<=://)[^\s/@:]{1,128}:[^\s/@]{1,256}(?=@)")
_BEARER = re.compile(r"\b(?:Bearer|Basic)\s+([A-Za-z0-9._~+/\-]{16,4000}=*)", re.IGNORECASE)

_NAMES = (
    r"pass(?:word|wd|phrase|code)?|pwd|pin(?: code)?|secret"
    r"|(?:api|access|auth|secret|private|client)[ _\-]?(?:key|token|secret)"
    r"|token|credential|密码|口令|密钥|秘钥|令牌|验证码"
)
_OPEN = r"[^\s\u3000-\u303f\u4e00-\u9fff“”‘’\"'`&]|&(?!\w{1,20}=)"
_VALUE = rf"(?:\"([^\"\n]{{4,256}})\"|'([^'\n]{{4,256}})'|[“‘`]?((?:{_OPEN}){{4,256}}))"
_ASSIGNED = re.compile(
    rf"(?<![A-Za-z])(?:\w{{0,32}}_)?(?:{_NAMES})(?![A-Za-z])[\"']?\s{{0,3}}[=:：]{{1,2}}\s{{0,3}}{_VALUE}",
    re.IGNORECASE,
)
_SAID = re.compile(
    rf"(?<![A-Za-z])(?:{_NAMES})(?![A-Za-z])(?:\s[A-Za-z]{{1,12}}){{0,3}}\s{{0,3}}(?:is|was|are|是|为|(?:改|设|换)[成为]了?)\s{{0,3}}[:：]?\s?{_VALUE}",
    re.IGNORECASE,
)


def secrets(text: str) -> Iterator[Finding]:
    """Keys, tokens, private keys, passwords in addresses, and values that are called a password, a token, a key."""
    for pattern in (_KEY, _PEM, _USERINFO):
        yield from (Finding(*match.span(), "KEY") for match in pattern.finditer(text))
    yield from (Finding(*match.span(1), "KEY") for match in _BEARER.finditer(text))
    for pattern in (_ASSIGNED, _SAID):
        for match in pattern.finditer(text):
            quoted = match.lastindex != 3
            value = match[match.lastindex or 0]
            value = value if quoted else _without_ending(value)
            start = match.start(match.lastindex or 0)
            if _looks_secret(value):
                yield Finding(start, start + len(value), "KEY")


def _without_ending(value: str) -> str:
    """A value without the marks of the sentence or the code it stands in: a full stop, a bracket it did not open."""
    while value[-1:] in {".", ",", ";", ")", "}", "]"}:
        opening = {")": "(", "}": "{", "]": "["}.get(value[-1])
        if opening and opening in value:
            break
        value = value[:-1]
    return value


def _looks_secret(value: str) -> bool:
    """Whether a value is no ordinary word: it mixes kinds of characters, or has a digit."""
    if not value.isascii() or "://" in value:
        return False
    inner = value.strip(".!?:")
    digits, letters = any(map(str.isdigit, inner)), any(map(str.isalpha, inner))
    marks = any(not each.isalnum() and each not in "-_'." for each in inner)
    return len(inner) >= 4 and (digits or (marks and letters))
