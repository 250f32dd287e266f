"""Rules for numbers that stand for a person: cards, bank accounts, national ids, passports, wallets, plates, birthdays.

A number with check digits is taken where they are right; a number without needs a word beside it that says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from burnish.feedback.masking import checksums
from burnish.feedback.masking.findings import Finding

_ALONE = r"(?<![\w.\-+/])"
_DONE = r"(?![\w\-/]|\.\d)"

_CARD = re.compile(r"(?<![\w.+/#])\d(?:[ .\-]?\d){11,18}(?!\w|[.\-]\d)", re.ASCII)
_CARD_NAMED = re.compile(r"card|visa|卡", re.IGNORECASE)
_NAMED_IBAN = re.compile(r"(?i:\biban\b)[:\s]{1,4}(?:is\s)?([A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8})(?![A-Za-z0-9])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[ \-]?\d{2}(?:[ \-]?[A-Za-z0-9]){11,30}")

_CHINESE_ID = re.compile(
    r"(?<![\dA-Za-z.\-])[1-9]\d{5}[ \-]?(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])"
    r"(?:0[1-9]|[12]\d|3[01])[ \-]?\d{3}[\dXx](?!\w)",
    re.ASCII,
)
_PROVINCES = frozenset(
    [
        "11",
        "12",
        "13",
        "14",
        "15",
        "21",
        "22",
        "23",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "50",
        "51",
        "52",
        "53",
        "54",
        "61",
        "62",
        "63",
        "64",
        "65",
        "71",
        "81",
        "82",
    ]
)
"""How a Chinese id begins. With that and a birthday, one wrong digit is a slip of the pen and no other number."""
_SSN = re.compile(rf"{_ALONE}\d{{3}}([ \-])\d{{2}}\1\d{{4}}{_DONE}", re.ASCII)

_Check = Callable[[str], bool]
_IDS: tuple[tuple[str, _Check | None], ...] = (
    # United Kingdom: prefixes that are never given are left out
    (r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ ]?\d{2}[ ]?\d{2}[ ]?\d{2}[ ]?[A-D]", None),
    (r"(?:\d{8}|[XYZ][\-]?\d{7})[\-]?[A-HJ-NP-TV-Z]", checksums.spanish_dni),
    (r"\d{3}\.\d{3}\.\d{3}-\d{2}", checksums.brazilian_cpf),
    (r"[2-9]\d{3}([ \-])\d{4}\1\d{4}", checksums.aadhaar),
    (r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", None),  # Italy
    (r"[A-Z]{1,2}\d{6}\([0-9A]\)", checksums.hong_kong_id),
    (r"[STFGM]\d{7}[A-Z]", checksums.singapore_nric),
    (r"[A-Z][12]\d{8}", checksums.taiwan_id),
    (r"[12][ ]?\d{2}[ ]?(?:0[1-9]|1[0-2]|[2-9]\d)[ ]?(?:\d{2}|2A|2B)[ ]?\d{3}[ ]?\d{3}[ ]?\d{2}", checksums.french_nir),
    (r"\d{3}[ \-]\d{3}[ \-]\d{3}", checksums.luhn),  # Canada
)
_NATIONAL = tuple((re.compile(rf"{_ALONE}{pattern}{_DONE}", re.ASCII), check) for pattern, check in _IDS)

_NAMED_ID = re.compile(
    r"(?i:\bssn\b|social security|\bsin\b|national id|national insurance|\bnino\b|tax id|steuer-?id\w*|\bcpf\b|aadhaar"
    r"|aadhar|\bdni\b|\bnie\b|\bnir\b|driver'?s licen[cs]e|identity (?:card|number)|id number"
    r"|身份证|证件|居民证|驾驶证)"
    r"[^\d\n]{0,24}?((?:[A-Z]{1,2}[ \-]?)?\d(?:[ .\-]?\d){5,19}(?:[ \-]?[A-Z](?![a-z]))?)(?!\w)",
    re.ASCII,
)
_PASSPORT = re.compile(
    r"(?i:passport|reisepass|passeport|pasaporte|护照|通行证)[^\d\n。]{0,24}?"
    r"((?<![A-Za-z])[A-Z]{0,2}\d{6,9})(?![A-Za-z0-9])",
    re.ASCII,
)
_ACCOUNT = re.compile(
    r"(?:account (?:number|no\.?|#)|acct\.?(?: no\.?)?|routing number|sort code|bank account"
    r"|card (?:number|no\.?)|账号|帐号|账户|卡号)"
    r"[^\d\n。]{0,16}?(\d(?:[ \-]?\d){5,20})(?!\w)",
    re.IGNORECASE | re.ASCII,
)
_WALLET = re.compile(
    r"(?<![A-Za-z0-9])(?:0x[0-9a-fA-F]{40}|bc1[02-9ac-hj-np-z]{25,62}|[13][1-9A-HJ-NP-Za-km-z]{25,34})(?![A-Za-z0-9])"
)
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]"
    r"[A-Z][\u00b7\u30fb.\- ]?(?=[A-Z0-9]{0,5}\d)[A-HJ-NP-Z0-9]{5,6}(?![A-Za-z0-9])"
)
_NAMED_PLATE = re.compile(
    r"(?i:licen[cs]e plate|number plate|plate (?:number|no\.?)|kennzeichen|plaque|matr[ií]cula"
    r"|车牌(?:号码?)?)[:\s]{0,3}(?:is\s)?"
    r"((?=[A-Z0-9 \-]{0,7}\d)[A-Z0-9]{1,4}[ \-]?[A-Z0-9]{1,5}(?:[ \-]?[A-Z0-9]{1,4})?)(?![A-Za-z0-9])",
    re.ASCII,
)
_MONTHS = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DATE = (
    r"(?:\d{4}\s?[年/.\-]\s?\d{1,2}\s?[月/.\-]\s?\d{1,2}日?|\d{1,2}[/.\-]\d{1,2}[/.\-]\d{2,4}"
    rf"|{_MONTHS}\s\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}}|\d{{1,2}}(?:st|nd|rd|th)?\s{_MONTHS},?\s\d{{4}})"
)
_BORN = re.compile(
    rf"(?:\bdob\b|date of birth|birth ?date|birthday|\bborn(?: on)?|geboren am"
    rf"|出生日期|出生于|生于|生日)[^\d\n。]{{0,8}}?({_DATE})",
    re.IGNORECASE,
)
_BORN_BEFORE = re.compile(rf"({_DATE})\s?(?:出生|生人)")


def payments(text: str) -> Iterator[Finding]:
    """Cards, IBANs and named account numbers, and wallets of crypto-currencies."""
    for match in _CARD.finditer(text):
        digits = _plain(match[0])
        old_visa = len(digits) == 13 and digits[0] == "4" and checksums.luhn(digits)  # or an EAN code
        named = old_visa and _CARD_NAMED.search(text, max(0, match.start() - 24), match.start())
        if checksums.card(digits) or named:
            yield Finding(match.start(), match.end(), "CARD")
    for match in _IBAN.finditer(text):
        if length := _iban_length(match[0]):
            yield Finding(match.start(), match.start() + length, "IBAN")
    yield from (Finding(*match.span(1), "IBAN") for match in _NAMED_IBAN.finditer(text))
    yield from (Finding(*match.span(1), "ACCOUNT") for match in _ACCOUNT.finditer(text))
    for match in _WALLET.finditer(text):
        if match[0][0] not in "13" or checksums.bitcoin(match[0]):
            yield Finding(match.start(), match.end(), "WALLET")


def identities(text: str) -> Iterator[Finding]:
    """National ids of a dozen countries, passports, and ids that a word names."""
    for match in _CHINESE_ID.finditer(text):
        number = _plain(match[0])
        if checksums.chinese_id(number) or number[:2] in _PROVINCES:
            yield Finding(match.start(), match.end(), "NATIONAL_ID")
    for match in _SSN.finditer(text):
        if checksums.us_ssn(_plain(match[0])):
            yield Finding(match.start(), match.end(), "NATIONAL_ID")
    for pattern, check in _NATIONAL:
        for match in pattern.finditer(text):
            if check is None or check(_plain(match[0])):
                yield Finding(match.start(), match.end(), "NATIONAL_ID")
    yield from (Finding(*match.span(1), "NATIONAL_ID") for match in _NAMED_ID.finditer(text))
    yield from (Finding(*match.span(1), "PASSPORT") for match in _PASSPORT.finditer(text))


def others(text: str) -> Iterator[Finding]:
    """Number plates, and dates that somebody was born on."""
    yield from (Finding(*match.span(), "PLATE") for match in _PLATE.finditer(text))
    yield from (Finding(*match.span(1), "PLATE") for match in _NAMED_PLATE.finditer(text))
    for pattern in (_BORN, _BORN_BEFORE):
        yield from (Finding(*match.span(1), "BIRTH_DATE") for match in pattern.finditer(text))


def _plain(number: str) -> str:
    """A number without separators, letters in capitals."""
    return "".join(each for each in number if each.isalnum()).upper()


def _iban_length(found: str) -> int:
    """How many characters of a text that begins like an IBAN are one; 0 for none."""
    wanted = checksums.IBAN_LENGTHS.get(found[:2].upper(), 0)
    seen = 0
    for place, each in enumerate(found, 1):
        seen += each.isalnum()
        if wanted and seen == wanted:
            return place if checksums.iban(_plain(found[:place])) else 0
    return 0
