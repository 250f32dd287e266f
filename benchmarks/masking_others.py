"""How much personal data made by others does masking find? Their authors never saw our rules.

pip install faker phonenumbers python-stdnum exrex detect-secrets && pip install --no-deps presidio-evaluator
python benchmarks/masking_others.py [--values 12] [--seed 0] [--missed dev]

Values: e-mail, cards, addresses, plates and passwords by Faker in its locales; telephone numbers by phonenumbers for
every region, in four ways of writing them; IBANs of every country in SWIFT's registry and national ids of some sixty
countries by python-stdnum (the examples of its own documentation, with other digits behind which its checks still say
yes); keys drawn from the expressions of detect-secrets. Sentences: presidio-evaluator's, and Chinese ones of our own.

Countries, locales and key makers are dealt into two halves by a hash, sentences by turns. Rules may be mended by what
is missed in the half *dev* (`--missed dev`); the other half, *other*, is for reading the figure only. Bare values, with
no word beside them that says what they are, are told apart: eleven digits alone are an id in one country and an order
number in another.
"""

from __future__ import annotations

import argparse
import importlib
import random
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path
from typing import Any

import exrex
import phonenumbers
from faker import Faker
from faker.config import AVAILABLE_LOCALES
from masking import row
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from stdnum import numdb
from stdnum.iso7064 import mod_97_10

from burnish.feedback.masking import find

Drawn = tuple[str, str, str]
"""Type of data, where it is from (the unit that is dealt into a half), value."""

CHINESE = {
    "EMAIL": "邮箱是{}|请发到{}，谢谢",
    "PHONE": "我的电话是{}|手机：{}，下午打",
    "CARD": "卡号{}|用{}付的款",
    "IBAN": "IBAN：{}|汇到{}就行",
    "NATIONAL_ID": "身份证号{}|证件号码是{}",
    "IP": "从{}登录的|服务器{}连不上",
    "KEY": "密钥是{}|用这个 token：{} 试试",
    "ADDRESS": "请寄到{}|地址：{}",
}
"""Sentences of our own, in Chinese."""
ENGLISH = {
    "NATIONAL_ID": "My national ID number is {}.|ID card no. {}|his identity number: {}",
    "KEY": "the api key {} leaked|use this token: {}",
    "PASSWORD": "password: {}|my password is {}",
    "PLATE": "number plate {}|my license plate is {}.",
    "MAC": "device {} joined",
}
"""Sentences of our own for what presidio-evaluator has none for."""
BARE = "{}|it was {} I think|我记得是{}"
PRESIDIO = {
    "email": "EMAIL",
    "phone_number": "PHONE",
    "credit_card_number": "CARD",
    "iban": "IBAN",
    "ssn": "NATIONAL_ID",
    "ip_address": "IP",
    "address": "ADDRESS",
}
PERSONS = """
    ar.dni ar.cuit at.vnr au.tfn be.nn bg.egn br.cpf ca.sin ch.ssn cl.rut cn.ric cr.cpf cu.ni cz.rc de.idnr dk.cpr
    do.cedula ec.ci ee.ik es.dni es.nie fi.hetu fr.nir fr.nif gb.nhs gb.utr gr.amka hr.oib id.nik ie.pps il.idnr
    in_.aadhaar in_.pan is_.kennitala it.codicefiscale jp.in_ ke.pin kr.rrn lt.asmens mu.nid mx.curp my.nric nl.bsn
    no.fodselsnummer nz.ird pe.cui pk.cnic pl.pesel pt.cc ro.cnp se.personnummer si.emso sk.rc th.pin tr.tckimlik
    ua.rntrc us.ssn us.itin us.atin za.idnr
""".split()  # noqa: SIM905 -- a table of names
"""The modules of python-stdnum whose numbers stand for a person."""
KEYS = """
    azure_storage_key discord github_token gitlab_token mailchimp openai pypi_token sendgrid slack
    square_oauth stripe telegram_token twilio
""".split()  # noqa: SIM905 -- a table of names
ADDRESSES = ("en_US", "en_GB", "en_CA", "en_AU", "de_DE", "de_AT", "fr_FR", "es_ES", "it_IT", "zh_CN", "zh_TW")


def half(unit: str) -> str:
    """Return which half a country, locale or maker of keys was dealt into."""
    return ("dev", "other")[zlib.crc32(unit.encode()) & 1]


def faked(values: int, seed: int) -> Iterator[Drawn]:
    """Yield what Faker makes up in its locales."""
    makers = {"EMAIL": "email", "EMAIL, company": "company_email", "PLATE": "license_plate", "PASSWORD": "password"}
    for locale in sorted(AVAILABLE_LOCALES):
        faker = Faker(locale)
        faker.seed_instance(seed)
        wanted = {**makers, "PHONE, Faker": "phone_number", "NATIONAL_ID, Faker": "ssn"}
        if locale in ADDRESSES:
            wanted |= {"ADDRESS, with town": "address", "ADDRESS, street": "street_address"}
        for type_, maker in wanted.items():
            if not hasattr(faker, maker):  # of some locales Faker knows no numbers
                continue
            for _ in range(values if "ADDRESS" not in type_ else 10 * values):
                yield type_, locale, " ".join(str(getattr(faker, maker)()).replace("\n", ", ").split())
    faker = Faker("en_US")
    faker.seed_instance(seed)
    machines = {
        "CARD": "credit_card_number",
        "IP": "ipv4",
        "IP, version 6": "ipv6",
        "MAC": "mac_address",
    }
    for unit in range(20):
        for type_, maker in machines.items():
            for _ in range(values):
                yield type_, f"draw {unit}", str(getattr(faker, maker)())


