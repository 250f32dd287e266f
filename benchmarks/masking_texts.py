"""Sentences with made-up personal data in them, marked, for benchmarks/masking.py. Check digits are computed here."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Iterator

Draw = Callable[[random.Random], str]
MARK = re.compile(r"⟦([A-Z_]+)\|(.*?)⟧", re.DOTALL)
CHINESE = str.maketrans("0123456789", "零一二三四五六七八九")
SPOKEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HEXADECIMAL = "0123456789abcdef"


def fill(rng: random.Random, form: str) -> str:
    """Return a form with # as a digit, ? as a digit from 2, ^ as a capital, * as a letter or digit."""
    letters = {
        "#": string.digits,
        "?": "23456789",
        "^": string.ascii_uppercase,
        "*": string.ascii_letters + string.digits,
    }
    return "".join(rng.choice(letters[each]) if each in letters else each for each in form)


def grouped(number: str, sizes: list[int], gap: str) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return gap.join(part for part in (*parts, number[at:]) if part)


def wide(text: str) -> str:
    """Return a text as a Chinese keyboard writes it in full width."""
    return "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in text)


def invisible(rng: random.Random, text: str) -> str:
    """Return a text with two invisible characters in it."""
    for _ in range(2):
        at = rng.randrange(1, len(text))
        text = text[:at] + rng.choice("\u200b\u200d\u2060\ufeff") + text[at:]
    return text


# ------------------------------------------------------------------------------------------------- people and machines


def email(rng: random.Random) -> str:
    name = rng.choice(["jane", "li.wei", "bob_k", "anna-maria", "x.y.z", "o.brien"])
    name += rng.choice(["", "77", ".doe", "+lamp"])
    host = rng.choice(["example.com", "mail.example.org", "qq.com", "163.com", "uni-example.de", "example.co.uk"])
    plain = f"{name}@{host}"
    hidden = [
        f"{name} @ {host}",
        f"{name} (at) {host.replace('.', ' (dot) ')}",
        f"{name}[at]{host.replace('.', '[dot]')}",
        f"{name} at {host.replace('.', ' dot ')}",
        f"{name}艾特{host.replace('.', '点')}",
    ]
    return rng.choice([plain, plain, plain.upper(), wide(plain), invisible(rng, plain), *hidden])


def chinese_phone(rng: random.Random) -> str:
    number = fill(rng, f"1{rng.choice('3456789')}#########")
    landline = fill(rng, "?### ####")
    ways = [
        number,
        number,
        grouped(number, [3, 4], " "),
        grouped(number, [3, 4], "-"),
        f"+86 {number}",
        f"+86-{number}",
    ]
    ways += [wide(number), number.translate(CHINESE), invisible(rng, number), f"010-{landline}", f"(0571) {landline}"]
    return rng.choice(ways)


def phone(rng: random.Random) -> str:
    number = fill(rng, "?##?######")
    forms = ["(?##) ?##-####", "?##-?##-####", "?##.?##.####", "+1 ?## ?## ####", "+44 20 7### ####", "+49 17# #######"]
    forms += ["07### ######", "01 ## ## ## ##", "+61 4## ### ###", "+55 11 9####-####", "+33 6 ## ## ## ##"]
    spoken = " ".join(SPOKEN[int(each)] for each in number)
    return rng.choice([*(fill(rng, form) for form in forms), wide(fill(rng, "(?##)?##-####")), spoken])


def ip(rng: random.Random) -> str:
    four = ".".join(str(rng.randint(1, 254)) for _ in range(4))
    six = ":".join(f"{rng.randrange(1, 65536):x}" for _ in range(8))
    short = f"2001:db8:{rng.randrange(1, 65536):x}::{rng.randrange(1, 65536):x}:{rng.randrange(1, 9999)}"
    return rng.choice([four, four, six, short, four.replace(".", "[.]"), wide(four)])


def mac(rng: random.Random) -> str:
    return rng.choice(":-").join(f"{rng.randrange(256):02X}" for _ in range(6))


def handle(rng: random.Random) -> str:
    return rng.choice(["lamp_", "sunny", "wang"]) + fill(rng, rng.choice(["###", "#####"]))


def key(rng: random.Random) -> str:
    forms = [f"sk-{'*' * 48}", f"ghp_{'*' * 36}", f"AKIA{'^' * 16}", f"hf_{'*' * 34}", f"xoxb-{'#' * 12}-{'*' * 24}"]
    forms += [f"AIza{'*' * 35}", f"sk_live_{'*' * 24}", f"glpat-{'*' * 20}", f"eyJ{'*' * 20}.eyJ{'*' * 40}.{'*' * 43}"]
    return fill(rng, rng.choice(forms))


def password(rng: random.Random) -> str:
    word = rng.choice(["hunter", "Lampe", "qwert", "Sommer", "dragon"])
    return word + fill(rng, rng.choice(["#", "##", "####"])) + rng.choice(["", "!", "-x", "@z"])


# ------------------------------------------------------------------------------------------------------------- numbers


