"""Rules for postal addresses: English, German, French, Spanish and Italian forms, and Chinese.

An address is known by its form: a number beside a word for a street, or a town beside a postal code. Places without
a number ("Main Street", 南京路) are no personal data and stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from burnish.feedback.masking.findings import Finding

_UPPER, _LOWER = "A-Z\u00c0-\u00de", "a-z\u00df-\u024f"
_APART = r"(?<![\w#.$-])"  # where an address begins: not within a price, a tag, a longer number
_CAPITAL_WORD = rf"(?:[{_UPPER}0-9][\w'\u2019\-]{{0,24}}\.?)"
_TOWN_WORD = rf"[{_UPPER}][{_LOWER}'\u2019.][\w'\u2019\-]{{0,24}}"
_TOWN = rf"(?:{_TOWN_WORD}(?:\s{_TOWN_WORD}){{0,2}})"
_UNIT = r"(?i:(?:apt|apartment|suite|ste|unit|flat|floor|fl|room|rm|studio|\#)\.?\s?\#?\s?\w{1,6})"

# ------------------------------------------------------------------------------------------------------------- English

_STREET = (
    r"(?:(?i:street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|place|pl|square|sq|terrace|ter|way"
    r"|parkway|pkwy|highway|hwy|circle|cir|close|crescent|mews|row|trail|trl|alley|quay|broadway)"
    # words of everyday, which are streets only with a capital
    r"|Grove|Gardens|Green|Hill|Park|Walk|View|Heights|Rise|Yard|Wharf|Plaza|Loop|Path|Ridge|Vale)"
)
_ZIP = r"(?:[A-Z]{2}\s\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2})(?!\w)"  # of the US with the state; British
_ENGLISH = re.compile(
    rf"""{_APART} (?:{_UNIT},\s)?
    \d{{1,5}}[A-Za-z]?(?:-\d{{1,4}})?,?\s                       # 221B
    (?:(?:[NS][EW]?|[EW]|North|South|East|West)\.?\s)?
    (?:{_CAPITAL_WORD}\s){{1,4}} {_STREET}\b\.?                 # Baker Street
    (?:,?\s{_UNIT})? (?:,\s?{_TOWN}){{0,2}}
    (?:,?\s(?:{_ZIP}|\d{{5}}(?:-\d{{4}})?|[A-Z]{{2}}(?!\w)))?""",
    re.VERBOSE,
)
_WITH_UNIT = re.compile(
    rf"{_APART}\d{{1,5}}[A-Za-z]?\s(?:{_CAPITAL_WORD}\s){{1,4}}(?:Apt\.?|Apartment|Suite|Unit)\s\w{{1,5}}(?!\w)"
)
_BOX = re.compile(rf"\b(?i:P\.?\s?O\.?\s?Box)\s\d{{1,6}}(?:,\s{_TOWN}){{0,2}}(?:,?\s(?:{_ZIP}|[A-Z]{{2}}(?!\w)))?")
_ZIP_CODE = re.compile(rf"(?<=[\s,]){_ZIP}")
_WITH_ZIP_CODE = re.compile(  # whatever the street is called
    rf"""{_APART} (?:{_UNIT},\s)? (?:\d{{1,5}}[A-Za-z]?\s)? {_CAPITAL_WORD}(?:\s{_CAPITAL_WORD}){{0,3}}
    (?:,?\s{_UNIT})? ,\s?{_TOWN} ,\s?{_ZIP}""",
    re.VERBOSE,
)

# ------------------------------------------------------------------------------------ German, French, Spanish, Italian

_GERMAN_WORD = r"[A-ZÄÖÜ][\wäöüß]{1,30}"
_HOUSE = r"\s\d{1,4}(?:[/\-]\d{1,4})?\s?[a-z]?(?!\w)"
_GERMAN = re.compile(
    rf"""(?<!\w)
    (?: {_GERMAN_WORD}(?:straße|strasse|str\.|weg|platz|allee|gasse)                               # Hauptstraße
      | {_GERMAN_WORD}(?:-{_GERMAN_WORD}){{0,3}}[\s\-](?i:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse|ring|damm)
    ) {_HOUSE}
    (?:,?\s(?:D-)?\d{{5}}\s{_GERMAN_WORD}(?:-{_GERMAN_WORD})?
       (?:\s(?:am|an\sder|ob\sder|im|bei)\s{_GERMAN_WORD})?)?
    | (?<!\w)[A-ZÄÖÜ][\wäöüß.\-]{{2,40}}{_HOUSE},\s\d{{5}}\s{_GERMAN_WORD}                         # whatever its name
    """,
    re.VERBOSE,
)
_ROMANCE_STREET = (
    r"(?i:rue|avenue|boulevard|place|chemin|impasse|allée|quai|calle|c\.|plaza|paseo|avenida|avda\.?|ronda|pasaje|camino"
    r"|rambla|urbanización|glorieta|callejón|cañada|cuesta|carrera|acceso|via|viale|piazza|corso)"
)
_ROMANCE_NAME = (
    r"(?:(?:de|du|des|la|le|les|del|della|el|los|las)\s|[dl]['\u2019]){0,3}[A-ZÀ-Ý][\w'\u2019\-]{1,25}"
    r"(?:\s(?:(?:de|del|la)\s){0,2}[A-ZÀ-Ý][\w\-]{1,25}){0,3}"
)
_ROMANCE_TOWN = r"[A-ZÀ-Ý][\w'\u2019\-]{1,30}(?:[\s\-][A-ZÀ-Ý][\w\-]{1,30}){0,2}"
_ROMANCE_UNIT = rf"(?:{_UNIT}|(?i:piso|puerta)\s\d{{1,3}})"
_ROMANCE = re.compile(
    rf"""(?<!\w)
    (?: \d{{1,4}}(?:\s?(?:bis|ter))?,?\s {_ROMANCE_STREET}\s{_ROMANCE_NAME} (?:,\s?\d{{5}}(?:\s{_ROMANCE_TOWN})?)?
      | {_ROMANCE_STREET}\s{_ROMANCE_NAME}
        (?: ,?\s\d{{1,4}}(?!\d) (?:\s{_ROMANCE_UNIT})?\s? (?:,\s?{_ROMANCE_TOWN})? (?:,\s?\d{{5}})?     # Calle Mayor 5
          | ,\s?\d{{5}}\s{_ROMANCE_TOWN} ) )                                                           # without number
    """,
    re.VERBOSE,
)

# ------------------------------------------------------------------------------------------------------------- Chinese

_HAN = r"[\u4e00-\u9fff]"
_PROVINCE = (
    "(?:北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西"
    "|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门)"
)
_ROAD = rf"{_HAN}{{1,8}}?(?:路|街|大道|大街|巷|弄|胡同|道|村|里|新村|小区|花园|广场|公寓|大厦)"
_DOOR = r"""(?:
    (?:[东南西北中]?(?:\d{1,4}|[一二三四五六七八九十]{1,3})(?:段|期|区))?
    (?:\d{1,5}(?:-\d{1,4})?(?:号|弄|栋|幢|楼|座|室)|[A-Za-z]座)(?:院|楼)?
    (?:[A-Za-z]?\d{0,5}-?[A-Za-z]?\d{0,5}(?:号楼|栋|幢|楼|座|单元|层|室|号|户|房)){0,5})"""
_CHINESE_DOOR = re.compile(r"\d(?:号|弄|栋|幢|楼|座|室)|[A-Za-z]座")
_CHINESE = re.compile(
    rf"""(?:{_PROVINCE}(?:省|市|自治区|壮族自治区|回族自治区|维吾尔自治区)?)?
    (?:{_HAN}{{2,7}}?(?:市|自治州|盟))? (?:{_HAN}{{1,7}}?(?:区|县|旗))? (?:{_HAN}{{1,7}}?(?:镇|乡|街道))?
    (?:{_ROAD}){{1,3}} {_DOOR}
    (?:{_HAN}{{1,8}}?(?:小区|花园|大厦|广场|公寓|苑|城|家园|新村|大楼|中心){_DOOR}\d{{0,4}})? (?:\s\d{{6}}(?!\d))?""",
    re.VERBOSE,
)
_LEAD = re.compile(  # what is said before an address, in characters that an address could begin with
    r"^.{0,12}?(?:(?:现|家|居)?住(?:在|址是|址)?|位于|地址(?:是|为|在)?|寄(?:到|往|给)?|送(?:到|往|至)|发(?:到|往)"
    r"|搬(?:到|去)|来到|就在|我家在|公司在|家在|在|到|去|是)"
)


def addresses(text: str) -> Iterator[Finding]:
    """Street addresses with a number or a postal code, and post boxes."""
    for pattern in (_ENGLISH, _WITH_UNIT, _BOX, _GERMAN, _ROMANCE):
        yield from (Finding(*match.span(), "ADDRESS") for match in pattern.finditer(text))
    yield from (Finding(*place, "ADDRESS") for place in _backwards(text, _ZIP_CODE, _WITH_ZIP_CODE))
    for start, end in _backwards(text, _CHINESE_DOOR, _CHINESE):
        lead = _LEAD.match(text[start:end])
        kept = lead.end() if lead and lead.end() < end - start - 4 else 0
        yield Finding(start + kept, end, "ADDRESS")


def _backwards(text: str, ending: re.Pattern[str], whole: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Places of addresses, found from what they end with: a text of many beginnings costs nothing."""
    done = 0
    for last in ending.finditer(text):
        if last.start() >= done and (match := whole.search(text, max(done, last.start() - 100), last.end() + 80)):
            yield match.span()
            done = match.end()