def telephones(values: int, rng: random.Random) -> Iterator[Drawn]:
    """Yield numbers of every region, with other last digits than the library's examples."""
    ways = {
        "PHONE, +": (PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.E164, PhoneNumberFormat.RFC3966),
        "PHONE, national": (PhoneNumberFormat.NATIONAL,),
    }
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE):
            example = phonenumbers.example_number_for_type(region, kind)
            for type_, forms in ways.items() if example else ():
                for n in range(max(1, values // 4)):
                    number = phonenumbers.PhoneNumber()
                    number.merge_from(example)
                    number.national_number = example.national_number // 100 * 100 + rng.randrange(100)
                    yield type_, region, phonenumbers.format_number(number, forms[n % len(forms)]).removeprefix("tel:")


def accounts(values: int, rng: random.Random) -> Iterator[Drawn]:
    """Yield IBANs of every country, some in groups of four."""
    letters = {"n": "0123456789", "a": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "c": "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"}
    with open(Path(numdb.__file__).with_name("iban.dat"), encoding="utf-8") as registry:
        countries = re.findall(r'^([A-Z]{2}) .*bban="([^"]+)"', registry.read(), re.MULTILINE)
    for country, form in countries:
        for n in range(values // 2):
            parts = re.findall(r"(\d+)!([nac])", form)
            rest = "".join(rng.choice(letters[kind]) for length, kind in parts for _ in range(int(length)))
            code = country + mod_97_10.calc_check_digits(rest + country) + rest
            yield "IBAN", country, " ".join(code[at : at + 4] for at in range(0, len(code), 4)) if n % 2 else code


def identities(values: int, rng: random.Random) -> Iterator[Drawn]:
    """Yield national ids: the documented examples, and others of their form that the library says are valid."""
    for name in PERSONS:
        module: Any = importlib.import_module(f"stdnum.{name}")
        examples = [each for each in re.findall(r"'([^'\n]{7,25})'", module.__doc__) if module.is_valid(each)]
        made = set(examples)
        for example in examples:
            for _ in range(3000):
                other = re.sub(r"\d(?=\D*(?:\d\D*){0,3}$)", lambda _: rng.choice("0123456789"), example)
                if len(made) < values and module.is_valid(other):
                    made.add(other)
        yield from (("NATIONAL_ID", name[:2], each) for each in sorted(made)[:values])


def secrets(values: int, seed: int) -> Iterator[Drawn]:
    """Yield keys in the forms that detect-secrets looks for."""
    random.seed(seed)  # exrex draws from the module's own generator
    for name in KEYS:
        module = importlib.import_module(f"detect_secrets.plugins.{name}")
        plugin = next(each for key, each in vars(module).items() if key.endswith("Detector") and "Regex" not in key)
        for expression in plugin.denylist:
            for _ in range(values if "(?i)" not in expression.pattern and len(expression.pattern) < 120 else 0):
                value = exrex.getone(expression.pattern.replace("(?!\\w)", ""), limit=40)
                yield "KEY", name, value.rsplit("=", 1)[-1] if value.startswith("AccountKey") else value


def sentences() -> dict[str, list[str]]:
    """Return by type the sentences with one gap."""
    found = defaultdict(list)
    path = next(each for each in files("presidio-evaluator") or () if each.name == "templates.txt")
    for line in Path(str(path.locate())).read_text(encoding="utf-8", errors="replace").splitlines():
        gaps = re.findall(r"\{\{(\w+)\}\}", line)
        if len(gaps) == 1 and (type_ := PRESIDIO.get(gaps[0])):
            found[type_].append(line.replace("\\n", "\n").replace("{{" + gaps[0] + "}}", "{}"))
    for more in (CHINESE, ENGLISH):
        for type_, joined in more.items():
            found[type_] += joined.split("|")
    return found


def masked_whole(sentence: str, value: str) -> bool:
    start = sentence.index("{}")
    text = sentence[:start] + value + sentence[start + 2 :]
    covered = {at for each in find(text) for at in range(each.start, each.end)}
    return covered.issuperset(range(start, start + len(value)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=12, help="of each type and country")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--missed", choices=("dev", "other"), help="print what is missed in this half")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    said = sentences()
    drawn = [*faked(args.values, args.seed), *telephones(args.values, rng), *accounts(args.values, rng)]
    drawn += [*identities(args.values, rng), *secrets(args.values, args.seed)]
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for type_, unit, value in drawn:
        all_said = said[type_.split(",")[0]]
        every_second = all_said[half(unit) == "other" :: 2] or all_said
        for name, choices in ((type_, every_second), (f"{type_}, bare", BARE.split("|"))):
            sentence = rng.choice(choices)
            whole = masked_whole(sentence, value)
            counts[name, half(unit)].update(values=1, found=whole)
            if not whole and args.missed == half(unit):
                print(f"  {name} ({unit}): {sentence.format(value)}")
    print(f"{'':<24}{'values':>7}{'recall':>8} [95%]")
    for name, part in sorted(counts, key=lambda key: (key[0].endswith("bare"), key)):
        print(row(f"{name} ({part})"[:40].ljust(40), counts[name, part]).split("       0")[0])


if __name__ == "__main__":
    main()
