"""``python -m tests.chaos [SCENE ...] [--size 1.0]``: the fault tests on a real broker; status 1 if any is wrong."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path

from streams.local.servers import kafka
from tests.chaos.scenarios import ALL, Scenes, play


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="*", default=list(ALL), help=f"of {', '.join(ALL)}")
    parser.add_argument("--size", type=float, default=1.0, help="1.0 is the full run")
    options = parser.parse_args()
    directory = Path("build/chaos")
    directory.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with kafka() as bootstrap:
        for name in options.scenes:
            began = time.time()
            print(f"-- {name}", flush=True)
            try:
                report = play(name, Scenes(bootstrap, directory.absolute(), options.size))
                wrong += bool(report.problems)
                print(report, flush=True)
            except Exception:
                wrong += 1
                traceback.print_exc()
            print(f"-- {name} took {time.time() - began:.0f} s", flush=True)
    print("all exact" if not wrong else f"{wrong} wrong", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
