"""Rules for names that a person gives: behind "my name is", 我叫, 联系人, and in a signature.

A name has no form, and the names people talk of (of a film's director, say) are what a text is about. Who wants names
masked wherever they stand hands an engine of named entities to the masker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from burnish.feedback.masking.findings import Finding

_WORD = r"[A-Z\u00c0-\u00de][a-zA-Z\u00df-\u024f'\u2019\-]{1,20}"
_PERSON = rf"{_WORD}(?:[ ](?:[A-Z]\.|(?:van|von|de|der|la|bin|al)(?=[ ])|{_WORD})){{0,3}}"
_ENGLISH = re.compile(
    r"\b(?i:my name is|my name's|i am called|name:|full name:|contact person:|signed,?|regards,|sincerely,)\s{1,3}"
    rf"({_PERSON})"
)
_SURNAMES = (
    "欧阳|司马|上官|诸葛|王|李|张|刘|陈|杨|黄|赵|吴|周|徐|孙|马|朱|胡|郭|何|高|林|罗|郑|梁|谢|宋|唐|许|韩|冯|邓|曹|彭|曾|肖|田|董"
    "|袁|潘|于|蒋|蔡|余|杜|叶|程|苏|魏|吕|丁|任|沈|姚|卢|姜|崔|钟|谭|陆|汪|范|金|石|廖|贾|夏|韦|付|方|白|邹|孟|熊|秦|邱|江|尹"
    "|薛|闫|段|雷|侯|龙|史|陶|黎|贺|顾|毛|郝|龚|邵|万|钱|严|覃|武|戴|莫|孔|向|汤"
)
_CHINESE = re.compile(
    r"(?:我叫|我的名字[是叫]|(?:姓名|联系人|收件人|收货人|本人)\s?[:：是为]?\s?|名叫)"
    rf"((?:{_SURNAMES})[\u4e00-\u9fff]{{1,2}})"
)


def names(text: str) -> Iterator[Finding]:
    """Names that a word announces."""
    for pattern in (_ENGLISH, _CHINESE):
        yield from (Finding(*match.span(1), "NAME") for match in pattern.finditer(text))
