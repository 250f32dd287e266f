"""A child that computes nothing: it notes when it worked, so that a test sees that no two did at once."""

import sys
import time

from burnish.bench.peers.child import Turns


def main() -> None:
    turns = Turns.of_process()
    job = turns.next()
    print("libraries print what they like")  # must not reach the parent
    if job is None or job.get("dies") == "loading":
        sys.exit("the model is not there")
    turns.ready(1)
    while (turn := turns.next()) is not None:
        if job.get("dies") == "working":
            sys.exit("out of luck")
        began = time.time()
        time.sleep(0.02)
        groups = [[10, [5, 6]]]
        if turn.get("rate"):
            turns.answer(matrix_gflops=100.0)
        else:
            seconds = job.get("seconds", 1.0)
            turns.answer(seconds=seconds, tokens=11, groups=groups, turn=turn, began=began, ended=time.time())


main()
