"""Check digits: whether a number is one that somebody could have been given, or only looks like it.

Every function takes the number without separators, letters in capitals, and says whether its check digits are right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

IBAN_LENGTHS: Mapping[str, int] = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24,
    "XK": 20, "BI": 27, "DJ": 27, "FK": 18, "HN": 28, "MN": 20, "NI": 28, "OM": 23, "RU": 33, "SD": 18, "SO": 23,
    "YE": 30,
}  # fmt: skip
"""Characters of an IBAN by country (SWIFT's IBAN registry)."""

_VERHOEFF = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_TURNS = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def luhn(digits: str) -> bool:
    """Payment cards, Canadian SIN: every second digit from the right doubled, the digits' sum divisible by ten."""
    doubled = (sum(divmod(2 * int(each), 10)) if place % 2 else int(each) for place, each in enumerate(digits[::-1]))
    return sum(doubled) % 10 == 0


def card(digits: str) -> bool:
    """A payment card: Luhn, and the first digits and length of an issuer there is."""
    first, two, four, n = digits[0], int(digits[:2]), int(digits[:4]), len(digits)
    issuers = (
        first == "4" and n in (16, 19),  # of 13 digits there are none any more, but EAN codes are
        (51 <= two <= 55 or 2221 <= four <= 2720) and n == 16,
        two in (34, 37) and n == 15,
        (two in (62, 65, 81) or four == 6011 or 644 <= int(digits[:3]) <= 649) and 16 <= n <= 19,
        two == 35 and 16 <= n <= 19,
        (two in (36, 38, 39) or 300 <= int(digits[:3]) <= 305) and 14 <= n <= 19,
        two in (50, 56, 57, 58, 63, 67) and 12 <= n <= 19,
        four in (1800, 2131) and n == 15,
    )
    return any(issuers) and len(set(digits)) > 1 and luhn(digits)


def iban(code: str) -> bool:
    """ISO 13616: the country's length, and the number with its first four characters at the end is 1 modulo 97."""
    if len(code) != IBAN_LENGTHS.get(code[:2]):
        return False
    return int("".join(str(int(each, 36)) for each in code[4:] + code[:4])) % 97 == 1


def chinese_id(number: str) -> bool:
    """GB 11643: weights 2^(17-i) modulo 11, the last character 0 to 9 or X."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[sum(int(a) * b for a, b in zip(number, weights, strict=False)) % 11] == number[17]


def us_ssn(digits: str) -> bool:
    """Numbers the Social Security Administration never gives are none (area 000, 666, 9xx; group 00; serial 0000)."""
    return digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"


def spanish_dni(code: str) -> bool:
    """DNI and NIE: the letter is the number modulo 23, X, Y, Z in front standing for 0, 1, 2."""
    number = int(str("XYZ".find(code[0])) + code[1:-1]) if code[0] in "XYZ" else int(code[:-1])
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23] == code[-1]


def brazilian_cpf(digits: str) -> bool:
    """Two check digits, each a weighted sum modulo 11."""
    for n in (9, 10):
        rest = sum(int(each) * (n + 1 - place) for place, each in enumerate(digits[:n])) * 10 % 11 % 10
        if rest != int(digits[n]):
            return False
    return len(set(digits)) > 1


def aadhaar(digits: str) -> bool:
    """India: Verhoeff's scheme."""
    check = 0
    for place, each in enumerate(digits[::-1]):
        check = int(_VERHOEFF[check][int(_VERHOEFF_TURNS[place % 8][int(each)])])
    return check == 0


def french_nir(code: str) -> bool:
    """97 minus the number modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    number = code[:13].replace("2A", "19").replace("2B", "18")
    return 97 - int(number) % 97 == int(code[13:])


def irish_pps(code: str) -> bool:
    """Weights 8 to 2, and 9 for a second letter; the letter is the sum modulo 23, W for 0."""
    total = sum(int(each) * (8 - place) for place, each in enumerate(code[:7]))
    total += 9 * ("WABCDEFGHI".index(code[8]) if len(code) > 8 else 0)
    return "WABCDEFGHIJKLMNOPQRSTUV"[total % 23] == code[7]


def hong_kong_id(code: str) -> bool:
    """Weights 9 to 1, letters 10 to 35, a missing first letter 36; divisible by 11."""
    values = [36] * (9 - len(code)) + [int(each, 36) for each in code]
    return sum(value * (9 - place) for place, value in enumerate(values)) % 11 == 0


def singapore_nric(code: str) -> bool:
    """Weights 2, 7, 6, 5, 4, 3, 2, with 4 more for T and G; M has a table of its own."""
    total = sum(int(a) * b for a, b in zip(code[1:8], (2, 7, 6, 5, 4, 3, 2), strict=True))
    total += {"T": 4, "G": 4, "M": 3}.get(code[0], 0)
    table = "JZIHGFEDCBA" if code[0] in "ST" else "XWUTRQPNMLK" if code[0] in "FG" else "KLJNPQRTUWX"
    return table[total % 11 if code[0] != "M" else 10 - total % 11] == code[8]


def taiwan_id(code: str) -> bool:
    """The letter as two digits, weights 1, 9, 8 ... 1, 1; divisible by ten."""
    letter = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(code[0]) + 10
    weights = (8, 7, 6, 5, 4, 3, 2, 1, 1)
    total = letter // 10 + 9 * (letter % 10) + sum(int(a) * b for a, b in zip(code[1:], weights, strict=True))
    return total % 10 == 0


def base58(address: str) -> bool:
    """Base58Check of Bitcoin's older addresses, and of several coins made after it: the last four bytes are a double
    SHA-256 of the others."""
    number = 0
    for each in address:
        number = number * 58 + _BASE58.index(each)
    raw = number.to_bytes(25, "big") if number < 1 << 200 else b""
    return bool(raw) and hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]
