"""How much personal data made by somebody else does masking find?

pip install faker && python benchmarks/masking_faker.py [--values 300] [--seed 0]

The package Faker makes up values in the forms of several countries; its authors never saw our rules, and its streets
are named as no street is ("Emma Oval", "Banks Overpass"), which makes addresses without a town and a postal code
harder than people's. Each value stands in one plain sentence; it is found when every character of it is masked.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from faker import Faker

from burnish.feedback.masking import find

LOCALES = ("en_US", "en_GB", "zh_CN", "de_DE", "fr_FR", "es_ES")
MAKERS = {
    "email": "Write to {} please.",
    "phone_number": "Call {} after six.",
    "credit_card_number": "Card {} was declined.",
    "iban": "IBAN {}",
    "ssn": "SSN {} there.",
    "ipv4": "from {} at noon",
    "ipv6": "from {} at noon",
    "mac_address": "device {} joined",
    "password": "password: {}",
    "license_plate": "number plate {}",
    "address": "I live at {}.",
    "street_address": "I live at {}.",
}


def recall(make: Callable[[], Any], sentence: str, values: int) -> float:
    """Return the share of values that are masked whole."""
    whole = 0
    for _ in range(values):
        value = str(make()).replace("\n", ", ").strip()
        text = sentence.format(value)
        covered = {at for each in find(text) for at in range(each.start, each.end)}
        start = text.index(value)
        whole += covered.issuperset(range(start, start + len(value)))
    return whole / values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(f"{'':<20}" + "".join(f"{locale:>8}" for locale in LOCALES))
    for maker, sentence in MAKERS.items():
        cells = []
        for locale in LOCALES:
            faker = Faker(locale)
            faker.seed_instance(args.seed)
            cells.append(f"{recall(getattr(faker, maker), sentence, args.values):>8.3f}")
        print(f"{maker:<20}" + "".join(cells))


if __name__ == "__main__":
    main()
