"""How long it takes until `burnish --help` has answered: a fresh process each time.

python benchmarks/start.py
"""

import os
import platform
import statistics
import subprocess
import sys
import time

RUNS = 20


def seconds(*words: str) -> list[float]:
    """Return the wall time of each run of a command, the first one (cold caches) left out."""
    found = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "burnish", *words], check=True, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - began)
    return found[1:]


if __name__ == "__main__":
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {RUNS} runs each")
    for words in (["--help"], ["run", "--help"], ["run", "--help-config"], ["feedback", "import", "--help"]):
        times = seconds(*words)
        told = f"median {statistics.median(times):.3f} s, min {min(times):.3f}, max {max(times):.3f}"
        print(f"burnish {' '.join(words)}: {told}")
