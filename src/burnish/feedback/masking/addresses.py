"""Rules for postal addresses in English, German, French, Spanish and Italian forms.

An address is known by its form: a number beside a word for a street, or a town beside a postal code. Places without
a number ("Main Street") are no personal data and stay.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from burnish.feedback.masking.findings import Finding

_UPPER, _LOWER = "A-Z\u00c0-\u00de", "a-z\u00df-\u024f"
_APART = r"(?<![A-Za-z0-9\u00c0-\u024f_#.$\-/])"  # where an address begins: not within a price, a tag, a longer number
_CAPITAL_WORD = rf"(?:[{_UPPER}0-9][\w'\u2019\-]{{0,24}}\.?)"
_TOWN_WORD = rf"[{_UPPER}][{_LOWER}'\u2019.][\w'\u2019\-]{{0,24}}"
_TOWN = rf"(?:(?:St|Mt|Ft)\.\s)?(?:{_TOWN_WORD}(?:\s{_TOWN_WORD}){{0,2}})"
_UNIT = r"(?i:(?:level|lot|apt|apartment|suite|ste|unit|flat|floor|fl|room|rm|studio|\#)\.?\s?\#?\s?\w{1,6})"

# ------------------------------------------------------------------------------------------------------------- English

_STREET = (
    r"(?:(?i:street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|place|pl|square|sq|terrace|ter|way"
    r"|parkway|pkwy|highway|hwy|freeway|expressway|turnpike|circle|cir|circuit|close|crescent|cres|mews|row|trail|trl"
    r"|alley|laneway|boardwalk|esplanade|promenade|parade|quay|causeway|bypass|crossing|grove|broadway)"
    # words of everyday, which are streets only with a capital
    r"|Gardens?|Green|Hill|Park|Walk|View|Heights|Rise|Yard|Wharf|Plaza|Loop|Path|Ridge|Vale|Track|Villas?|Drove|Croft"
    r"|Court|Point|Bend|Run|Cove|Glen|Mount|Arcade|Chase|Meadows?|Pass|Strand|End|Gate|Towers?|Estates?)"
)
_NO_STREET_ELSE = (  # what else a street may be called: USPS Publication 28, Australia's AS 4590, Britain
    r"(?:Acres?|Amble|Approach|Bank|Basin|Bay|Beach|Bluff|Bottom|Bow|Brae|Branch|Bridge|Brook|Brow|Burg|Camp|Canyon|Cape"
    r"|Centre|Circus|Cliff|Colonnade|Common|Concourse|Copse|Corner|Corso|Course|Creek|Crest|Cross|Crossroads?|Curve|Cutting"
    r"|Dale|Dam|Dell|Dene|Dip|Divide|Drift|Edge|Elbow|Entrance|Extension|Fairway|Falls?|Ferry|Field|Firetrail|Flat|Fold"
    r"|Footway|Ford|Forest|Forge|Fork|Fort|Frontage|Gap|Garth|Ginnel|Glade|Ground|Harbou?r|Haven|Highroad|Hollow"
    r"|Inlet|Island|Isle|Junction|Key|Knoll|Lake|Landing|Lea|Link|Lock|Lodge|Lookout|Lower|Mall|Manor|Mead|Mill|Mission"
    r"|Motorway|Mountain|Neck|Nook|Orchard|Outlook|Oval|Overpass|Paddocks?|Passage|Pathway|Pike|Pine|Plain|Pocket|Port|Prairie"
    r"|Quad|Quadrant|Ramble|Ramp|Ranch|Range|Reach|Reserve|Rest|Retreat|Ring|Rising|River|Rotary|Round|Route|Shoal|Shore"
    r"|Siding|Skyway|Slope|Sound|Spinney|Spring|Spur|Station|Steps|Stream|Summit|Tarn|Thoroughfare|Throughway|Top|Tor|Trace"
    r"|Tunnel|Turn|Underpass|Union|Upper|Valley|Viaduct|Village|Vista|Waters|Well|Wynd"
    # of many things: only behind numbers that count nothing
    r"|(?:Bluffs|Bridges|Brooks|Centers|Centres|Circles|Cliffs|Corners|Courses|Courts|Coves|Creeks|Crossroad|Curves|Dales"
    r"|Drives|Fields|Flats|Fords|Forges|Forks|Glens|Greens|Groves|Harbors|Hills|Islands|Keys|Knolls|Lakes|Lights|Locks"
    r"|Manors|Mills|Mountains|Parks|Parkways|Pines|Plains|Plazas|Points|Ports|Prairies|Ramps|Rapids|Ridges|Roads|Shoals"
    r"|Shores|Springs|Squares|Stations|Streams|Streets|Summits|Trails|Tunnels|Unions|Valleys|Viaducts|Views|Villages"
    r"|Vistas|Walks|Ways|Wells))"
)
_TITLE_WORD = (  # words of headings and of counting: "12 Best Lakes", "7 Star Lodge"
    r"(?:The|A|An|Of|And|Or|In|Best|Great(?:est)?|Good|Bad|Worst|Big(?:gest)?|Little|Small|Top|First|Last|Next|New|Old|Star|Day"
    r"|Year|Month|Week|Hour|Minute|Second|Foot|Mile|Inch|Percent|Million|Billion|Thousand|Hundred|Dollars?|Easy|Simple|Different"
    r"|More|Most|Other|Amazing|Beautiful|Hidden|Famous|Sacred|Popular|Free|Total|Whole|World|Major|Minor|Real|True|Seasons?|Episodes?"
    r"|Disc|Part|Volume|Series|Piece|Pack|Player|Person|People|Man|Men|Wom[ae]n|Person|Bit|Speed|Gear|Level|Round|Way|Players"
    r"|Jan\w*|Feb\w*|Mar\w*|Apr\w*|May|Jun\w*|Jul\w*|Aug\w*|Sep\w*|Oct\w*|Nov\w*|Dec\w*)"
)
_ZIP = (  # of the US, Australia and Canada with the state; British
    r"(?:[A-Z]{2},?\s\d{5}(?:-\d{4})?|(?:NSW|VIC|QLD|TAS|ACT|NT|SA|WA),?\s\d{4}"
    r"|(?:[A-Z]{2},?\s)?[A-Z]\d[A-Z]\s?\d[A-Z]\d|[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2})(?!\w)"
)
_NUMBER = r"\d{1,5}[A-Za-z]?(?:[\-/]\d{1,4}[A-Za-z]?)?"  # 221B, 22-18, 2/66
_CUE = r"""(?i:
    \baddress(?:es)?(?:\s(?:is|was|to|here|now|for\s\w+))?
    | \baddress(?:es)?\s(?:\w+\s){0,6}(?:to|is|same)
    | \b(?:live[sd]?|living|stay(?:ing)?|born|located|delivered|meet\s\w+)\s(?:at|in|on)
    | \b(?:arrived|offices?(?:\sis|\sare)?|home|house|flat|place|shop|branch|restaurant|party|store)(?:\sis)?\sat
    | \b(?:se[nt][dt]|ship(?:ped)?|deliver(?:ed)?|post(?:ed)?|mail(?:ed)?|return(?:ed)?|go|taxi|moved?|invited?|courier)
      (?:\s(?:it|this|them|me|the\s\w+|my\s\w+|here))?\s(?:to|from)
    | \b(?:my|our|his|her|their)\s(?:\w+\s)?(?:place|home|house|flat|apartment|office)(?:\s(?:is|was|at|on|in)){0,2}
    | 地址[^\d\s]{0,3} | 寄[到往给] | 送[到往至] | 住在?)"""
_ENGLISH = re.compile(
    rf"""{_APART} (?:{_UNIT},?\s)?
    {_NUMBER},?\s (?!Star\s)
    (?:(?:[NS][EW]?|[EW]|North|South|East|West)\.?\s)?
    (?:{_CAPITAL_WORD}\s){{1,4}} {_STREET}\b\.?                 # Baker Street
    (?:,?\s{_UNIT})? (?:,\s?{_TOWN}){{0,2}}
    (?:,?\s(?:{_ZIP}|\d{{5}}(?:-\d{{4}})?|[A-Z]{{2}}(?!\w)))?""",
    re.VERBOSE,
)
_ELSE = re.compile(  # a number above one and one thing: a house
    rf"""{_APART} (?:{_UNIT},?\s)? (?P<number>{_NUMBER})\s
    (?!{_TITLE_WORD}\s) (?:[{_UPPER}][{_LOWER}'\u2019]{{2,20}}\s){{1,2}} (?P<kind>{_NO_STREET_ELSE})
    (?![\w'\u2019\-]|\s[A-Z])
    (?:,?\s{_UNIT})? (?:,\s?{_TOWN}){{0,2}}
    (?:,?\s(?:{_ZIP}|\d{{5}}(?:-\d{{4}})?|[A-Z]{{2}}(?!\w)))?""",
    re.VERBOSE,
)
_WITHIN_A_NAME = re.compile(r"(?:[A-Z][\w'\u2019\-]*|\#|\bno\.?|\$)\s$")  # "Fallout 4 Dark Valley"
_BEFORE_AN_ADDRESS = re.compile(r"\b(?:At|To|In|On|From|Near|Address)\s$")
_FEWEST_OF_MANY = 100
_WITH_UNIT = re.compile(
    rf"{_APART}\d{{1,5}}[A-Za-z]?\s(?:{_CAPITAL_WORD}\s){{1,4}}(?:Apt\.?|Apartment|Suite|Unit)\s\w{{1,5}}(?!\w)"
)
_BOX = re.compile(rf"\b(?i:P\.?\s?O\.?\s?Box)\s\d{{1,6}}(?:,\s{_TOWN}){{0,2}}(?:,?\s(?:{_ZIP}|[A-Z]{{2}}(?!\w)))?")
_MILITARY = re.compile(
    r"\b(?:Unit\s\d+\sBox\s\d+|PSC\s\d+,?\sBox\s\d+|[A-Z]{3,5}\s\w+),\s[AFD]PO,?\sA[AEP]\s\d{5}(?!\d)"
)
_CUED = re.compile(  # behind what announces an address, whatever the street is called
    rf"""{_CUE}[\s,:：]{{0,3}}
    (?P<at>(?:{_UNIT},?\s)? (?!\d+d\s){_NUMBER},?\s {_CAPITAL_WORD}
    (?:(?:\s{_CAPITAL_WORD}){{1,3}}|(?=,\s?{_TOWN})) (?:,?\s{_UNIT})? (?:,\s?{_TOWN}){{0,2}}
    (?:,?\s(?:{_ZIP}|\d{{4,5}}(?:-\d{{4}})?|[A-Z]{{2,3}}(?!\w)))?)""",
    re.VERBOSE,
)
_NUMBERED_STREET = re.compile(rf"{_APART}\d{{1,4}}-\d{{1,4}}\s(?:Broadway|{_CAPITAL_WORD}\s{_STREET})\b")
_ZIP_CODE = re.compile(rf"(?<=[\s,]){_ZIP}")
_WITH_ZIP_CODE = re.compile(  # whatever the street is called
    rf"""{_APART} (?:{_UNIT},?\s)? (?:{_NUMBER},?\s)? {_CAPITAL_WORD}(?:\s{_CAPITAL_WORD}){{0,3}}
    (?:,?\s{_UNIT})? ,\s?{_TOWN} ,\s?{_ZIP}""",
    re.VERBOSE,
)

# ------------------------------------------------------------------------------------ German, French, Spanish, Italian

_GERMAN_WORD = r"[A-ZÄÖÜ][\wäöüß]{1,30}"
_GERMAN_WAY = "(?:stra(?:ß|ss)e|str\\.|weg|platz|allee|gasse|damm|ufer|steig|stieg|pfad|chaussee|promenade|graben)"
_GERMAN_OTHER = (
    "(?:ring|markt|hof|tor|wall|berg|winkel|park|grund|feld|bogen|brücke)"  # of words that are no street too
)
_HOUSE = r"\s\d{1,4}(?:[/\-]\d{1,4}){0,2}\s?[a-z]?(?![A-Za-z0-9])"
_GERMAN_TOWN = (
    rf"(?:(?:Bad|Sankt|St\.|Neu|Alt)\s)?{_GERMAN_WORD}(?:-{_GERMAN_WORD})?"
    rf"(?:\s(?:am|an\sder|ob\sder|im|bei|vorm|vor\sder|in\sder|a\.\s?d\.)\s{_GERMAN_WORD})?"
)
_GERMAN = re.compile(
    rf"""{_APART}
    (?: {_GERMAN_WORD}{_GERMAN_WAY}                                                               # Hauptstraße
      | {_GERMAN_WORD}(?:-{_GERMAN_WORD}){{0,3}}[\s\-](?i:{_GERMAN_WAY}) | {_GERMAN_WORD}(?:-{_GERMAN_WORD}){{0,3}}-Ring
    ) {_HOUSE} (?:,?\s(?:[A-Z]-)?\d{{4,5}}\s{_GERMAN_TOWN})?
    | {_APART}{_GERMAN_WORD}{_GERMAN_OTHER}{_HOUSE},?\s(?:[A-Z]-)?\d{{4,5}}\s{_GERMAN_TOWN}
    | {_APART}[A-ZÄÖÜ][\wäöüß.\-]{{2,40}}{_HOUSE},\s(?:[A-Z]-)?\d{{5}}\s{_GERMAN_TOWN}             # whatever its name
    """,
    re.VERBOSE,
)
_GERMAN_CUE = (
    r"(?i:(?:\bwohn\w*|\blebe\w?|\bsitze?|adresse|anschrift|zuhause|daheim|\bhaus|\bb[üu]ro|\bschick\w*|\bkomm\w*|\bzieh\w*|\btreff\w*)"
    r"(?:\s(?:ich|wir|ist|war|nach|an|in|zu|die|das|den|der|uns|mich|bei|jetzt)){0,3})"
)
_GERMAN_CUED = re.compile(  # streets called by where they are, and by what else there is
    rf"""(?:{_GERMAN_CUE}|{_CUE})[\s,:：]{{0,3}}(?P<at>(?:
    (?:Am|Im|Beim|Zum|Zur|(?:An|Auf|In|Hinter|Vor|Unter|Neben)\s(?:der|dem|den))\s(?:[a-zäöü]{{2,16}}e[nmr]\s)?{_GERMAN_WORD}
    | {_GERMAN_WORD}(?:{_GERMAN_OTHER}|\s(?i:{_GERMAN_OTHER})))
    {_HOUSE}(?!\s?(?:Uhr|Euro|%|€|Tage|Jahre|Minuten|Stunden)))""",
    re.VERBOSE,
)
_OTHER_STREET = re.compile(  # the Netherlands, Scandinavia, Finland, Poland
    rf"""{_APART}(?:
    [A-Z][\w\-]{{2,30}}(?:straat|laan|plein|gracht|dijk|singel|steeg|dreef|kade|gatan|v[äa]gen|vegen|veien|vejen|katu|kuja)
    | (?:ul|al|os|pl)\.\s(?:[A-Z\u0141\u015a\u0179\u017b][\w\-]{{1,25}}\s?){{1,3}}(?<=\w)
    ){_HOUSE}(?:,?\s(?:\d{{4}}\s?[A-Z]{{2}}|\d{{2}}-?\d{{3}}|\d{{3}}\s\d{{2}})\s{_GERMAN_WORD})?""",
    re.VERBOSE,
)
_NUMERAL = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w{3,5}teen|twenty|thirty|forty|fifty|sixty|seventy"
    r"|eighty|ninety|hundred|thousand)"
)
_NUMBER_IN_WORDS = re.compile(  # of two words at least: "two Wall Street banks"
    rf"\b{_NUMERAL}(?:(?:[ \-]|\sand\s){_NUMERAL}){{1,5}},?\s(?:{_TOWN_WORD}\s){{1,3}}{_STREET}\b"
)
_SMALL_LETTERS = re.compile(  # where an address is spoken of
    rf"(?i:\baddr(?:ess)?\b[\s:]{{1,3}}(?:is\s)?|\bliv(?:e[sd]?|ing)\sat\s)"
    rf"(?P<at>{_NUMBER},?\s(?:[a-z]{{2,20}}\s){{1,3}}(?i:{_STREET})\b\.?)"
)
_HOUSE_WITH_NAME = re.compile(
    rf"\b(?:{_TOWN_WORD}\s){{1,2}}(?:Cottage|House|Lodge|Farm|Farmhouse|Barn|Villa|Rectory|Vicarage|Bungalow|Hall)"
    rf",\s(?:{_TOWN_WORD}\s){{1,3}}(?:Lane|Road|Street|Close|Drive|Avenue|Hill|Way)\b"
)
_ROMANCE_STREET = (
    r"(?i:rue|avenue|boulevard|place|chemin|impasse|allée|quai|calle|c\.|plaza|paseo|avenida|avda\.?|ronda|pasaje|camino"
    r"|rambla|urbanización|glorieta|callejón|cañada|cuesta|carrera|acceso|alameda|travesía|via|viale|piazza|piazzale|corso"
    r"|vicolo|largo|strada|contrada|borgo|stretto|rotonda|canale|incrocio|lungomare|cours|passage|square|route|voie|sentier)"
)
_ROMANCE_NAME = (
    r"(?:(?:de|du|des|la|le|les|del|della|dei|degli|delle|dello|di|da|do|dos|das|el|los|las)\s|[dl]['\u2019]){0,3}[A-ZÀ-Ý][\w'\u2019\-]{1,25}"
    r"(?:\s(?:(?:de|del|la)\s){0,2}[A-ZÀ-Ý][\w\-]{1,25}){0,3}"
)
_ROMANCE_TOWN = r"[A-ZÀ-Ý][\w'\u2019\-]{1,30}(?:[\s\-][A-ZÀ-Ý][\w'\u2019\-]{1,30}){0,2}"
_ROMANCE_UNIT = (
    rf"(?:{_UNIT}|(?i:piso|puerta|piano|appartamento|interno|étage|bât\.?|bâtiment)\s\d{{1,3}}"
    r"|\d{1,2}[oaº°ª](?:\s?(?:izq|dcha|der|[A-Za-z])\b\.?)?)"
)
_ROMANCE = re.compile(
    rf"""{_APART}
    (?: \d{{1,4}}(?:\s?(?:bis|ter))?,?\s {_ROMANCE_STREET}\s{_ROMANCE_NAME} (?:,\s?\d{{5}}(?:\s{_ROMANCE_TOWN})?)?
      | {_ROMANCE_STREET}\s{_ROMANCE_NAME}
        (?: ,?\s\d{{1,4}}(?!\d) (?:,?\s{_ROMANCE_UNIT}){{0,2}}\s? (?:,\s?{_ROMANCE_TOWN})?            # Calle Mayor 5
            (?:,\s?\d{{5}}(?:,?\s{_ROMANCE_TOWN}(?:\s\([A-Z]{{2}}\))?)?)?
          | ,\s?\d{{5}}\s{_ROMANCE_TOWN} ) )                                                           # without number
    """,
    re.VERBOSE,
)


def addresses(text: str) -> Iterator[Finding]:
    """Street addresses with a number or a postal code, and post boxes."""
    for pattern in (
        _ENGLISH,
        _NUMBERED_STREET,
        _MILITARY,
        _WITH_UNIT,
        _BOX,
        _GERMAN,
        _ROMANCE,
        _OTHER_STREET,
    ):
        yield from (Finding(*match.span(), "ADDRESS") for match in pattern.finditer(text))
    yield from (Finding(*match.span(), "ADDRESS") for match in _ELSE.finditer(text) if _counts_nothing(text, match))
    for pattern in (_CUED, _GERMAN_CUED, _SMALL_LETTERS):
        yield from (Finding(*match.span("at"), "ADDRESS") for match in pattern.finditer(text))
    yield from (Finding(*place, "ADDRESS") for place in backwards(text, _ZIP_CODE, _WITH_ZIP_CODE))


def named_houses(text: str) -> Iterator[Finding]:
    """Houses with a name, or their number in words: "Rose Cottage, Mill Lane"; "twenty-one Mill Lane"."""
    for pattern in (_HOUSE_WITH_NAME, _NUMBER_IN_WORDS):
        yield from (Finding(*match.span(), "ADDRESS") for match in pattern.finditer(text))


def _counts_nothing(text: str, match: re.Match[str]) -> bool:
    """Whether a number before a name is a house's: not one, not round and no few of many, and not part of a title."""
    before = text[max(0, match.start() - 30) : match.start()]
    if _WITHIN_A_NAME.search(before) and not _BEFORE_AN_ADDRESS.search(before):
        return False
    number = int("".join(itertools.takewhile(str.isdigit, match["number"])))
    many = match["kind"].endswith("s") and match["kind"] not in ("Steps", "Waters")
    return number > 1 and not (many and (number < _FEWEST_OF_MANY or number % 50 == 0))


def backwards(text: str, ending: re.Pattern[str], whole: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Places of addresses, found from what they end with: a text of many beginnings costs nothing."""
    done = 0
    for last in ending.finditer(text):
        if last.start() >= done and (match := whole.search(text, max(done, last.start() - 100), last.end() + 80)):
            yield match.span()
            done = match.end()
