"""burnish: make a language model heed feedback.

The ring: sample, ask people, learn a reward, train, evaluate honestly, promote, sample again.
The map of rooms is in `docs/rooms.md`; the nouns are all in `burnish.records`.
"""

__version__ = "0.1.0"
