"""Personal data taken out of texts before they are stored or leave the machine: English and Chinese, by rule.

    masker = Masker(read_key("burnish-mask.key"))
    masker.entry(entry)                          prompt, completions and feedback of an entry, before it is stored
    masker(texts, scope=prompt_id)               texts that belong together, before any judge is asked
    find(text)                                   what there is, and where

The same value in one prompt's texts becomes the same placeholder, `[EMAIL_k3v9m2qa]`: what a judge reads still hangs
together. Another prompt has other placeholders, so that nobody is followed from one to the next. Placeholders are a
keyed hash: without the key nothing leads back, and with the key only where a vault was kept (`Vault`).
"""

from burnish.feedback.masking.findings import TYPES, Finder, Finding
from burnish.feedback.masking.masker import Masked, Masker, Tally
from burnish.feedback.masking.rules import find
from burnish.feedback.masking.vault import Vault, make_key, read_key

__all__ = ["TYPES", "Finder", "Finding", "Masked", "Masker", "Tally", "Vault", "find", "make_key", "read_key"]