def luhn_digit(number: str) -> str:
    total = sum(sum(divmod(2 * int(d), 10)) if i % 2 == 0 else int(d) for i, d in enumerate(reversed(number)))
    return str(-total % 10)


def card(rng: random.Random) -> str:
    starts = [("4", 16), ("51", 16), ("37", 15), ("6011", 16), ("62", 16), ("62", 19), ("2221", 16)]
    start, length = rng.choice(starts)
    number = fill(rng, start + "#" * (length - 1 - len(start)))
    number += luhn_digit(number)
    sizes = [4, 6] if length == 15 else [4, 4, 4, 4]
    spaced = grouped(number, sizes, " ")
    ways = [number, spaced, spaced.replace(" ", "-"), spaced.replace(" ", "."), wide(number), wide(spaced)]
    return rng.choice([*ways, invisible(rng, number)])


def iban(rng: random.Random) -> str:
    country, form = rng.choice(
        [
            ("DE", "#" * 18),
            ("FR", "#" * 23),
            ("ES", "#" * 20),
            ("NL", "^^^^" + "#" * 10),
            ("GB", "^^^^" + "#" * 14),
            ("CH", "#" * 17),
            ("NO", "#" * 11),
        ]
    )
    rest = fill(rng, form)
    check = 98 - int("".join(str(int(each, 36)) for each in rest + country + "00")) % 97
    code = f"{country}{check:02}{rest}"
    spaced = grouped(code, [4] * 8, " ")
    return rng.choice([code, spaced, code.lower(), spaced.replace(" ", "-"), wide(code)])


def chinese_id(rng: random.Random) -> str:
    number = rng.choice(["110105", "310104", "440524", "510107", "330106"])
    number += f"{rng.randint(1940, 2015)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}" + fill(rng, "###")
    number += "10X98765432"[sum(int(d) * 2 ** (17 - i) for i, d in enumerate(number)) % 11]
    spaced = grouped(number, [6, 8], " ")
    return rng.choice(
        [number, number, spaced, spaced.replace(" ", "-"), wide(number), number.lower(), invisible(rng, number)]
    )


def other_id(rng: random.Random) -> str:
    """Return an id of the US, the UK, Spain, Brazil, Italy or France."""
    ssn = f"{rng.randint(1, 665):03}-{rng.randint(1, 99):02}-{rng.randint(1, 9999):04}"
    nino = fill(rng, rng.choice(["AB", "CE", "JR", "WK"]) + " ## ## ## ") + rng.choice("ABCD")
    number = fill(rng, "########")
    dni = number + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]
    cpf = fill(rng, "#########")
    for n in (10, 11):
        cpf += str(sum(int(d) * (n - i) for i, d in enumerate(cpf)) * 10 % 11 % 10)
    italian = fill(rng, f"RSSMRA##{rng.choice('ABCDEHLMPRST')}{rng.randint(1, 31):02}{rng.choice('AFHL')}###^")
    french = fill(rng, f"{rng.choice('12')}##{rng.randint(1, 12):02}{rng.randint(10, 95)}######")
    french += f"{97 - int(french) % 97:02}"
    ways = [ssn, ssn.replace("-", " "), wide(ssn), nino, nino.replace(" ", ""), dni, italian, french]
    return rng.choice([*ways, f"{cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}", grouped(french, [1, 2, 2, 2, 3, 3], " ")])


def passport(rng: random.Random) -> str:
    return fill(rng, rng.choice(["E########", "G########", "EA#######", "?########"]))


def plate(rng: random.Random) -> str:
    return rng.choice("京沪粤浙川") + rng.choice("ABCDE") + rng.choice(["", "·", " "]) + fill(rng, "#####")


def wallet(rng: random.Random) -> str:
    return "0x" + "".join(rng.choice(HEXADECIMAL) for _ in range(40))


def birth_date(rng: random.Random) -> str:
    y, m, d = rng.randint(1940, 2010), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice([f"{y}-{m:02}-{d:02}", f"{d}/{m}/{y}", f"{y}年{m}月{d}日", f"March {d}, {y}"])


# -------------------------------------------------------------------------------------------------------------- places


def address(rng: random.Random) -> str:
    number = rng.randint(1, 9999)
    street = rng.choice(["Maple", "Oak Hill", "St. James", "King", "Old Mill"])
    street += " " + rng.choice(["Street", "Ave", "Road", "Blvd.", "Lane", "Dr"])
    city = rng.choice(["Springfield", "Leeds", "New Haven"])
    ways = [f"{number} {street}", f"{number} {street}, {city}", f"P.O. Box {number}"]
    ways.append(fill(rng, f"{number} {street}, Apt {rng.randint(1, 60)}, {city}, IL #####"))
    ways.append(fill(rng, f"{rng.choice(['Linden', 'Haupt', 'Garten'])}straße {rng.randint(1, 99)}, ##### Berlin"))
    ways.append(fill(rng, f"{rng.randint(1, 99)} rue {rng.choice(['de la Paix', 'Victor Hugo'])}, ##### Lyon"))
    return rng.choice(ways)


