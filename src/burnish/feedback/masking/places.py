"""Rules for postal addresses and, where a word announces one, for names: English, Chinese, German, French.

An address is known by its form, a number and a word for a street. A name has no form: who wants names masked wherever
they stand hands an engine of named entities to the masker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from burnish.feedback.masking.findings import Finding

_STREET = (
    r"(?:street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|place|pl|square|sq|terrace|ter|way|parkway"
    r"|pkwy|highway|hwy|circle|cir|close|crescent|mews|row|trail|trl|alley|quay|broadway)"
)
_NAME_WORD = r"(?:[A-Z0-9\u00c0-\u00de][\w'\u2019\-]{0,24}\.?)"
_UNIT = r"(?:(?:apt|apartment|suite|ste|unit|flat|floor|fl|room|rm|#)\.?\s?#?\s?\w{1,6})"
_CITY_WORD = r"[A-Z\u00c0-\u00de][a-z\u00df-\u024f'\u2019.][\w'\u2019\-]{0,24}"
_CITY = rf"(?:{_CITY_WORD}(?:[ ]{_CITY_WORD}){{0,2}})"
_ZIP = r"(?:(?:[A-Z]{2}[ ,]{1,2})?\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}|[A-Z]{2}(?![\w]))"
_STREETS = (
    rf"(?:(?i:{_STREET})|Grove|Gardens|Green|Hill|Park|Walk|View|Heights|Rise|Yard|Wharf|Plaza|Loop|Path|Ridge|Vale)"
)
_ENGLISH = re.compile(
    rf"(?<![\w#.$-])(?:(?i:{_UNIT}),\s)?"
    r"\d{1,5}[A-Za-z]?(?:-\d{1,4})?,?\s(?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West)\.?\s)?"
    rf"(?:{_NAME_WORD}\s){{1,4}}{_STREETS}\b\.?"
    rf"(?:,?\s(?i:{_UNIT}))?(?:,\s?{_CITY}){{0,2}}(?:,?\s{_ZIP})?"
)
_POSTAL = r"(?:[A-Z]{2}\s\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2})(?!\w)"
_POSTAL_CODE = re.compile(rf"(?<=[\s,]){_POSTAL}")
_WITH_POSTAL_CODE = re.compile(  # whatever the street is called, a number, a town and a postal code make an address
    rf"(?<![\w#.$-])(?:(?i:{_UNIT}|studio\s\w{{1,4}}),\s)?(?:\d{{1,5}}[A-Za-z]?\s)?{_NAME_WORD}(?:\s{_NAME_WORD}){{0,3}}"
    rf"(?:,?\s(?i:{_UNIT}))?,\s?{_CITY},\s?{_POSTAL}"
)
_WITH_UNIT = re.compile(
    rf"(?<![\w#.$-])\d{{1,5}}[A-Za-z]?\s(?:{_NAME_WORD}\s){{1,4}}(?:Apt\.?|Apartment|Suite|Unit)\s\w{{1,5}}(?!\w)"
)
_BOX = re.compile(rf"\b(?i:P\.?\s?O\.?\s?Box)\s\d{{1,6}}(?:,\s{_CITY}){{0,2}}(?:,?\s{_ZIP})?")
_STREET_DE = r"(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse|ring|damm)"
_GERMAN_TOWN = r"(?:,?\s(?:D-)?\d{5}\s[A-ZÄÖÜ][\wäöüß\-]{1,30}(?:\s(?:am|an der|ob der|im|bei)\s[A-ZÄÖÜ]\w{1,30})?)"
_GERMAN = re.compile(
    r"(?<!\w)[A-ZÄÖÜ][\wäöüß]{1,30}(?:(?:-[A-ZÄÖÜ][\wäöüß]{1,30}){0,3}(?:[\s\-](?i:" + _STREET_DE + r"))"
    r"|(?:straße|strasse|str\.|weg|platz|allee|gasse))\s\d{1,4}(?:[/\-]\d{1,4})?\s?[a-z]?(?!\w)" + _GERMAN_TOWN + "?"
    r"|(?<!\w)[A-ZÄÖÜ][\wäöüß.\-]{2,40}\s\d{1,4}(?:[/\-]\d{1,4})?\s?[a-z]?,\s\d{5}\s[A-ZÄÖÜ][\wäöüß\-]{1,30}"
)
_ROMANCE_STREET = (
    r"(?:rue|avenue|boulevard|place|chemin|impasse|allée|quai|calle|c\.|plaza|paseo|avenida|avda\.?|ronda|pasaje|camino"
    r"|rambla|urbanización|glorieta|callejón|cañada|cuesta|carrera|acceso|via|viale|piazza|corso)"
)
_ROMANCE_NAME = (
    r"(?:(?:de|du|des|la|le|les|del|della|el|los|las)\s|[dl]['\u2019]){0,3}[A-ZÀ-Ý][\w'\u2019\-]{1,25}"
    r"(?:\s(?:(?:de|del|la)\s){0,2}[A-ZÀ-Ý][\w\-]{1,25}){0,3}"
)
_ROMANCE_TOWN = r"(?:[A-ZÀ-Ý][\w'\u2019\-]{1,30}(?:[\s\-][A-ZÀ-Ý][\w\-]{1,30}){0,2})"
_FRENCH = re.compile(
    rf"(?<!\w)(?:\d{{1,4}}(?:\s?(?:bis|ter))?,?\s(?i:{_ROMANCE_STREET})\s{_ROMANCE_NAME}(?:,\s?\d{{5}}(?:\s{_ROMANCE_TOWN})?)?"
    rf"|(?i:{_ROMANCE_STREET})\s{_ROMANCE_NAME}(?:,?\s\d{{1,4}}(?!\d)(?:\s(?i:{_UNIT}|piso\s\d{{1,3}}|puerta\s\d{{1,3}}))?\s?(?:,\s?{_ROMANCE_TOWN})?(?:,\s?\d{{5}})?"
    rf"|,\s?\d{{5}}\s{_ROMANCE_TOWN}))"
)

_HAN = r"\u4e00-\u9fff"
_PROVINCES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|"
    "台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)
_ROAD = rf"[{_HAN}]{{1,8}}?(?:路|街|大道|大街|巷|弄|胡同|道|村|里|新村|小区|花园|广场|公寓|大厦)"
_DOOR = (
    r"(?:[东南西北中]?(?:\d{1,4}|[一二三四五六七八九十]{1,3})(?:段|期|区))?(?:\d{1,5}(?:-\d{1,4})?(?:号|弄|栋|幢|楼|座|室)|[A-Za-z]座)"
    r"(?:院|楼)?(?:[A-Za-z]?\d{0,5}[\-]?[A-Za-z]?\d{0,5}(?:号楼|栋|幢|楼|座|单元|层|室|号|户|房)){0,5}"
)
_NUMBERED = re.compile(r"\d(?:号|弄|栋|幢|楼|座|室)|[A-Za-z]座")
_CHINESE = re.compile(
    rf"(?:(?:{_PROVINCES})(?:省|市|自治区|壮族自治区|回族自治区|维吾尔自治区)?)?"
    rf"(?:[{_HAN}]{{2,7}}?(?:市|自治州|盟))?(?:[{_HAN}]{{1,7}}?(?:区|县|旗))?(?:[{_HAN}]{{1,7}}?(?:镇|乡|街道))?"
    rf"(?:{_ROAD}){{1,3}}{_DOOR}"
    rf"(?:[{_HAN}]{{1,8}}?(?:小区|花园|大厦|广场|公寓|苑|城|家园|新村|大楼|中心){_DOOR}\d{{0,4}})?(?:\s\d{{6}}(?!\d))?"
)
_LEAD = re.compile(
    r"^.{0,12}?(?:(?:现|家|居)?住(?:在|址是|址)?|位于|地址(?:是|为|在)?|寄(?:到|往|给)?|送(?:到|往|至)|发(?:到|往)|搬(?:到|去)"
    r"|来到|就在|我家在|公司在|家在|在|到|去|是)"
)

_GIVEN = r"[A-Z\u00c0-\u00de][a-zA-Z\u00df-\u024f'\u2019\-]{1,20}"
_PERSON = rf"{_GIVEN}(?:[ ](?:[A-Z]\.|(?:van|von|de|der|la|bin|al)(?=[ ])|{_GIVEN})){{0,3}}"
_ENGLISH_NAME = re.compile(
    r"\b(?i:my name is|my name's|i am called|name:|full name:|contact person:|signed,?|regards,|sincerely,)\s{1,3}"
    rf"({_PERSON})"
)
_SURNAMES = (
    "欧阳|司马|上官|诸葛|王|李|张|刘|陈|杨|黄|赵|吴|周|徐|孙|马|朱|胡|郭|何|高|林|罗|郑|梁|谢|宋|唐|许|韩|冯|邓|曹|彭|曾|肖|田|董|袁|潘|于|蒋|蔡|余|杜|叶|"
    "程|苏|魏|吕|丁|任|沈|姚|卢|姜|崔|钟|谭|陆|汪|范|金|石|廖|贾|夏|韦|付|方|白|邹|孟|熊|秦|邱|江|尹|薛|闫|段|雷|侯|龙|史|陶|黎|贺|顾|毛|郝|龚|邵|万|钱|严|"
    "覃|武|戴|莫|孔|向|汤"
)
_CHINESE_NAME = re.compile(
    r"(?:我叫|我的名字[是叫]|(?:姓名|联系人|收件人|收货人|本人)\s?[:：是为]?\s?|名叫)"
    rf"((?:{_SURNAMES})[{_HAN}]{{1,2}})"
)


def addresses(text: str) -> Iterator[Finding]:
    """Street addresses with a house number, and post boxes."""
    for pattern in (_ENGLISH, _WITH_UNIT, _BOX, _GERMAN, _FRENCH):
        yield from (Finding(*match.span(), "ADDRESS") for match in pattern.finditer(text))
    yield from _backwards(text, _POSTAL_CODE, _WITH_POSTAL_CODE)
    for found in _backwards(text, _NUMBERED, _CHINESE):
        address = text[found.start : found.end]
        lead = _LEAD.match(address)
        kept = lead.end() if lead and lead.end() < len(address) - 4 else 0
        yield Finding(found.start + kept, found.end, "ADDRESS")


def _backwards(text: str, end: re.Pattern[str], whole: re.Pattern[str]) -> Iterator[Finding]:
    """Addresses found from what they end with: a text that only begins like many of them costs nothing."""
    done = 0
    for last in end.finditer(text):
        if last.start() >= done and (match := whole.search(text, max(done, last.start() - 100), last.end() + 80)):
            yield Finding(match.start(), match.end(), "ADDRESS")
            done = match.end()


def names(text: str) -> Iterator[Finding]:
    """Names that a person gives: behind "my name is", "regards," 我叫, 联系人. Names they talk of stay."""
    for pattern in (_ENGLISH_NAME, _CHINESE_NAME):
        yield from (Finding(*match.span(1), "NAME") for match in pattern.finditer(text))
