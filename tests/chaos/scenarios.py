"""The faults, one function each. Each starts its run, disturbs it, and lets the oracle judge."""

from __future__ import annotations

import json
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from streams.local.kafka import LocalKafka
from tests.chaos.harness import Run
from tests.chaos.oracle import Report, judge
from tests.chaos.telling import POLICY, heard

#: What such a rule sees first depends on how fast ALERT was: what it finds is the journal's to say, not the events'.
OVER_ALERTS = {"chaos.together"}
SWITCH_AT = 0.4  #: of the traffic, when the rule set is switched
#: Deliveries that people said have failed, until a run may end: some are of alerts in hand, for which nobody is told.
UNREACHED = 16


class Scenes:
    """``size`` 1.0 is the full run; the short one in `make test` is smaller."""

    def __init__(self, bootstrap: str, directory: Path, size: float = 1.0) -> None:
        self.bootstrap, self.directory, self.size = bootstrap, directory, size

    def run(self, name: str, partitions: int = 4) -> Run:
        return Run(name, self.bootstrap, self.directory, partitions)

    # -- kill ----------------------------------------------------------------------------------------------------

    def kill(self) -> Report:
        """SIGKILL at random points of the protocol, with a rule switch, commands and timers under way."""
        kills, total = max(6, int(40 * self.size)), max(40_000, int(210_000 * self.size))
        run = self.run("kill")
        killed = lambda: sum(status == -signal.SIGKILL for _, status, _ in run.exits)  # noqa: E731 - said once
        run.load(1200, total=total)
        for slot in "01":
            run.spawn(slot, fault=lambda: "kill" if killed() < kills else "")
        run.wait(lambda: run.sent > total * SWITCH_AT, 300, "traffic")
        run.switch_rules("b")
        run.wait(lambda: killed() >= kills and run.sent >= total, 600, f"{kills} kills and {total} events")
        where = [point["point"] + "/" + point["role"] for slot in "01" for point in run.points(slot, "KILL")]
        report = judge(run, brute=False, drained=run.settle())
        report.check(killed() >= kills, f"only {killed()} kills")
        report.facts |= {"kills": killed(), "at": {place: where.count(place) for place in sorted(set(where))}}
        return report

    def escalate(self) -> Report:
        """SIGKILL while alerts wait in groups, escalate, make incidents and hide each other: all of it is told once."""
        kills, total = max(5, int(30 * self.size)), max(24_000, int(150_000 * self.size))
        run = Run("escalate", self.bootstrap, self.directory, policy=POLICY)
        run.asked = ("unacknowledge", "escalate", "delivery_failed", "reopen")
        killed = lambda: sum(status == -signal.SIGKILL for _, status, _ in run.exits)  # noqa: E731 - said once
        run.load(1000, total=total)
        for slot in "01":
            run.spawn(slot, fault=lambda: "kill" if killed() < kills else "")
        run.wait(lambda: killed() >= kills and run.sent >= total, 600, f"{kills} kills and {total} events")
        run.wait(
            lambda: run.commanded["delivery_failed"] >= UNREACHED, 120, "people's commands"
        )  # a busy machine is behind
        report = judge(run, brute=False, drained=run.settle())
        heard(run, report)
        report.check(killed() >= kills, f"only {killed()} kills")
        report.facts["kills"] = killed()
        return report

    # -- stop and continue ---------------------------------------------------------------------------------------

    def stop(self) -> Report:
        """SIGSTOP between send-offsets and commit (and before), beyond the session timeout; SIGCONT while the successor
        restores, or after."""
        cases = [
            ("detect", "sent", "committing?"),
            ("alert", "sent", "live"),
            ("detect", "produced", "restoring"),
            ("alert", "sent", "committing?"),
            ("detect", "open", "live"),
            ("alert", "produced", "live"),
        ]
        return self._stops("stop", cases[: max(2, int(len(cases) * self.size))])

    def timerstop(self) -> Report:
        """The same in the middle of a timer's pseudo-batch: a member that has left must not page."""
        cases = [("alert", "timer", "live"), ("alert", "timersent", "committing?"), ("detect", "timersent", "live")]
        return self._stops("timerstop", cases[: max(1, int(len(cases) * self.size))])

    def _stops(self, name: str, cases: list[tuple[str, str, str]]) -> Report:
        run = self.run(name)
        run.start_two()
        notes = []
        for number, (role, point, until) in enumerate(cases):
            one, other = "01" if number % 2 == 0 else "10"
            began = time.time()
            run.flag(one, role, point)
            if not run.wait(lambda: run.stopped(one), 15, f"{one} to stop at {role} {point}"):  # noqa: B023 - used now
                continue
            stopped = time.time()
            run.wait(lambda: run.points(other, until, stopped), 30, f"{other} {until}")  # noqa: B023 - used now
            taken = time.time() - stopped
            time.sleep(random.uniform(0, 0.5))
            run.kill(one, signal.SIGCONT)
            run.wait(lambda: run.points(one, "live", stopped, role), 40, f"{one} live again")  # noqa: B023 - used now
            ends = [status for slot, status, at in run.exits if at > began and slot == one]
            notes.append(f"{role}/{point}>{until}+{taken:.1f}s:{ends}")
            time.sleep(2)
        report = judge(run, drained=run.settle())
        report.facts["cases"] = notes
        report.check(len(notes) == len(cases), "a stop did not happen")
        return report

    # -- aborts --------------------------------------------------------------------------------------------------

    def abort(self) -> Report:
        """A transaction aborted with dirty state, before and after the offsets were sent."""
        run = self.run("abort")
        run.start_two()
        whats = ["raise", "raisesent", "raise", "raisesent"]
        for number, what in enumerate(whats):
            slot, role, before = "01"[number % 2], ("detect", "alert")[number // 2], len(run.exits)
            run.flag(slot, role, what)
            run.wait(lambda: len(run.exits) > before, 15, what)  # noqa: B023 - used now
            at = time.time()
            run.wait(lambda: run.points(slot, "first-commit", at, role), 25, "its next commit")  # noqa: B023 - used now
        report = judge(run, drained=run.settle())
        report.check(len(run.exits) >= len(whats), "an abort did not happen")
        return report

    def upstream(self) -> Report:
        """An aborted transaction upstream: its events never were."""
        run = self.run("upstream")
        run.start_two()
        topic = run.names.topic("audit.events")
        producer = run._producer(**{"transactional.id": f"{run.names.prefix}upstream"})
        producer.init_transactions(10)
        for number in range(20):
            producer.begin_transaction()
            for n in range(30):
                event = {
                    "event_id": f"x{number}-{n}",
                    "event_time": time.time_ns() // 1_000_000 - 1_800_000,
                    "tenant": "acme",
                    "actor": f"x{number}",
                    "source_ip": "10.9.9.9",
                    "action": "login",
                    "outcome": "failure",
                    "type": "auth",
                }
                producer.produce(topic, json.dumps(event), f"acme|x{number}")
            producer.flush(10)
            time.sleep(0.2)
            producer.abort_transaction(10)
        return judge(run, drained=run.settle())

    # -- the group -----------------------------------------------------------------------------------------------

    def third(self) -> Report:
        """A third worker joining in mid-transaction and leaving, by SIGTERM and by SIGKILL."""
        run = self.run("third")
        run.start_two()
        for number in range(max(2, int(4 * self.size))):
            at = time.time()
            run.spawn("2", fault="flags")
            run.wait(lambda: run.points("2", "started", at), 20, "the third to start")  # noqa: B023 - used now
            for slot in "01":  # in the middle of their transactions when the group rebalances
                run.flag(slot, "detect", "hold")
            run.wait(lambda: run.points("2", "live", at), 25, "the third to be live")  # noqa: B023 - used now
            time.sleep(3)
            left = time.time()
            run.end("2", signal.SIGTERM if number % 2 == 0 else signal.SIGKILL).wait(25)
            run.wait(lambda: any(run.points(s, "live", left) for s in "01"), 40, "its partitions to be taken")  # noqa: B023 - used now
            time.sleep(1)
        overtaken = sum(len(run.points(slot, "overtaken")) for slot in "012")
        report = judge(run, drained=run.settle())
        report.facts["overtaken"] = overtaken
        return report

    def orphan(self) -> Report:
        """A member dies between the request to revoke and its rejoin: nothing stays orphaned."""
        run = self.run("orphan")
        run.start_two()
        at = time.time()
        for slot in "01":
            run.flag(slot, "detect", "die-revoking")
        run.spawn("2", fault="flags")
        died = run.wait(lambda: any(run.points(slot, "KILL", at) for slot in "01"), 20, "a death while revoking")
        served = run.wait(lambda: run.points("2", "live", at, "detect"), 40, "the newcomer's partition")
        took = time.time() - at
        for slot in "01":
            (run.directory / f"flag.{slot}.detect").unlink(missing_ok=True)
        rejoins = sum(len(run.points(slot, "rejoin", at)) for slot in "012")
        report = judge(run, drained=run.settle())
        report.check(died, "nobody died while revoking")
        report.check(served, "a partition stayed orphaned")
        report.facts |= {"served_after_s": round(took, 1), "rejoins": rejoins}
        return report

    def twins(self) -> Report:
        """Two processes with one id fence each other; nothing is counted twice."""
        run = self.run("twins")
        run.start_two()
        run.spawn("0b", worker="0", fault="flags")
        time.sleep(max(10.0, 25 * self.size))
        run.end("0b", signal.SIGKILL)
        time.sleep(3)
        report = judge(run, drained=run.settle())
        report.check(any(status == 71 for _, status, _ in run.exits), "nobody was fenced")
        return report

    def many(self) -> Report:
        """1, 2 and 4 workers with random delays, over the same events, give the same alerts, the rekeyed rules' too."""
        found: dict[int, dict[str, int]] = {}
        report = Report("many")
        total = max(20_000, int(60_000 * self.size))
        for workers in (1, 2, 4):
            run = self.run(f"many{workers}")
            run.load(8000, total=total, commands=False)
            for slot in range(workers):
                run.spawn(str(slot), fault="flags")
                time.sleep(random.uniform(0, 2))
            stopper = random.Random(workers)
            while run.sent < total:  # a paused worker delays the partitions it owns
                slot = str(stopper.randrange(workers))
                if run.procs.get(slot):
                    run.kill(slot, signal.SIGSTOP)
                    time.sleep(stopper.uniform(0.1, 1.5))
                    run.kill(slot, signal.SIGCONT)
                time.sleep(stopper.uniform(0.1, 1.0))
            single = judge(run, drained=run.settle())
            report.problems += [f"{workers} workers: {problem}" for problem in single.problems]
            found[workers], base = {}, alerts_base(run)
            for rows in run.read("alerts"):
                for _, _, value in rows:
                    alert = json.loads(value or b"")
                    if alert["rule"] in OVER_ALERTS:
                        continue
                    shape = f"{alert['rule']} {alert['tenant']} {alert['key']} {alert['event_time'] - base}"
                    found[workers][shape] = alert["count"]
            report.facts[f"workers_{workers}"] = len(found[workers])
        report.check(found[1] == found[2] == found[4], "1, 2 and 4 workers found different alerts")
        return report

    def clock(self) -> Report:
        """A clock running backwards: `now` never does."""
        run = self.run("clock")
        run.start_two(fault="clock")
        time.sleep(max(6.0, 20 * self.size))
        return judge(run, drained=run.settle())

    def brokers(self) -> Report:
        """Each broker of a cluster of three killed in turn and started again: leaders and coordinators move."""
        with (
            tempfile.TemporaryDirectory(prefix="tocsin-brokers-", ignore_cleanup_errors=True) as directory,
            LocalKafka(Path(directory), brokers=3) as cluster,
        ):
            run = Run("brokers", cluster.bootstrap, self.directory, replication=3)
            run.start_two(rate=800)
            for number in range(1, 4):
                cluster.kill_broker(number)
                time.sleep(8)
                cluster.start_broker(number)
                time.sleep(6)
            return judge(run, drained=run.settle(180))

    # -- refusals ------------------------------------------------------------------------------------------------

    def refusals(self) -> Report:
        """Moved offsets, an offset out of range and added partitions are refused, each with its own words."""
        report = Report("refusals")
        run = self.run("refuse")
        run.start_two()
        time.sleep(3)
        for slot in "01":
            run.end(slot).wait(25)
        time.sleep(8)  # a static member that closes sends no leave
        group, topic = run.names.group("detect"), run.names.topic("audit.events")
        admin = AdminClient(run.options)
        where = (
            admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(10).topic_partitions
        )
        true = next(tp.offset for tp in where if tp.topic == topic and tp.partition == 1)

        def move(offset: int) -> None:
            change = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 1, offset)])
            admin.alter_consumer_group_offsets([change])[group].result(10)

        def refused(words: str, after: float) -> None:
            ok = run.wait(lambda: any(s == 73 and at > after for _, s, at in run.exits), 40, f"refusal: {words}")
            text = (run.directory / "worker.0.log").read_text()
            report.check(ok and words in text, f"not refused with {words!r}: {[e for e in run.exits if e[2] > after]}")

        move(7)
        at = time.time()
        run.spawn("0")
        refused("the group's committed offset is 7", at)
        run.end("0").wait(25)
        time.sleep(8)
        move(true)
        at = time.time()
        run.spawn("0")
        report.check(
            run.wait(lambda: len(run.points("0", "live", at)) >= 12, 40, "live after repair"), "not live after repair"
        )
        at = time.time()
        admin.create_partitions([NewPartitions(topic, 5)])[topic].result(10)
        refused("partitions", at)
        run.stop()
        report.facts |= {"position": true, "exits": [status for _, status, _ in run.exits]}
        report.check(true > 100, "the run was over before it began")
        return report

    def expired(self) -> Report:
        """Records deleted before they were read: the position is out of range, and that is refused, not skipped."""
        report = Report("expired")
        run = self.run("expired")
        run.start_two()
        for slot in "01":
            run.end(slot).wait(25)
        time.sleep(8)
        topic = run.names.topic("audit.events")
        admin = AdminClient(run.options)
        admin.delete_records([TopicPartition(topic, 1, -1)])[TopicPartition(topic, 1, -1)].result(10)  # all there is
        at = time.time()
        run.spawn("0")
        ok = run.wait(lambda: any(s == 73 and t > at for _, s, t in run.exits), 40, "the refusal")
        text = (run.directory / "worker.0.log").read_text()
        report.check(ok and "out of range" in text, f"not refused: {[e for e in run.exits if e[2] > at]}")
        run.stop()
        report.facts["exits"] = [status for _, status, _ in run.exits]
        return report


def alerts_base(run: Run) -> int:
    """Event time of the run's first event: shapes of alerts are compared across runs relative to it."""
    return min(json.loads(value or b"")["event_time"] for rows in run.read("audit.events") for _, _, value in rows[:1])


ALL: tuple[str, ...] = (
    "kill",
    "escalate",
    "stop",
    "timerstop",
    "abort",
    "upstream",
    "third",
    "orphan",
    "twins",
    "many",
    "clock",
    "brokers",
    "refusals",
    "expired",
)
SHORT: tuple[str, ...] = ("kill", "escalate", "stop", "third", "abort")


def play(name: str, scenes: Scenes) -> Report:
    scene: Callable[[], Report] = getattr(scenes, name)
    return scene()
