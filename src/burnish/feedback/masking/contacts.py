"""Rules for how people and machines are reached: e-mail, phone, messenger, IP and MAC addresses, coordinates.

Every pattern is bounded, so that no text can make it slow; lookarounds keep it from starting inside a longer number.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from burnish.feedback.masking.findings import Finding

_AT = r"(?:\s?[(\[{<【\u3014]\s?(?:at|@)\s?[)\]}>】\u3015]\s?|艾特)"
_DOT = r"(?:\s?\.\s?|\s?[(\[{<【\u3014]\s?(?:dot|\.|点)\s?[)\]}>】\u3015]\s?|\sdot\s|点)"
_WORD = r"A-Za-z0-9\u00c0-\u024f"
_LABEL = rf"[{_WORD}](?:[{_WORD}\-]{{0,62}}[{_WORD}])?"

_EMAIL = re.compile(
    rf"(?<![{_WORD}._%+\-])(?:[{_WORD}][{_WORD}._%+'\-]{{0,63}})@(?:{_LABEL}\.){{1,5}}[A-Za-z]{{2,24}}(?![{_WORD}])"
)
_SIGN = re.compile("@")
_HIDDEN_SIGN = re.compile(r"@|\bat\b|艾特", re.IGNORECASE)
_USERINFO = re.compile(r"://[^\s/@]{1,128}:$")  # of an address that begins with a name and a password
_ENDING = rf"[A-Za-z]{{2,10}}(?![{_WORD}])"
_KNOWN_ENDING = rf"(?:com|org|net|edu|gov|io|ai|cn|uk|de|fr|jp|hk|tw|ca|ru|es|eu|au|br|in|ie)(?![{_WORD}])"
_HIDDEN_EMAIL = re.compile(
    rf"(?<![{_WORD}._%+\-])(?:[A-Za-z][\w\-]{{0,30}}\sdot\s){{0,2}}[A-Za-z][{_WORD}._%+'\-]{{0,63}}(?:"
    rf"{_AT}{_LABEL}(?:{_DOT}{_LABEL}){{0,3}}{_DOT}{_ENDING}"
    rf"|\s?@\s?{_LABEL}(?:{_DOT}{_LABEL}){{0,3}}{_DOT}{_KNOWN_ENDING}"
    # "at" as a word only with "dot" as a word: people look at things, and sentences end
    rf"|\sat\s{_LABEL}(?:\sdot\s{_LABEL}){{0,3}}\sdot\s{_ENDING})",
    re.IGNORECASE,
)

_CALL = (
    r"(?:phone|\btel|mobile|\bcell|\bcall|\bdial|\bfax|whatsapp|number is|nummer|appel|\bring\b|\btext\b|\bsms\b"
    r"|hotline|landline|contact|reach (?:me|us|her|him|them)|电话|手机|座机|热线|联系|致电|拨打|请打|号码|短信)"
)
_PHONES = (
    # with a country code: 8 to 15 digits in groups
    r"(?:\+|(?<!\d)00)\s?\d{1,3}(?:[ .\-]?\(?\d{1,5}\)?){1,6}(?!\d)",
    # North America
    r"(?:1[ .\-])?\([2-9]\d{2}\)[ .\-]?\d{3}[ .\-]?\d{4}(?!\d)",
    *(rf"(?:1{gap})?[2-9]\d{{2}}{gap}[2-9]\d{{2}}{gap}\d{{4}}(?![\d\-])" for gap in (" ", r"\.", "-")),
    # China: mobile, landline, service numbers
    r"(?:86[ \-]?)?1[3-9]\d(?:[ \-]?\d{4}){2}(?!\d)",
    r"\(0\d{1,3}\)[ \-]?\d{3,4}[ \-]?\d{4}(?!\d)",
    r"0\d{2,3}[ \-]\d{3,4}[ \-]?\d{4}(?!\d)",
    r"[48]00[ \-]\d{3}[ \-]\d{4}(?!\d)",
    # Europe: a leading 0 and groups
    r"0\d{2,5}[ /\-]\d{3,4}[ \-]?\d{3,4}(?!\d)",
    r"0[1-9](?:[ .\-]\d{2}){4}(?!\d)",
    r"0[127]\d{2,4}[ \-]\d{5,7}(?!\d)",
)
_EXTENSION = r"(?:\s?(?:x|ext\.?|extension|转)\s?\d{1,6}(?!\d))?"
_PHONE = re.compile(rf"(?<![\w.\-/+#])(?:{'|'.join(_PHONES)}){_EXTENSION}", re.ASCII)
_CALLED = re.compile(
    rf"{_CALL}[^\d+\n]{{0,12}}?(\+?\(?\d(?:[ .\-/()]{{0,2}}\d){{6,14}})(?!\d)", re.IGNORECASE | re.ASCII
)
_NUMERAL = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple)"
_READ_OUT = re.compile(rf"\b{_NUMERAL}(?:[ ,\-]{{1,2}}{_NUMERAL}){{6,15}}\b", re.IGNORECASE)

_IP4 = re.compile(r"(?<![\w.])\d{1,3}(?:(?:\.|\[\.\]|\(\.\)|\[dot\])\d{1,3}){3}(?!\w|\.\d)", re.ASCII)
_IP6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])", re.ASCII)
_VERSION = re.compile(r"(?:\bv|version|release|build|firmware|版本|版)\s?$", re.IGNORECASE)
_NOT_PERSONAL = frozenset({"127.0.0.1", "0.0.0.0", "255.255.255.255", "255.255.255.0", "::1", "::"})
_MAC = re.compile(r"(?<![\w:\-])[0-9A-Fa-f]{2}([:\-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?![\w:\-])", re.ASCII)
_PLACE = re.compile(r"(?<![\d.\-])-?\d{1,2}\.\d{4,8}°?[NS]?\s?[,，]\s?-?\d{1,3}\.\d{4,8}°?[EW]?(?![\d.])")

_QQ = re.compile(r"(?<![A-Za-z])QQ(?:\s?(?:号码|号|群))?\s?[:：是为]?\s?(\d{5,11})(?!\d)", re.IGNORECASE)
_MESSENGER = re.compile(
    r"(?:微信|薇信|威信|(?<![A-Za-z])(?:wechat|weixin|wx|vx|v信|telegram|skype|instagram|snapchat|discord))"
    r"\s?(?:号码|号|id|handle)?\s?(?:[:：是为]|is)\s?(@?[A-Za-z][\w.\-]{4,31})",
    re.IGNORECASE,
)
_BESIDE = re.compile(r"(?:微信|薇信|威信|[Vv]信|[Vv][Xx])号?\s?(?=[A-Za-z]\w*[\d_\-])([A-Za-z][\w\-]{5,19})", re.ASCII)


def emails(text: str) -> Iterator[Finding]:
    """Addresses as they are written, and as they are hidden: "(at)", "[dot]", 艾特, 点."""
    for sign, pattern in ((_SIGN, _EMAIL), (_HIDDEN_SIGN, _HIDDEN_EMAIL)):
        for match in pattern.finditer(text) if sign.search(text) else ():
            if not _USERINFO.search(text, max(0, match.start() - 140), match.start()):
                yield Finding(match.start(), match.end(), "EMAIL")


def phones(text: str) -> Iterator[Finding]:
    """Numbers in the forms of telephone numbers, and bare ones where a word says that they are."""
    for match in _PHONE.finditer(text):
        number = re.split("x|ext|转", match[0])[0]
        if 7 <= sum(each.isdigit() for each in number) <= 15:
            yield Finding(match.start(), match.end(), "PHONE")
    yield from (Finding(*match.span(1), "PHONE") for match in _CALLED.finditer(text))


def read_out(text: str) -> Iterator[Finding]:
    """Digits read out in words: seven and more in a row are a telephone number, or something no less personal."""
    yield from (Finding(*match.span(), "PHONE") for match in _READ_OUT.finditer(text))


def networks(text: str) -> Iterator[Finding]:
    """IP addresses (not version numbers, not this machine itself) and MAC addresses."""
    for match in _IP4.finditer(text):
        plain = re.sub(r"[\[\]()]|dot", "", match[0]) if "dot" not in match[0] else match[0].replace("[dot]", ".")
        if _is_address(plain) and not _VERSION.search(text, max(0, match.start() - 12), match.start()):
            yield Finding(match.start(), match.end(), "IP")
    for match in _IP6.finditer(text):
        groups = [group for group in match[0].split(":") if group]
        written_out = len(groups) > 2 or any(len(group) > 2 for group in groups)  # a[2::3] is code
        if written_out and any(map(str.isdigit, match[0])) and _is_address(match[0]):
            yield Finding(match.start(), match.end(), "IP")
    yield from (Finding(*match.span(), "MAC") for match in _MAC.finditer(text))
    yield from (Finding(*match.span(), "LOCATION") for match in _PLACE.finditer(text))


def handles(text: str) -> Iterator[Finding]:
    """Names in messengers, where the messenger is named."""
    for pattern in (_QQ, _MESSENGER, _BESIDE):
        yield from (Finding(*match.span(1), "HANDLE") for match in pattern.finditer(text))


def _is_address(text: str) -> bool:
    try:
        return str(ipaddress.ip_address(text)) not in _NOT_PERSONAL
    except ValueError:
        return False
