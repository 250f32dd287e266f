"""Rules for keys and tokens: in the forms their makers give them, and by how random they look."""

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
    # others that begin with their maker's letters
    r"(?:dckr_pat_|do[opr]_v1_|hvs\.|hvb\.|shp(?:at|ss|ca|pa)_|lin_api_|gsk_|pplx-|xai-|nvapi-|r8_|tskey-|sntrys_|ph[cx]_"
    r"|figd_|ntn_|secret_|glsa_|glc_|sbp_|CCIPAT_|PMAK-|NRAK-|ATATT|ATCTT|EAA[A-Z]|1//0|AQVN|rubygems_|fio-u-|lsv2_)"
    r"[A-Za-z0-9_\-.=]{20,400}",
    r"[A-Z]{4}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
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
    r"(?<![A-Za-z0-9_\-+/=.@])[A-Za-z0-9_\-][A-Za-z0-9+/_.\-]{22,512}[A-Za-z0-9+/_\-]={0,2}(?![A-Za-z0-9_\-+/=@])"
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


def keys(text: str) -> Iterator[Finding]:
    """Keys and tokens by their form, private keys, passwords in addresses."""
    for pattern in (_KEY, _HOOK, _PEM, _USERINFO):
        yield from (Finding(*match.span(), "KEY") for match in pattern.finditer(text))
    yield from (Finding(*match.span(1), "KEY") for match in _BEARER.finditer(text))
    for match in _PREFIXED.finditer(text):
        if mixes(match[1], capitals=0):
            yield Finding(match.start(), match.end(), "KEY")
    for match in _RANDOM.finditer(text):
        if mixes(match[0], capitals=3) and match[0].count("/") <= 4:
            yield Finding(match.start(), match.end(), "KEY")
    for match in _HEXADECIMAL.finditer(text):
        if _OF_KEYS.search(text, max(0, match.start() - _NEAR), match.start()):
            yield Finding(match.start(), match.end(), "KEY")


def mixes(value: str, *, capitals: int) -> bool:
    """Whether digits stand among the letters of a value, as in no word, date or path."""
    letters = [each for each in value if each.isalpha()]
    upper = sum(map(str.isupper, letters))
    digits = sum(map(str.isdigit, value))
    turns = sum(one.isdigit() != two.isdigit() for one, two in pairwise(value))
    mixed = upper >= capitals and len(letters) - upper >= capitals
    return digits >= 3 and len(letters) >= 4 and turns >= 5 and mixed
