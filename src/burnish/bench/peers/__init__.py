"""The peers' side of the bench: run by path with the peers' own Python; nothing here imports burnish.

`child.py` is the way in for all, and the protocol; our own side uses its `Turns` too, so that both tell time alike.
"""
