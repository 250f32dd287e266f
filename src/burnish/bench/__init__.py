"""Bench: burnish and its peers measured side by side, step by step in turn, each in a process of its own.

`plan` says what is measured, `drive` starts the children and gives them their turns, `ours` is our child and `peers/`
are the others (run by an environment of their own, importing nothing of burnish), `results` makes the JSON, `page` the
table and the pictures. The parent process loads no torch: whatever is timed is alone at work.
"""