def chinese_address(rng: random.Random) -> str:
    place = rng.choice(
        ["北京市朝阳区", "上海市浦东新区", "广东省深圳市南山区", "浙江省杭州市西湖区", "成都市武侯区", ""]
    )
    road = rng.choice(["建国路", "中山大道", "科技园南路", "文三路", "人民南路", "长安街"])
    door = rng.choice(["#号", "1##号", "##号#栋#0#室", "#弄##号", "##号院#号楼#单元"])
    return place + road + fill(rng, door)


# ----------------------------------------------------------------------------------------------------------- the texts

SENTENCES: dict[str, tuple[Draw, str]] = {
    "EMAIL": (email, "Write to {} please.|my mail is {}|邮箱：{}|请联系 {} ，谢谢|({})|Sent from {}, yesterday"),
    "PHONE": (phone, "Call {} after six.|My number: {}.|Reach us on {} or by mail|tel {}|I rang {} twice"),
    "PHONE, Chinese": (chinese_phone, "请打{}找我|手机：{}|我的电话是{}。|联系方式 {} 小李|{}这个号码打不通"),
    "CARD": (card, "Card {} was declined.|卡号{}|I paid with {} yesterday|charge {} instead|刷了 {} 这张卡"),
    "IBAN": (iban, "IBAN {}|Transfer it to {} by Friday.|我的IBAN是 {} 。|my account {} in Europe"),
    "NATIONAL_ID, Chinese": (chinese_id, "身份证号{}|我的证件是 {} 。|ID {} was checked|登记：{}，谢谢"),
    "NATIONAL_ID, other": (other_id, "My id is {} there.|SSN or the like: {}|she gave {} as hers|号码 {} 是国外的"),
    "IP": (ip, "blocked {} again|from {} at noon|服务器{}连不上|the client ({}) timed out"),
    "KEY": (key, "use {} for now|token: {}|密钥是 {} 请保管|leaked {} in the log"),
    "KEY, password": (password, "password: {}|my password is {}|密码：{}|pwd={}|登录密码是{} ，别告诉别人"),
    "MAC": (mac, "device {} joined|网卡地址 {} "),
    "ADDRESS": (address, "I live at {}|Ship it to {}, please|we met at {} once"),
    "ADDRESS, Chinese": (chinese_address, "请寄到{}|我家住{}。|地址：{}，谢谢|公司在{}附近"),
    "BIRTH_DATE": (birth_date, "born on {}|DOB: {}|出生日期：{}"),
    "PLATE": (plate, "车牌号{}|那辆 {} 停在门口"),
    "WALLET": (wallet, "send to {}|钱包 {} "),
    "PASSPORT": (passport, "passport {}|passport number: {}|护照号码{}"),
    "HANDLE": (handle, "wechat: {}|加微信：{}|微信号是{}|my telegram is {}"),
}
"""Type (with a group's name): how a value is drawn, and the sentences it stands in."""

HARMLESS = [
    "Order 20############ has shipped.", "订单编号20############已发货。", "It costs ?##.## euros.", "价格是?###元",
    "Version 2.#.1#.4 is out.", "build 10.0.1####.3### works", "ISBN 978-#-##-######-#", "2024-0?-1# 1#:2#:3#",
    "在20##年?月2#日那天", "Item SKU-####-### is back.", "page ?#### of many", "一共?####人参加", "?##,###,###.##",
    "the ratio is ?#:?#", "?## ### people came.", "RR#########CN", "flight CA?### is late", "pi is 3.############",
    "the lamp uses 1#-2## W", "std::vector<int> a#::b", "第?##页", "the password is required", "my token is too short",
    "Look at the third street, line ?, column ##", "这条路走了?#分钟", "他排第?#名", "commit ?a?b?c?d broke it",
    "He ran ?#.# km in ?#:##", "EAN 400638#######", "room ?##, seats 1##-2##", "a[#:##], b[#::?]", "共有?号线和1#号线",
]  # fmt: skip
"""Sentences with numbers that are nobody's."""

FILLER = [
    "It glows nicely.",
    "The second one is better, I think.",
    "这盏灯很亮。",
    "质量不错，但是有点贵。",
    "I would buy it again.",
    "",
]
NONE = "no personal data"


def generated(texts: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yield (group, marked text): two of three hold personal data, in the same share for each group."""
    rng = random.Random(seed)
    groups = list(SENTENCES)
    for number in range(texts):
        if number % 3 == 2:
            group, middle = NONE, fill(rng, rng.choice(HARMLESS))
        else:
            group = groups[(number - number // 3) % len(groups)]
            draw, sentences = SENTENCES[group]
            middle = rng.choice(sentences.split("|")).format(f"⟦{group.split(',')[0]}|{draw(rng)}⟧")
        yield group, f"{rng.choice(FILLER)} {middle} {rng.choice(FILLER)}".strip()


def unmarked(marked: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the text without its marks, and the places of what they marked."""
    text, planted, at = "", [], 0
    for match in MARK.finditer(marked):
        text += marked[at : match.start()]
        planted.append((len(text), len(text) + len(match[2])))
        text += match[2]
        at = match.end()
    return text + marked[at:], planted
