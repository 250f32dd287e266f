"""Rules for national ids, passports and driving licences.

Three ways to know one: check digits that are right; a form that nothing else has, with a birthday in it that exists;
or a word beside it that says what it is ("PESEL", 身份证). A bare row of nine digits is none of these, and stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from burnish.feedback.masking import checksums
from burnish.feedback.masking.findings import Finding
from burnish.feedback.masking.reading import bare

_ALONE = r"(?<![\w.\-+/])"
_DONE = r"(?![\w\-/]|\.\d)"

# ---------------------------------------------------------------------------------------------------- China and the US

_CHINESE_ID = re.compile(
    r"(?<![\dA-Za-z.\-])[1-9](?:[ .\-/_,]{0,3}\d){16}[ .\-/_,]{0,3}[\dXx](?![\dA-Za-z]|[.\-]\d)", re.ASCII
)
_PROVINCES = frozenset(
    f"{number}"
    for numbers in (
        range(11, 16),
        range(21, 24),
        range(31, 38),
        range(41, 47),
        range(50, 55),
        range(61, 66),
        (71, 81, 82, 83),
    )
    for number in numbers
)
"""How a Chinese id begins. With that and a birthday, one wrong digit is a slip of the pen and no other number."""
_BIRTHDAY = re.compile(r"(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_SSN = re.compile(rf"{_ALONE}\d{{3}}([ .\-])\d{{2}}\1\d{{4}}{_DONE}", re.ASCII)

# --------------------------------------------------------------------------------------------------------- other forms

_Check = Callable[[str], bool]
_DAY, _MONTH = r"(?:0[1-9]|[12]\d|3[01])", r"(?:0[1-9]|1[0-2])"
_IDS: tuple[tuple[str, _Check | None], ...] = (
    # United Kingdom: prefixes that are never given are left out
    (r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ ]?\d{2}[ ]?\d{2}[ ]?\d{2}[ ]?[A-D]", None),
    (
        r"(?:(?![dfiquv])[a-z](?![dfiquvo])[a-z]|[A-Z]{2}) \d{2} \d{2} \d{2} [a-dA-D]",
        None,
    ),  # in small letters, by its gaps
    (rf"\d{{2}}{_MONTH}{_DAY}[ \-]\d{{4}}[ \-][012]\d{{2}}", checksums.luhn),  # South Africa
    (r"(?:EAC|WAC|LIN|SRC|NBC|MSC|IOE|YSC)\d{10}", None),  # what the United States' immigration office gives
    (r"(?:\d{8}|[XYZ][\-]?\d{7})[\-]?[A-HJ-NP-TV-Z]", checksums.spanish_dni),
    (r"\d{3}\.\d{3}\.\d{3}-\d{2}", checksums.brazilian_cpf),
    (r"[2-9]\d{3}([ \-])\d{4}\1\d{4}", checksums.aadhaar),
    (r"[A-Za-z]{6}\d{2}[A-EHLMPRSTa-ehlmprst]\d{2}[A-Za-z]\d{3}[A-Za-z]", None),  # Italy
    (r"[A-Z]{1,2}\d{6}\([0-9A]\)", checksums.hong_kong_id),
    (r"[STFGM]\d{7}[A-Z]", checksums.singapore_nric),
    (r"[A-Z][12]\d{8}", checksums.taiwan_id),
    (r"[12][ ]?\d{2}[ ]?(?:0[1-9]|1[0-2]|[2-9]\d)[ ]?(?:\d{2}|2A|2B)[ ]?\d{3}[ ]?\d{3}[ ]?\d{2}", checksums.french_nir),
    (r"\d{3}[ \-]\d{3}[ \-]\d{3}", checksums.luhn),  # Canada
    (r"756\.\d{4}\.\d{4}\.\d{2}", None),  # Switzerland
    (rf"{_DAY}{_MONTH}\d{{2}}[\-+A]\d{{3}}[0-9A-FHJ-NPR-Y]", None),  # Finland
    (rf"(?:19|20)?\d{{2}}{_MONTH}{_DAY}[\-+]\d{{4}}", lambda code: checksums.luhn(code[-10:])),  # Sweden
    (rf"{_DAY}{_MONTH}\d{{2}}-\d{{4}}", None),  # Denmark
    (r"\d{2}[0-35-8]\d[0-3]\d/\d{3,4}", lambda code: len(code) == 9 or int(code) % 11 == 0),  # Czechia, Slovakia
    (rf"\d{{2}}{_MONTH}{_DAY}-[1-8]\d{{6}}", None),  # Korea
    (rf"[A-Z]{{4}}\d{{2}}{_MONTH}{_DAY}[HM][A-Z]{{5}}[A-Z0-9]\d", None),  # Mexico
    (r"\d{1,2}\.\d{3}\.\d{3}-[\dkK]", None),  # Chile
    (r"\d{5}-\d{7}-\d", None),  # Pakistan
    (rf"\d{{2}}{_MONTH}{_DAY}-\d{{2}}-\d{{4}}", None),  # Malaysia
    (r"\d[ \-]\d{4}[ \-]\d{5}[ \-]\d{2}[ \-]\d", None),  # Thailand
    (rf"\d{{2}}\.{_MONTH}\.{_DAY}[\-.]\d{{3}}[\-.]\d{{2}}", None),  # Belgium
    (r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", None),  # India's tax number
    (r"(?:20|23|24|27)-\d{8}-\d", None),  # Argentina
    (r"\d{7}[A-W][A-IW]?", checksums.irish_pps),
)
_NATIONAL = tuple((re.compile(rf"{_ALONE}{pattern}{_DONE}", re.ASCII), check) for pattern, check in _IDS)

# ------------------------------------------------------------------------------------------------- named by a word

_WORDS = (
    r"ssn|soc(?:ial)?\.?\s?sec\w*|(?:my|his|her|their) social|sin (?:number|no)|s\.i\.n|itin|nino?"
    r"|national (?:id\w*|insurance|number|registration)|ni (?:number|no)"
    r"|identi(?:ty|fication) (?:card|document|number|no|code)|(?:his|her|my|their|\w+s) identity|pi[eè]ce d'identité"
    r"|id[ \-]?(?:card|number|no|nr|code|#)|citizen(?:ship)? (?:id|number|card)|personal (?:id|number|code)"
    r"|tax(?:payer)?[ \-]?(?:id\w*|number|no|code|file|ref\w*)|insurance (?:number|no)|voter (?:id|card)"
    r"|health (?:card|number|insurance)|nhs|medicare|driver'?s? licen[cs]e|driving licen[cs]e|licen[cs]e (?:number|no)"
    r"|residen\w+ (?:card|permit|id)|(?:permit|visa|alien(?: registration)?|social insurance|policy) (?:number|no)"
    r"|(?:student|employee|patient|member(?:ship)?) (?:id|number|no|card)|medical record"
    # what they are called at home
    r"|steuer-?(?:id\w*|nummer)|\w*ausweis\w*|sozialversicherung\w*|svnr|ahv|avs|s[ée]cu(?:rité sociale)?|insee"
    r"|codice fiscale|carta d'identità|dni|cpf|curp|c[ée]dula|cui[lt]|aadh?aa?r|cnic|ktp|pesel|bsn|burgerservice\w*"
    r"|sofinummer|rijksregister\w*|insz|personnummer|samordning\w*|f[øo]dselsnummer|cpr|henkil[öo]tunnus|hetu|kennitala"
    r"|pnr|contribuinte|n[úu]mero fiscal|cart[ãa]o de cidad[ãa]o|num[ée]ro fiscal|ad[óo]sz[áa]m|npwp|iqama"
    r"|emirates id|civil id|omang|bvn|ghana card|huduma|kra pin|epic no|green card|a-number|uscis"
    r"|(?:my|his|her|their) (?!user)[A-Za-z]+(?: [A-Z][a-z]+)? (?-i:ID)"
    r"|isikukood|asmens kodas|personas kods|rodn[éeá]\w*|rč|egn|jmbg|emšo|amka|tckn?|kimlik|nric|hkid|mykad"
)
_CAPITALS = "DL|SIN|NIR|CF|NIE|NIF|RG|RFC|RUT|RUN|PAN|NIK|NISS|CNP|OIB|PPS|TFN|IRD"
"""Abbreviations that are words of everyday in small letters."""
_OTHER_SCRIPTS = (
    "егн|инн|снилс|αμκα|주민|マイナンバー|個人番号"  # Bulgarian, Russian, Greek, Korean, Japanese
    "|身份证|身份證|身分證|证件|證件|居民证|驾驶证|驾照|行驶证|社保|医保卡|军官证|学号|工号"
)
_CHUNK = r"[A-Za-z]{0,6}\d[A-Za-z0-9]{0,24}"
_NAMED_ID = re.compile(
    rf"(?:\b(?:(?i:{_WORDS})|{_CAPITALS})\b|(?i:{_OTHER_SCRIPTS}))[^\d\n]{{0,24}}?(?<![A-Za-z0-9])"
    rf"((?:[A-Z]{{1,6}}[ \-]|[a-z]-)?{_CHUNK}(?:[ .\-/]{{1,3}}{_CHUNK}|[ \-][A-Z]{{1,3}}\d{{0,3}}(?![A-Za-z0-9]))*)"
)
_PART_OF_ID = re.compile(  # its last digits, with which banks and offices ask who it is
    rf"\b(?i:{_WORDS}|{_OTHER_SCRIPTS})\b[^\d\n]{{0,20}}?"
    r"(?i:\bend(?:s|ing|ed)?\b|\blast (?:4|four)\b|后[四六46]位|尾号)\D{0,12}?(\d{3,5}[\dXx])(?![\dA-Za-z])"
)
_HALF_HIDDEN_SSN = re.compile(rf"{_ALONE}[xX*#]{{3}}[\- ]?[xX*#]{{2}}[\- ]?\d{{4}}{_DONE}", re.ASCII)
_RUT = re.compile(r"\brut\b\W{1,3}(?:es\s)?(\d{1,2}\.?\d{3}\.?\d{3}-[\dk])(?!\w)", re.IGNORECASE | re.ASCII)
_YEARS = re.compile(
    r"(?:19|20)\d{2}[ .\-/]{1,3}(?:19|20)?\d{2}(?:[ .\-/]\d{1,2})?|\d{1,2}[.\-/]\d{1,2}[.\-/](?:19|20)\d{2}", re.ASCII
)
_FEWEST, _MOST = 5, 20
"""Digits of a named id."""
_PASSPORT = re.compile(
    r"(?i:passport|reisepass|passeport|pasaporte|护照|通行证|回乡证|台胞证)[^\d\n。]{0,24}?"
    r"((?<![A-Za-z])[A-Z]{0,2}[ ]?\d{6,9}[A-Z]?|(?<![A-Za-z])[A-Z]\d{2}[A-Z]{2}\d{4}|(?<![A-Za-z0-9])C[A-Z0-9]{8})"
    r"(?![A-Za-z0-9])",
    re.ASCII,
)


def identities(text: str) -> Iterator[Finding]:
    """National ids of some thirty countries by their form, of any by its name, and passports."""
    for match in _CHINESE_ID.finditer(text):
        if _is_chinese(bare(match[0])):
            yield Finding(match.start(), match.end(), "NATIONAL_ID")
    for match in _SSN.finditer(text):
        if checksums.us_ssn(bare(match[0])):
            yield Finding(match.start(), match.end(), "NATIONAL_ID")
    for pattern, check in _NATIONAL:
        for match in pattern.finditer(text):
            if check is None or check(bare(match[0])):
                yield Finding(match.start(), match.end(), "NATIONAL_ID")
    for match in _NAMED_ID.finditer(text):
        if _is_id(match[1]):
            yield Finding(*match.span(1), "NATIONAL_ID")
    yield from (Finding(*match.span(1), "NATIONAL_ID") for match in _RUT.finditer(text))
    yield from (Finding(*match.span(1), "NATIONAL_ID") for match in _PART_OF_ID.finditer(text))
    yield from (Finding(*match.span(), "NATIONAL_ID") for match in _HALF_HIDDEN_SSN.finditer(text))
    yield from (Finding(*match.span(1), "PASSPORT") for match in _PASSPORT.finditer(text))


def _is_id(value: str) -> bool:
    """Digits enough, and no years or dates; or capitals and digits mixed, as Azerbaijan's."""
    digits = sum(map(str.isdigit, value))
    mixed = value.isalnum() and value.isupper() and len(value) >= 6 and digits >= 2
    return (_FEWEST <= digits <= _MOST and not _YEARS.fullmatch(value)) or mixed


def _is_chinese(number: str) -> bool:
    """A province and a birthday that there are; or right check digits with either of them."""
    return bool(_BIRTHDAY.match(number, 6)) and (number[:2] in _PROVINCES or checksums.chinese_id(number))
