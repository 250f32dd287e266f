"""Rules for numbers that stand for a person or their money: cards, bank accounts, wallets, plates, birthdays.

A number with check digits is taken where they are right; a number without needs a word beside it that says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from burnish.feedback.masking import checksums
from burnish.feedback.masking.findings import Finding
from burnish.feedback.masking.reading import bare

_GROUPED = re.compile(r"(?<![A-Za-z0-9.+])\d(?:[ .\-/_,|\u00b7\u2022]{0,3}\d){11,39}(?![A-Za-z0-9]|[.\-]\d)", re.ASCII)
_FOURS = re.compile(
    r"(?<!\d)(?<!\d[.\-])\d{4}([ \-])\d{4}\1\d{4}\1\d{4}(?![\d])", re.ASCII
)  # even close behind a letter
_SECURITY_CODE = re.compile(
    r"\b(?:cvv2?|cvc2?|csc|cvn)\b\D{0,6}?(\d{3,4})(?!\d)|安全码\D{0,4}?(\d{3,4})(?!\d)", re.IGNORECASE
)
_CALLED_CARD = re.compile(  # with a slip of the pen it is still somebody's
    r"(?:card|visa|卡)(?:\s?(?:number|no\.?|#|号码?))?[\s:：#]{0,3}(?:is\s|是)?"
    r"(\d{4}(?:[ .\-]?\d{4}){3}(?:[ .\-]?\d{1,3})?)(?![\d\w])",
    re.IGNORECASE | re.ASCII,
)
_CARD_NAMED = re.compile(
    r"card|visa|maestro|master|debit|credit|\bcc\b|charge|\bpaid\b|\bpay\b|卡|付款|付的款|支付|刷", re.IGNORECASE
)
_NAMED_IBAN = re.compile(r"(?i:\biban\b)[:\s]{1,4}(?:is\s)?([A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8})(?![A-Za-z0-9])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z] ?[A-Za-z][ .\-]?\d ?\d(?:[ .\-/_\u00b7]{0,3}[A-Za-z0-9]){11,30}")

_ACCOUNT = re.compile(
    r"(?:account (?:number|no\.?|#)|acct\.?(?: no\.?)?|\brouting(?: number| no\.?)?|\baba\b|sort code|bank account"
    r"|card (?:number|no\.?)|账号|帐号|账户|卡号)"
    r"[^\d\n。]{0,16}?(\d(?:[ \-]?\d){5,20})(?!\w)|\baccount\s(\d(?:[ \-]?\d){7,20})(?!\w)",
    re.IGNORECASE | re.ASCII,
)
_WALLET = re.compile(
    r"(?<![A-Za-z0-9])(?:0x[0-9a-fA-F]{40}|bc1[02-9ac-hj-np-z]{25,62}|[13LDTMmn2][1-9A-HJ-NP-Za-km-z]{25,34})(?![A-Za-z0-9])"
)
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]"
    r"[A-Z][\u00b7\u30fb.\- ]?(?=[A-Z0-9]{0,5}\d)[A-HJ-NP-Z0-9]{5,6}(?![A-Za-z0-9])"
)
_SIGN = r"A-Z\u00c0-\u00de\u0410-\u042f"
_NAMED_PLATE = re.compile(
    r"(?:(?i:licen[cs]e plate|number plate|plate (?:number|no\.?)|registration (?:number|no\.?|plate)|kennzeichen"
    r"|plaque|matr[ií]cula|targa|车牌(?:号码?)?)[:\s]{0,3}(?:is\s)?"
    # so called it has a letter at least
    rf"|(?i:\bplates?|\breg(?:istration)?)[:\s]{{0,3}}(?:is\s)?(?=[0-9 \-]{{0,6}}[{_SIGN}]))"
    rf"((?=[{_SIGN}0-9 \-]{{0,7}}\d)[{_SIGN}0-9]{{1,5}}(?:[ \-]?[{_SIGN}0-9]{{1,5}}){{0,3}})"
    rf"(?![{_SIGN}a-z0-9])"
)
_MONTHS = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DATE = (
    r"(?:\d{4}\s?[年/.\-]\s?\d{1,2}\s?[月/.\-]\s?\d{1,2}日?|\d{1,2}[/.\-]\d{1,2}[/.\-]\d{2,4}"
    rf"|{_MONTHS}\s\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}}|\d{{1,2}}(?:st|nd|rd|th)?\s{_MONTHS},?\s\d{{4}})"
)
_BORN = re.compile(
    rf"(?:\bdob\b|\bd\.\s?o\.\s?b\.?|date of birth|birth ?date|birthday|\bborn(?: on)?|geboren am"
    rf"|出生日期|出生于|生于|生日)[^\d\n。]{{0,8}}?({_DATE})",
    re.IGNORECASE,
)
_BORN_BEFORE = re.compile(rf"({_DATE})\s?(?:出生|生人)")


def payments(text: str) -> Iterator[Finding]:
    """Cards, IBANs and named account numbers, and wallets of crypto-currencies."""
    for match in _GROUPED.finditer(text):
        # of 12 and 13 digits, cards are rare and the codes of goods common: a word has to say so
        named = _CARD_NAMED.search(text, max(0, match.start() - 24), min(len(text), match.end() + 12))
        for start, end in _cards(match[0], bool(named)):
            yield Finding(match.start() + start, match.start() + end, "CARD")
    yield from (Finding(*each.span(), "CARD") for each in _FOURS.finditer(text) if checksums.card(bare(each[0])))
    yield from (Finding(*match.span(1), "CARD") for match in _CALLED_CARD.finditer(text))
    for match in _SECURITY_CODE.finditer(text):
        yield Finding(*match.span(match.lastindex or 0), "CARD")
    for match in _IBAN.finditer(text):
        if length := _iban_length(match[0]):
            yield Finding(match.start(), match.start() + length, "IBAN")
    yield from (Finding(*match.span(1), "IBAN") for match in _NAMED_IBAN.finditer(text))
    yield from (Finding(*match.span(match.lastindex or 0), "ACCOUNT") for match in _ACCOUNT.finditer(text))
    for match in _WALLET.finditer(text):
        if match[0][:2] in ("0x", "bc") or checksums.base58(match[0]):
            yield Finding(match.start(), match.end(), "WALLET")


def others(text: str) -> Iterator[Finding]:
    """Number plates, and dates that somebody was born on."""
    yield from (Finding(*match.span(), "PLATE") for match in _PLATE.finditer(text))
    yield from (Finding(*match.span(1), "PLATE") for match in _NAMED_PLATE.finditer(text))
    for pattern in (_BORN, _BORN_BEFORE):
        yield from (Finding(*match.span(1), "BIRTH_DATE") for match in pattern.finditer(text))


def _cards(found: str, named: bool) -> Iterator[tuple[int, int]]:
    """Where in groups of digits a card stands: what follows it (a date, a code) may look like more of it."""
    places = [place for place, each in enumerate(found) if each.isdigit()]
    digits = "".join(found[place] for place in places)
    ends = [n for n in range(1, len(places) + 1) if n == len(places) or places[n] != places[n - 1] + 1]
    done = 0
    for first in (0, *ends[:-1]):
        fewest = 14 if first else 12  # behind other digits, only what is long; never the decimals of a number
        if first < done or (first and found[places[first] - 1] == "."):
            continue
        for last in reversed([end for end in ends if fewest <= end - first <= 19]):
            number = digits[first:last]
            if not named and _is_list(found[places[first] : places[last - 1] + 1]):
                continue
            if checksums.card(number) or (named and checksums.luhn(number)):
                yield places[first], places[last - 1] + 1
                done = last
                break


def _is_list(found: str) -> bool:
    """Whether these are numbers with commas between them, and no groups of one number, which are of one length."""
    groups = [len(each) for each in re.findall(r"\d+", found)]
    return "," in found and (min(groups[:-1], default=0) < 3 or len(set(groups[:-1])) > 1)


def _iban_length(found: str) -> int:
    """How many characters of a text that begins like an IBAN are one; 0 for none."""
    wanted = checksums.IBAN_LENGTHS.get(bare(found)[:2], 0)
    seen = 0
    for place, each in enumerate(found, 1):
        seen += each.isalnum()
        if wanted and seen == wanted:
            return place if _is_iban(found[:place]) else 0
    return 0


def _is_iban(found: str) -> bool:
    """Check digits that are right; where small letters stand in it, mostly digits: one in 97 sentences has them too."""
    small = any(map(str.islower, found))
    return checksums.iban(bare(found)) and (not small or 2 * sum(map(str.isdigit, found)) > len(bare(found)))
