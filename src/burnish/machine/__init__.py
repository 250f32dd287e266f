"""The machine a run is on: what it is, how fast it is, how busy it is now, and which settings follow from that.

`system` reads what the operating system says, `speed` measures (the only file here that needs torch), `kept` remembers,
`plan` counts
what a run takes of its memory, `fit` decides. What cannot be known on a machine is None, never a guess.
"""
