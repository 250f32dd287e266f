"""Numbers that issuers or their standards print as examples, and the same with another last character."""

import random

import pytest

from burnish.feedback.masking import checksums

EXAMPLES = [
    (checksums.luhn, "79927398713"),
    (checksums.card, "4111111111111111"),
    (checksums.card, "378282246310005"),
    (checksums.card, "6304000000000000"),
    (checksums.iban, "GB29NWBK60161331926819"),
    (checksums.iban, "NO9386011117947"),
    (checksums.chinese_id, "11010519491231002X"),
    (checksums.spanish_dni, "12345678Z"),
    (checksums.spanish_dni, "X1234567L"),
    (checksums.brazilian_cpf, "52998224725"),
    (checksums.aadhaar, "499118665246"),
    (checksums.french_nir, "255081416802538"),
    (checksums.hong_kong_id, "A1234563"),
    (checksums.hong_kong_id, "AB9876543"),
    (checksums.singapore_nric, "S1234567D"),
    (checksums.singapore_nric, "T1234567J"),
    (checksums.singapore_nric, "F1234567N"),
    (checksums.singapore_nric, "M1234567K"),
    (checksums.taiwan_id, "A123456789"),
    (checksums.base58, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
]


@pytest.mark.parametrize(
    ("check", "number"), EXAMPLES, ids=[f"{check.__name__}-{number}" for check, number in EXAMPLES]
)
def test_examples_are_right_and_one_other_character_is_not(check, number):
    assert check(number)
    alphabet = "0123456789" if number[-1].isdigit() else "ABCDEFGHJKLMNPQRSTUVWXYZ"
    others = [number[:-1] + each for each in alphabet if each != number[-1]]
    assert sum(map(check, others)) <= 1  # eleven remainders fall on ten digits: one may share its check digit


@pytest.mark.parametrize("number", ["000123456", "666123456", "900123456", "123006789", "123450000"])
def test_social_security_numbers_that_are_never_given(number):
    assert not checksums.us_ssn(number)
    assert checksums.us_ssn("078051120")


def test_verhoeff_finds_every_change_of_one_digit_and_every_swap_of_neighbours():
    rng = random.Random(0)
    number = "499118665246"
    for place in range(12):
        for digit in set("0123456789") - {number[place]}:
            assert not checksums.aadhaar(number[:place] + digit + number[place + 1 :])
    for place in range(11):
        if number[place] != number[place + 1]:
            swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
            assert not checksums.aadhaar(swapped)
    assert 50 < sum(checksums.aadhaar(f"{rng.randrange(10**12):012}") for _ in range(1000)) < 150
