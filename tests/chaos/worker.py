"""A real worker with a fault point: ``tocsin run`` whose named points of the protocol can kill, stop or raise.

``FAULT=kill`` dies at a random point; ``FAULT=flags`` obeys the file ``flag.<worker>.<role>`` in ``RUNDIR``. What
happens is written to ``points.<worker>.log`` there, one JSON object a line.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from typing import Any

import orjson

from streams.runtime import points

RUNDIR, WORKER = os.environ["RUNDIR"], os.environ["WORKER"]
FAULT = os.environ.get("FAULT", "")
_log = os.open(os.path.join(RUNDIR, f"points.{WORKER}.log"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
WRITTEN = {"started", "assigned", "committing?", "restoring", "live", "overtaken", "rejoin", "revoking"}
#: Where FAULT=kill strikes, by weight; between produce, offsets and commit most of all.
DEADLY = ["stepped", "output", "produced", "produced", "sent", "sent", "sent", "committed", "committing?", "restoring"]

_first: set[str] = set()
_calls = 0
_where = random.choice(DEADLY)
_left = 1 if _where in ("committing?", "restoring") else int(10 ** random.uniform(0, 2.3))
_took: list[float] = []


def write(what: str, **fields: Any) -> None:
    os.write(_log, orjson.dumps({"t": time.time(), "pid": os.getpid(), "what": what, **fields}) + b"\n")


def taken(role: str, what: str) -> bool:
    """Whether the driver has asked for ``what``; asks only once."""
    flag = os.path.join(RUNDIR, f"flag.{WORKER}.{role}")
    try:
        with open(flag) as asked:
            wanted = asked.read() == what
        if wanted:
            os.unlink(flag)
        return wanted
    except OSError:
        return False


def die(point: str, role: str) -> None:
    write("KILL", point=point, role=role)
    os.kill(os.getpid(), signal.SIGKILL)


def stop(point: str, role: str) -> None:
    write("STOP", point=point, role=role)
    os.kill(os.getpid(), signal.SIGSTOP)
    write("CONT", point=point, role=role)


def ticked(touched: dict[Any, Any]) -> bool:
    return any(part.steps and part.steps[-1].begin == part.steps[-1].end for part in touched.values())


def at(point: str, **context: Any) -> None:
    global _calls
    role = context.get("role", "")
    if point == "committed":
        if role not in _first:
            _first.add(role)
            write("first-commit", role=role)
        if FAULT == "times":
            _took.append(context["took"])
            if len(_took) % 200 == 0:
                ordered = sorted(_took)
                write("took", role=role, p50=ordered[len(ordered) // 2], p99=ordered[int(0.99 * len(ordered))])
    if point in WRITTEN:
        parts = context.get("parts") or ([str(context["part"])] if "part" in context else [])
        write(point, role=role, parts=parts)
    if FAULT == "kill" and point == _where:
        _calls += 1
        if _calls >= _left:
            die(point, role)
    if FAULT != "flags":
        return
    if point == "revoking" and taken(role, "die-revoking"):
        die(point, role)
    if point == "produced" and taken(role, "open"):  # its records are on the broker, its positions are not
        time.sleep(0.15)
        stop(point, role)
    if point == "produced" and taken(role, "hold"):  # a rebalance has time to overtake it
        write("HOLD", role=role)
        time.sleep(2.5)
    if point in ("produced", "sent") and taken(role, point):
        stop(point, role)
    if point == "stepped" and context["batch"] is None and taken(role, "timer"):
        stop(point, role)
    if point == "sent" and ticked(context["touched"]) and taken(role, "timersent"):
        stop(point, role)
    if point == "stepped" and context["batch"] is not None and taken(role, "raise"):
        raise RuntimeError("forced by the test, with dirty state")
    if point == "sent" and taken(role, "raisesent"):
        raise RuntimeError("forced by the test, between offsets and commit")


if FAULT == "clock":  # a clock that runs backwards, by up to ten seconds, every few seconds
    _true = time.time_ns

    def _crooked() -> int:
        now = _true()
        return now - (now // 3_000_000_000 % 3) * 5_000_000_000

    time.time_ns = _crooked

points.at = at  # before anything imports it by name

from streams.cli import main  # noqa: E402 - see above

if __name__ == "__main__":
    sys.argv = ["tocsin", "--config", os.path.join(RUNDIR, "tocsin.yaml"), "run", "--worker-id", WORKER, "--no-http"]
    main()
