"""Rules for Chinese postal addresses, simplified and traditional: a road, a village or an estate with a door in it.

Places without a number (南京路, 朝阳区) are no personal data and stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from burnish.feedback.masking.addresses import backwards
from burnish.feedback.masking.findings import Finding

_HAN = r"[\u4e00-\u9fff]"
_PROVINCE = (
    "(?:北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西"
    "|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门)"
)
_KINDS = (
    "路|街|大道|大街|巷|弄|弄堂|里弄|胡同|村|新村|小区|社区|花园|广场|公寓|大厦|园|苑|庭|府|湾|城|庄|坊|桥|中心|科技园"
    "|工业区|开发区|市场"
    # no road is a channel or what somebody knows; no lane is here, there or a kilometre; no gate a department
    "|(?<![知味频报轨渠管隧赛通])道|(?<![这那哪公家手心夜])里|(?<![部专热])门"
)
_PART = r"[东南西北中]?(?:\d{1,4}|[一二三四五六七八九十]{1,3}|[A-Za-z])?(?:段|期|区|巷|条|弄|横|支路|街坊|组|队|社)"
_ROAD = rf"{_HAN}{{1,10}}?(?:{_KINDS})(?:{_PART})?"
_DOOR = r"""(?:
    (?:[甲乙丙丁]?\d{1,5}(?:-\d{1,4}){0,2}\ ?(?:[号號]|弄|[栋棟]|幢|[楼樓]|座|室|组|鄰)|[A-Za-z]座)
    (?:(?:大|家属|宿舍)?院|[楼樓]|之\d{1,2})?
    (?:\ ?[A-Za-z东西南北]?\d{0,5}-?[A-Za-z]?\d{0,5}
    \ ?(?:号楼|[栋棟]|幢|[楼樓]|座|单元|單元|层|室|[号號]|户|房|门)(?:之\d{1,2})?){0,5}
    (?:[A-Za-z]?\d{3,4}(?!\d|\ ?[年月日元块个件次分点]))?)"""
_ROAD_SAID = (
    rf"{_HAN}{{1,10}}?(?:路|街|大道|大街|巷|弄|胡同|村|(?<![这那哪公家手心夜])里)[东南西北中]?"
    r"(?:[一二三四五六七八九十]段)?"
)
_ESTATE = rf"{_HAN}{{2,10}}?(?:小区|社区|花园|家园|新村|公寓|苑|园|庭|府|湾|里|坊|城|庄)"
_SAID = r"[一二三四五六七八九十百]{1,5}"
_NO_DOOR = "(?!线|店|人|选手|球|公路|机|仓|馆|作品|文件|种子|台|主|角)"
_DOOR_SAID = rf"{_SAID}[号號]{_NO_DOOR}(?:院|[楼樓]|{_SAID}(?:[栋棟]|幢|单元|室|[楼樓])){{0,3}}"
_FLAT = r"\d{1,3}-(?:\d{1,2}-)?\d{3,4}(?![\d\-])"  # block, staircase, flat
_CHINESE_DOOR = re.compile(
    rf"\d\ ?(?:[号號]|弄|[栋棟]|幢|[楼樓]|座|室|组|鄰)|[A-Za-z]座|[路街巷弄村道同里]{_SAID}[号號]|(?<={_HAN}){_FLAT}"
)
_CHINESE = re.compile(
    rf"""(?:{_PROVINCE}(?:省|市|自治区|壮族自治区|回族自治区|维吾尔自治区)?)?
    (?:{_HAN}{{2,7}}?(?:市|自治州|盟))? (?:{_HAN}{{1,7}}?(?:[区區县縣]|旗))?
    (?:{_HAN}{{1,7}}?(?:[镇鎮乡鄉]|街道))?
    (?:(?:{_ROAD}){{1,3}} \ ?{_DOOR}
    (?:{_HAN}{{1,8}}?(?:小区|花园|大厦|广场|公寓|苑|城|家园|新村|大楼|中心)
       (?:\ ?{_DOOR}\d{{0,4}}|[A-Za-z]?\d{{3,4}}(?!\d)室?))?
    (?:\s\d{{6}}(?!\d))?
    | {_ROAD_SAID}{_DOOR_SAID} | {_ESTATE}{_FLAT})""",
    re.VERBOSE,
)
_LEAD = re.compile(  # what is said before an address, in characters that an address could begin with
    r"^.{0,12}?(?:(?:现|家|居)?住(?:在|址是|址)?|位于|地址(?:是|为|在)?|寄(?:到|往|给)?|送(?:到|往|至)|发(?:到|往)"
    r"|搬(?:到|去)|来到|就在|我家在|公司在|家在|在|到|去|是)"
)


def chinese_addresses(text: str) -> Iterator[Finding]:
    """Addresses with a door, without what leads up to them ("我住在")."""
    for start, end in backwards(text, _CHINESE_DOOR, _CHINESE):
        lead = _LEAD.match(text[start:end])
        kept = lead.end() if lead and lead.end() < end - start - 4 else 0
        yield Finding(start + kept, end, "ADDRESS")
