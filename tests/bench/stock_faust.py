"""The reference job in stock Faust: the same windowed count with its own client, table and changelog."""

from __future__ import annotations

import os
import sys
import time

import faust

BOOTSTRAP, TOPIC, N = os.environ["BOOTSTRAP"], os.environ["TOPIC"], int(os.environ["N"])
app = faust.App(
    os.environ["APP"],
    broker=f"kafka://{BOOTSTRAP}",
    store="memory://",
    topic_partitions=4,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
    datadir=os.environ["DATADIR"],
    topic_replication_factor=1,
)
events = app.topic(TOPIC, value_serializer="json", key_serializer="raw")
alerts = app.topic(f"{TOPIC}-faust-alerts", value_serializer="json")
failures = app.Table("failures", default=int).tumbling(300.0, expires=600.0)
seen, began, cpu = 0, 0.0, 0.0


@app.agent(events)
async def burst(stream):  # type: ignore[no-untyped-def]  # Faust's own shape
    global seen, began, cpu
    async for event in stream:
        if seen == 0:
            began, cpu = time.monotonic(), time.process_time()
        seen += 1
        if event["action"] == "login" and event["outcome"] == "failure":
            failures[event["actor"]] += 1
            if failures[event["actor"]].now() == 5:
                await alerts.send(value={"actor": event["actor"]})
        if seen == N:
            wall = time.monotonic() - began
            with open("/proc/self/status") as status:  # noqa: ASYNC230 - it is over
                rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
            os.write(1, f"RESULT {wall} {time.process_time() - cpu} {rss / 1024}\n".encode())
            os._exit(0)


if __name__ == "__main__":
    sys.argv = ["stock_faust", "worker", "-l", "error", "--without-web"]
    app.main()
