"""``python -m tests.faults [SCENE ...] [--short]``: what sinks survive, on real servers; status 1 if anything is wrong."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
import uuid
from pathlib import Path

from streams.local.servers import kafka
from tests.faults.ground import Ground
from tests.faults.scene import FULL, SHORT
from tests.faults.table import HEAD, SCENES, lines, play


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="*", default=list(SCENES), help=f"of {', '.join(SCENES)}")
    parser.add_argument("--short", action="store_true", help="300 notifications instead of 10,000")
    options = parser.parse_args()
    wrong = 0
    print(HEAD, flush=True)
    with kafka() as bootstrap:
        for name in options.scenes:
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="tocsin-faults-", ignore_cleanup_errors=True) as directory:
                ground = Ground(bootstrap, f"f{uuid.uuid4().hex[:8]}.", Path(directory))
                try:
                    (row,) = play(ground, [SCENES[name]], SHORT if options.short else FULL)
                    print(lines(row), flush=True)
                    wrong += bool(row.problems)
                except Exception:
                    wrong += 1
                    traceback.print_exc()
                    print(ground.said[-3000:], file=sys.stderr)
                finally:
                    ground.close()
            print(f"-- {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
