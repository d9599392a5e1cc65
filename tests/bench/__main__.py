"""``python -m tests.bench [login-burst] [latency] [rules] [kinds] [alerts] [replay] [--events N] [--rounds N] [--seconds S]``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from streams.local.servers import kafka
from tests.bench import alerts, kinds, latency, login_burst, many_rules, replay


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["login-burst", "latency"])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--alerts", type=int, default=100_000)
    options = parser.parse_args()
    with kafka() as bootstrap, tempfile.TemporaryDirectory() as directory:
        if "login-burst" in options.names:
            login_burst.run(bootstrap, Path(directory), options.events, options.rounds)
        if "latency" in options.names:
            latency.run(bootstrap, Path(directory), options.seconds)
        if "rules" in options.names:
            many_rules.run(bootstrap, Path(directory), options.events, options.rounds)
        if "kinds" in options.names:
            kinds.run()
        if "alerts" in options.names:
            alerts.run(bootstrap, Path(directory), options.alerts)
        if "replay" in options.names:
            replay.run(bootstrap, Path(directory), options.events, options.rounds)


if __name__ == "__main__":
    main()
