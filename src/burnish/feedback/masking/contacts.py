"""Rules for how people and machines are reached: phone, messenger, IP and MAC addresses, coordinates.

Every pattern is bounded, so that no text can make it slow; lookarounds keep it from starting inside a longer number.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from burnish.feedback.masking.findings import Finding

_CALL = (
    r"(?:phone|\bph\b|\btele?\b|telefon\w*|t[ée]l[ée]fono?|telephone|\bmob(?:ile?|il(?:nummer|nr))?\b|\bcel(?:l|\b)|handy|m[óo]vil|celular|portable"
    r"|\bcall(?:ed|ing)?\b|\bdial\w*|\bfax|whats?app|viber|\brang\b|\bring\b|\brufen?\b|appel|llam|chiam|\btext\b|\bsms\b"
    r"|nummer|num[ée]ro|hotline|landline|contact|reach(?:ed)?\b|answer(?:s|ed|ing)?\b|pick(?:s|ed)? up"
    r"|messages? (?:to|at)|hit me up|\bhmu\b|\bbuzz\b|\bmy (?:no|num|nr|digits)\b|(?-i:\b[TPMF][:.])"
    r"|[\u260e\u2706\U0001f4de\U0001f4f1\U0001f4f2]"
    r"|registered|(?:my|his|her|our|their|your|shop|office|support|direct) (?:\w+ )?(?:number|line)|number is"
    r"|number['\u2019]s"
    r"|(?<!order )(?<!item )(?<!model )(?<!part )(?<!serial )(?<!invoice )(?<!case )(?<!ticket )"
    r"(?<!tracking )number:"
    r"|номер|\bтел|電話|手機|携帯|电话|手机|手提|座机|热线|联系|致电|来电|拨打|请打|请拨|[打拨呼]|号码|短信|客服)"  # noqa: RUF001 -- Russian
)
_NO_ORDER = r"(?:(?!order|ticket|invoice|parcel|订单|单号|快递|编号)[^\d+\n。；])"
_PHONES = (
    # with a country code: 8 to 15 digits in groups
    r"(?:\(?\+|(?<!\d)00)\s?\d{1,3}\)?(?:[ .\-/*_|~]{0,3}\(?\d{1,5}\)?){1,7}(?!\d)",
    # North America
    r"(?:1[ .\-])?\([2-9]\d{2}\)[ .\-]?\d{3}[ .\-]?\d{4}(?!\d)",
    r"(?:[78][ \-]?)?\(?9\d{2}\)?[ \-]\d{3}[ \-]\d{2}[ \-]\d{2}(?!\d)",  # Russia
    r"1[38]00[ \-]\d{3}[ \-]\d{3}(?!\d)",  # Australia, free of charge
    *(rf"(?:1{gap})?[2-9]\d{{2}}{gap}[2-9]\d{{2}}{gap}\d{{4}}(?![\d\-])" for gap in (" ", r"\.", "-", " - ")),
    r"[2-9]\d{2}/[2-9]\d{2}[\-/]\d{4}(?!\d)",
    r"[6-9]\d{4}[ \-]\d{5}(?!\d)|\d{2} 9?\d{4}-\d{4}(?!\d)",  # India, Brazil
    # China: mobile, landline, service numbers
    r"(?:86[ \-]?)?1[3-9]\d(?:[ .\-/\u00b7,、]{0,3}\d{4}){2}(?!\d)",
    r"1[ .\-][3-9](?:[ .\-]\d){9}(?![ .\-]?\d)",
    r"[48]00[ \-]\d{3}[ \-]\d{4}(?!\d)",
    # elsewhere: a leading 0 and groups, or an area code in brackets
    r"(?:[0178][ .\-]?)?\(0?\d{1,5}\)[ .\-/]{0,3}\d{2,8}(?:[ .\-]\d{2,5}){0,3}(?!\d)",
    r"0[1-9]\d{0,4}(?:[ .\-/]{1,3}\d{2,8}){1,4}(?!\d)",
    r"0[1-9]\d{8,9}(?!\d)",
)
_EXTENSION = r"(?:[\s,;(]{0,2}(?i:x|ext(?:n|ension)?\.?|转|分机|durchwahl|poste)\s?:?\s?\d{1,6}(?!\d))?"
_PHONE = re.compile(rf"(?<![A-Za-z0-9_.\-/+#])(?:{'|'.join(_PHONES)}){_EXTENSION}", re.ASCII)
_NO_PHONE = re.compile(  # dates and times, amounts
    r"(?:0?[1-9]|[12]\d|3[01])[ .\-/](?:0?[1-9]|1[0-2])[ .\-/](?:19|20)?\d{2}"
    r"|0\d[ .\-/]\d{2}(?:[ .\-/]\d{2}){0,2}|0\.\d+"
    r"|0\d/\d{2}(?:\s\d+)?|\([12]\d{3}\).*|(?:19|20)\d{2}[ .\-/]{1,3}\d{2,4}",
    re.ASCII,
)
_GOODS = re.compile(
    r"(?:isbn|issn|order|ticket|invoice|tracking|parcel|shipment|serial|订单|单号|编号|型号|货号|no\.|#)\W{0,3}(?:\w{1,6}\W)?$",
    re.IGNORECASE,
)
_THEN = r"\s(?:and\s)?(?:then|dash|hyphen)\s|\s?(?:然后|再|接着)是?\s?"  # said between groups of digits
_CALLED = re.compile(
    rf"{_CALL}{_NO_ORDER}{{0,16}}?(\+?\(?\d(?:(?:[ .\-/()\u00b7]{{0,4}}|{_THEN})\d){{5,14}}(?!\d|[.:]\d){_EXTENSION})",
    re.IGNORECASE | re.ASCII,
)
_WHOSE = re.compile(  # what follows a number and says that it is a telephone's: "555-0100 is my cell"
    r"(?<![A-Za-z0-9_.\-/+#$€£¥])(\+?\(?\d(?:[ .\-/()]{0,3}\d){6,14})(?![\d.:])[\s,(\-]{1,3}(?:"
    r"(?:(?:is|was|are|that's)\s)?(?:(?:my|his|her|our|their)\s(?:\w{1,10}\s)?number\b"
    r"|(?:(?:my|his|her|our|their|the|a)\s)?(?:\w{1,10}\s)?(?:cell|mobile|phone|whats?app|landline|fax)\b)"
    r"|ask for\b|(?:call|text|ring) me\b|(?:是|为)?(?:[我他她]的?)?(?:电话|手机|号码|座机))",
    re.IGNORECASE | re.ASCII,
)
_ANOTHER = re.compile(
    r"(?:[ ,;/、]|\s(?:or|and)\s|和|或|及){1,3}(\+?\(?\d(?:[ .\-/()]{0,3}\d){6,14})(?!\d|[.:]\d)", re.ASCII
)
_EXTENSION_SIGN = re.compile("x|ext|转|分机|durchwahl|poste", re.IGNORECASE)
_MOST_DIGITS = 15
_MOST_IN_A_ROW = 5  # or a text of numbers only would be read once for each of them
_GROUP_OF_THREE = re.compile(r"\d{1,3}(?:[ .]000)+$")
_NUMERAL = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple)"
_READ_OUT = re.compile(rf"\b{_NUMERAL}(?:[ ,\-]{{1,2}}{_NUMERAL}){{6,18}}\b", re.IGNORECASE)
_SAID_OR_NOT = rf"(?:{_NUMERAL}|\d{{1,4}}(?!\d))"
_HALF_READ_OUT = re.compile(  # "+1 (two one two) 555 0185"
    rf"(?<![\w.])\+?\(?{_SAID_OR_NOT}(?:[ ,\-().]{{0,3}}{_SAID_OR_NOT}){{3,15}}(?!\w)", re.IGNORECASE | re.ASCII
)
_ON = re.compile(
    r"\b(?:is|am|are|was|reachable|available) on ([2-9]\d{2}[ .\-]\d{4})(?![\d.\-])", re.ASCII | re.IGNORECASE
)
_EXTENSION_ALONE = re.compile(
    r"(?<!file )(?<!term )(?:\bext(?:ension|n)?\b\.?|分机号?)(?:\sis|\snumber|\sno\.)?[\s:：]{0,2}"
    r"(?!(?:19|20)\d\d\b)(\d{3,5})(?![\d%])",
    re.IGNORECASE | re.ASCII,
)
_THREE_READ_OUT = re.compile(  # or one amid digits
    rf"\b{_NUMERAL}(?:[ ,.\-]{{1,2}}{_NUMERAL}){{2}}\b|\d{_NUMERAL}\d", re.IGNORECASE | re.ASCII
)
_NUMERALS_OR_DIGITS = re.compile(rf"{_NUMERAL}|\d", re.IGNORECASE | re.ASCII)

_IP_DOT = r"(?:\s?\.\s?|\u3002|\s?[\[({](?:\.|dot)[\])}]\s?|\sdot\s|点)"
_IP4 = re.compile(
    # between Chinese words, a command may stand close before it
    rf"(?:(?<![\w.])(?<![A-Za-z]/)|(?<=ping)|(?<=ssh)|(?<=ip)|(?<=host)|(?<=from)|(?<=to))\d{{1,3}}(?:{_IP_DOT}\d{{1,3}}){{3}}"
    rf"(?:/\d{{1,2}}|\s?-\s?\d{{1,3}}(?:\.\d{{1,3}}){{3}})?(?!\w|\.\d)|(?<=ip-)\d{{1,3}}(?:-\d{{1,3}}){{3}}(?![\w-])",
    re.ASCII | re.I,
)
_IP4_SLIPPED = re.compile(r"\bip\b[^\d\n]{0,12}(\d{1,3}(?:(?:, ?|-|_)\d{1,3}){3})(?![\d,\-])", re.IGNORECASE | re.ASCII)
_IP6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])", re.ASCII)
_VERSION = re.compile(
    r"(?:\bv|version|release|build|firmware|section|chapter|clause|§|版本号?|版|第|章节?|条)\s?(?:is|:|：|为|是)?\s?$",
    re.IGNORECASE,
)
_NOT_PERSONAL = frozenset({"127.0.0.1", "0.0.0.0", "255.255.255.255", "255.255.255.0", "::1", "::"})
_MAC = re.compile(
    r"(?<![\w:\-])[0-9A-Fa-f]{2}([:\-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?![\w:\-])"
    r"|(?<![\w.])(?=[0-9.]{0,11}[A-Fa-f])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![\w.])",
    re.ASCII,
)
_PLACE = re.compile(r"(?<![\d.\-])-?\d{1,2}\.\d{4,8}°?[NS]?\s?[,，]\s?-?\d{1,3}\.\d{4,8}°?[EW]?(?![\d.])")

_QQ = re.compile(r"(?<![A-Za-z])QQ(?:\s?(?:号码|号|群|邮箱))?\s?[:：是为]?\s?(\d{5,11})(?!\d)", re.IGNORECASE)
_APP = (
    r"(?:微信|薇信|威信|加我?[vV微]|加我|(?<![A-Za-z])(?:wechat|weixin|wx|vx|v信|telegram|tg|skype|insta(?:gram)?|ig|snap(?:chat)?"
    r"|discord|twitter|facebook|tiktok|kakao(?:talk)?|threads))"
)
_MESSENGER = re.compile(
    rf"{_APP}\s?(?:号码|号|id|handle|name|user(?:name)?)?\s?(?:[:：是为]|is|(?=\s@))\s?(@?[A-Za-z][\w.\-]{{4,31}})",
    re.IGNORECASE,
)
_NO_WORD = re.compile(r"@|[\d_]|\w\.\w")
_BESIDE = re.compile(r"(?:微信|薇信|威信|[Vv]信|[Vv][Xx])号?\s?(?=[A-Za-z]\w*[\d_\-])([A-Za-z][\w\-]{5,19})", re.ASCII)


def phones(text: str) -> Iterator[Finding]:
    """Numbers in the forms of telephone numbers, and bare ones where a word says that they are."""
    for match in _PHONE.finditer(text):
        number = _EXTENSION_SIGN.split(match[0])[0]
        plain = _NO_PHONE.fullmatch(number) or _GOODS.search(text, max(0, match.start() - 24), match.start())
        most = 2 * _MOST_DIGITS if " " in number else _MOST_DIGITS  # two of them may stand in a row
        if not plain and 7 <= sum(map(str.isdigit, number)) <= most:
            yield from _in_a_row(text, *match.span())
    for match in _CALLED.finditer(text):
        if not _NO_PHONE.fullmatch(match[1]) and not _GROUP_OF_THREE.fullmatch(match[1]):
            yield from _in_a_row(text, *match.span(1))
    for match in _WHOSE.finditer(text):
        if not _NO_PHONE.fullmatch(match[1]) and not _GROUP_OF_THREE.fullmatch(match[1]):
            yield Finding(*match.span(1), "PHONE")
    for pattern in (_ON, _EXTENSION_ALONE):
        yield from (Finding(*match.span(1), "PHONE") for match in pattern.finditer(text))


def _in_a_row(text: str, start: int, end: int) -> Iterator[Finding]:
    """A number and the few that follow it: "at (212) 555-0100 or 555-0101"."""
    yield Finding(start, end, "PHONE")
    for _ in range(_MOST_IN_A_ROW):
        if not (another := _ANOTHER.match(text, end)):
            return
        end = another.end(1)
        yield Finding(*another.span(1), "PHONE")


def read_out(text: str) -> Iterator[Finding]:
    """Digits read out in words: seven and more in a row are a telephone number, or something no less personal."""
    yield from (Finding(*match.span(), "PHONE") for match in _READ_OUT.finditer(text))
    for match in _HALF_READ_OUT.finditer(text) if _THREE_READ_OUT.search(text) else ():
        if _THREE_READ_OUT.search(match[0]) and 7 <= len(_NUMERALS_OR_DIGITS.findall(match[0])) <= 2 * _MOST_DIGITS:
            yield Finding(*match.span(), "PHONE")


def networks(text: str) -> Iterator[Finding]:
    """IP addresses (not version numbers, not this machine itself) and MAC addresses."""
    for match in _IP4.finditer(text):
        plain = ".".join(re.findall(r"\d+", match[0])[:4])  # behind it, a mask or the end of a range
        if _is_address(plain) and not _VERSION.search(text, max(0, match.start() - 12), match.start()):
            yield Finding(match.start(), match.end(), "IP")
    for match in _IP4_SLIPPED.finditer(text):
        if _is_address(".".join(re.findall(r"\d+", match[1]))):
            yield Finding(*match.span(1), "IP")
    for match in _IP6.finditer(text):
        groups = [group for group in match[0].split(":") if group]
        written_out = len(groups) > 2 or any(len(group) > 2 for group in groups)  # a[2::3] is code
        if written_out and any(map(str.isdigit, match[0])) and _is_address(match[0]):
            yield Finding(match.start(), match.end(), "IP")
    yield from (Finding(*match.span(), "MAC") for match in _MAC.finditer(text))
    yield from (Finding(*match.span(), "LOCATION") for match in _PLACE.finditer(text))


def handles(text: str) -> Iterator[Finding]:
    """Names in messengers, where the messenger is named."""
    for pattern in (_QQ, _BESIDE):
        yield from (Finding(*match.span(1), "HANDLE") for match in pattern.finditer(text))
    for match in _MESSENGER.finditer(text):
        said = text[match.end(1) - len(match[1]) - 3 : match.start(1)].strip().lower() == "is"
        if not said or _NO_WORD.search(match[1]):  # Telegram is broken
            yield Finding(*match.span(1), "HANDLE")


def _is_address(text: str) -> bool:
    try:
        return str(ipaddress.ip_address(text)) not in _NOT_PERSONAL
    except ValueError:
        return False
