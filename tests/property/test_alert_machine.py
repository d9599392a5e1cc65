"""A partition of alerts, operated at random: findings, commands, silences, policies, time and restarts, in any order.

Two of them take the same steps, and one of the two is restarted now and then: what comes out is the same. What it must
be, ``tests.property.alert_oracle`` says.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streams.model import Alert, Command, Control, Finding, Output
from streams.state.alerts.alerting import AlertState
from tests.property.alert_oracle import Cover, Oracle
from tests.unit.alert_steps import MINUTE, START, World, command, finding

#: Of one example and of the whole; more with TOCSIN_MACHINE_EXAMPLES=5000.
STEPS, EXAMPLES = 30, int(os.environ.get("TOCSIN_MACHINE_EXAMPLES", "120"))
TENANTS, ACTORS = ("acme", "umbrella"), ("ada", "eve", "kim")
RULES = ("rule-0", "rule-1", "rule-2")
SEVERITIES = ("low", "high", "critical")
#: Parts of a policy that come and go, each by itself.
PARTS: dict[str, dict[str, Any]] = {
    "routes": {
        "route": {
            "receivers": ["chat"],
            "routes": [
                {"match": ["severity=critical"], "receivers": ["phone", "chat"], "continue": True},
                {"match": ["rule=rule-1"], "group_by": ["rule"], "group_wait": "1m", "repeat_interval": "40m"},
                {"match": ["rule=rule-2"], "receivers": ["mail", "summary"], "delay": {"low": "15m", "high": "5m"}},
            ],
        }
    },
    "night": {
        "intervals": {"night": {"hours": "22:00-23:30"}},
        "route": {"receivers": ["chat", "bulk"], "mute": ["night"], "group_by": ["tenant"], "group_wait": "30s"},
    },
    "repeat": {"route": {"receivers": ["chat", "bulk"], "repeat_interval": "30m"}},
    "levels": {
        "escalations": {
            "standard": {
                "levels": [
                    {"name": "one", "after": "5m", "notify": ["pager"]},
                    {"name": "two", "after": "15m", "notify": ["phone"], "repeat": "20m"},
                ]
            }
        },
        "escalate": {"high": "standard", "critical": "standard"},
    },
    "reminders": {"remind_after": "7m", "remind_severities": ["high", "critical"], "max_reminders": 3},
    "storm": {"storm": {"alerts": 3, "within": "10m"}},
    "incidents": {"incidents": {"by": ["key.actor"], "within": "30m"}},
    "targets": {"targets": {"critical": {"acknowledge": "5m", "resolve": "30m"}, "high": {"resolve": "1h"}}},
    "inhibition": {"inhibit": [{"source": ["rule=rule-0"], "target": ["rule=rule-1"], "equal": ["key.actor"]}]},
    "dependency": {"dependencies": [{"parent": ["rule=rule-1"], "child": ["rule=rule-2"], "equal": ["tenant"]}]},
}
ALWAYS: dict[str, Any] = {
    "receivers": [
        {"name": "chat"}, {"name": "pager"}, {"name": "phone", "fallback": "mail"}, {"name": "mail"},
        {"name": "bulk", "batch": 2, "batch_wait": "20s"}, {"name": "quiet", "send_resolved": False},
        {"name": "summary", "digest": "0 8 * * *"},
    ],
    "route": {"receivers": ["chat", "quiet"]}, "remind_severities": [], "retain": "3650d", "retain_open": "3650d",
}  # fmt: skip
DEAF = ("quiet", "summary")
WORDS = {
    "dismiss": ["", "false_positive", "duplicate"], "resolve": ["", "true_positive"],
    "phase": ["investigating", "mitigated", "resolved", "nonsense"],
}  # fmt: skip
ACTIONS = (
    "acknowledge", "acknowledge", "unacknowledge", "resolve", "dismiss", "snooze", "reopen", "assign", "comment", "tag",
    "untag", "escalate", "link", "phase", "delivery_failed",
)  # fmt: skip

findings: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    n=st.integers(0, 40), back=st.integers(0, 30), kind=st.sampled_from(["fire", "fire", "fire", "clear", "retract"]),
    rule=st.integers(0, 2), tenant=st.sampled_from(TENANTS), actor=st.integers(0, 2),
    severity=st.sampled_from(SEVERITIES), quiet=st.sampled_from([0, 0, 25 * MINUTE]),
    throttle=st.sampled_from([0, 0, 0, 8 * MINUTE]),
)  # fmt: skip
commands: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    action=st.sampled_from(ACTIONS), alert=st.integers(0, 30), other=st.integers(0, 30), again=st.booleans(),
    word=st.integers(0, 3), minutes=st.integers(-1, 60), note=st.booleans(), version=st.sampled_from([None, None, 1, 3]),
    tenant=st.sampled_from(["own", "own", "own", "acme"]),
)  # fmt: skip


def tables(state: AlertState) -> dict[str, Any]:
    """Everything a fresh load gives."""
    told = {"/".join(name): times for name, times in state.telling.suppressing.rates.told.items() if times}
    piles = {name: msgspec.to_builtins(pile) for name, pile in state.telling.tray.piles.items()}
    threads = {name: (thread.all, thread.open) for name, thread in state.book.threads.items()}
    alerts = {name: entry.value for name, entry in state.book.entries.items()}
    return {"alerts": alerts, "threads": threads, "piles": piles, "rates": told, "active": state.active}


class Alerts(RuleBasedStateMachine):
    """``calm`` is never restarted, ``shaken`` is."""

    def __init__(self) -> None:
        super().__init__()
        self.calm, self.shaken = World(ALWAYS), World(ALWAYS)
        self.oracle = Oracle(DEAF)
        self.parts: dict[str, None] = {}
        self.silences: dict[str, tuple[Cover, dict[str, Any]]] = {}
        self.windows: dict[str, tuple[Cover, dict[str, Any]]] = {}
        self.control, self.given, self.now = 1, 0, START
        self._govern()

    # --- rules

    @initialize(parts=st.sets(st.sampled_from(sorted(PARTS)), max_size=4))
    def begin(self, parts: set[str]) -> None:
        self.parts = dict.fromkeys(sorted(parts))
        self._govern()

    @rule(records=st.lists(st.one_of(findings, findings, commands), min_size=1, max_size=4))
    def give(self, records: list[dict[str, Any]]) -> None:
        """One batch, a moment after what was before."""
        self.now += 1
        self._step([self._finding(**one) if "kind" in one else self._command(**one) for one in records])

    @precondition(lambda self: self.oracle.lives)
    @rule(records=st.lists(commands, min_size=1, max_size=2))
    def ask(self, records: list[dict[str, Any]]) -> None:
        self.now += 1
        self._step([self._command(**one) for one in records])

    @rule(minutes=st.sampled_from([1, 3, 5, 10, 15, 20, 45, 120]))
    def wait(self, minutes: int) -> None:
        """Time passes, and every timer runs when it is due."""
        self._until(self.now + minutes * MINUTE)

    @rule(seconds=st.integers(1, 7_200))
    def oversleep(self, seconds: int) -> None:
        """Time passes, and nobody looked: all that came due meanwhile is due now."""
        self.now += seconds * 1_000
        self._until(self.now)

    @rule(part=st.sampled_from(sorted(PARTS)))
    def change(self, part: str) -> None:
        if part in self.parts:
            del self.parts[part]
        else:
            self.parts[part] = None
        self._govern()

    @rule(
        name=st.sampled_from("abc"), what=st.sampled_from([("tenant", TENANTS), ("rule", RULES), ("severity", SEVERITIES)]),
        which=st.integers(0, 2), begin=st.sampled_from([-5, 0, 10]), minutes=st.sampled_from([1, 30, 90]),
        window=st.booleans(), tenant=st.sampled_from(["", "acme"]),
    )  # fmt: skip
    def cover(
        self,
        name: str,
        what: tuple[str, tuple[str, ...]],
        which: int,
        begin: int,
        minutes: int,
        window: bool,
        tenant: str,
    ) -> None:
        """A silence or a maintenance window, over another of its name."""
        label, value = what[0], what[1][which % len(what[1])]
        cover = Cover(label, value, self.now + begin * MINUTE, self.now + (begin + minutes) * MINUTE, tenant)
        document = {
            "matchers": [f'{label}="{value}"'], "starts_at": cover.begins, "ends_at": cover.ends, "tenant": tenant,
            "author": "ada", "comment": "known",
        }  # fmt: skip
        if cover.ends > self.now:
            (self.windows if window else self.silences)[name] = cover, document
            self._govern()

    @precondition(lambda self: self.silences or self.windows)
    @rule(which=st.integers(0, 5))
    def uncover(self, which: int) -> None:
        """One is taken away before its time."""
        places = [(table, name) for table in (self.silences, self.windows) for name in table]
        table, name = places[which % len(places)]
        del table[name]
        self._govern()

    @rule(compacted=st.booleans())
    def restart(self, compacted: bool) -> None:
        before = tables(self.shaken.state)
        self.shaken.restart(compacted)
        assert tables(self.shaken.state) == before

    @invariant()
    def same_state(self) -> None:
        assert tables(self.calm.state) == tables(self.shaken.state)

    def teardown(self) -> None:
        """Everything that suppresses is taken away, and all that waits comes due."""
        if not self.oracle.lives:
            return
        for part in ("inhibition", "dependency"):
            self.parts.pop(part, None)
        self.silences, self.windows = {}, {}
        self._govern()
        self._until(self.now + 26 * 60 * MINUTE, most=3_000)
        self.oracle.settled()

    # --- what they do

    def _finding(self, n: int, back: int, kind: str, rule: int, actor: int, quiet: int, **fields: Any) -> Finding:
        tenant, minute = fields["tenant"], (self.now - START) / MINUTE - back
        place = f"{RULES[rule]}/{tenant}/{ACTORS[actor]}/{n}"
        return finding(
            n, max(0, minute), kind=kind, rule=RULES[rule], key={"actor": ACTORS[actor]}, id=f"{kind}/{place}/{minute}",
            alert_id=f"alert/{place}", fold=("cooldown", "until_resolved", "cooldown")[rule], resolve_after=quiet,
            cooldown=(0, 0, 20 * MINUTE)[rule], severity_word=fields["severity"], **fields,
        )  # fmt: skip

    def _command(
        self, action: str, alert: int, other: int, again: bool, word: int, minutes: int, note: bool, version: int | None,
        tenant: str,
    ) -> Command:  # fmt: skip
        names = list(self.oracle.lives) or ["nobody's"]
        about, target = names[alert % len(names)], names[other % len(names)]
        life = self.oracle.lives.get(about)
        self.given += not again
        words = WORDS.get(action, [""])
        chosen = words[word % len(words)]
        sent = [one for one in self.calm.notifications if one.alert_id == about]
        failed = sent[other % len(sent)] if sent else None
        return command(
            self.given, action, alert=about, tenant=life.latest.tenant if life and tenant == "own" else "acme",
            at=self.now, note=f"note {self.given}" if note or action == "comment" else "",
            disposition="" if action == "phase" else chosen,
            target=chosen if action == "phase" else target if action in ("link", "dismiss") and word else "",
            until=self.now + minutes * MINUTE, assignee="ada", tags=(f"t{word}",), expected_version=version,
            receiver=failed.receiver if failed else "chat", notification_id=failed.id if failed else "n",
            metadata={"told_at": failed.at} if failed else {},
        )  # fmt: skip

    def _govern(self) -> None:
        policy = dict(ALWAYS)
        for part in self.parts:
            policy |= PARTS[part]
        records = {"policy/default": policy}
        records |= {f"silence/{name}": document for name, (_, document) in self.silences.items()}
        records |= {f"maintenance/{name}": document for name, (_, document) in self.windows.items()}
        self.control += 1
        for world in (self.calm, self.shaken):
            world.control = Control(self.control, None, records)

    def _step(self, records: list[Finding | Command] | None) -> list[Output]:
        marks = len(self.calm.notifications), len(self.calm.operations)
        outputs = []
        for world in (self.calm, self.shaken):
            world.now = self.now
            outputs.append(world.tick() if records is None else world.give(*records))
        assert outputs[0] == outputs[1], "a restart has changed what comes out"
        assert not self.calm.dead
        versions = [msgspec.json.decode(one.value, type=Alert) for one in outputs[0] if one.topic == "alerts"]
        self.oracle.step(
            [one for one in records or () if isinstance(one, Command)], versions, self.calm.notifications[marks[0] :],
            self.calm.operations[marks[1] :],
            [cover for table in (self.silences, self.windows) for cover, _ in table.values()], self.now,
        )  # fmt: skip
        return outputs[0]

    def _due(self) -> int | None:
        return min((due for world in (self.calm, self.shaken) if (due := world.state.due()) is not None), default=None)

    def _until(self, end: int, most: int = 1_000) -> None:
        """Run every timer up to ``end``, each when it is due; a policy that has just changed is seen first."""
        self._step(None)
        for _ in range(most):
            due = self._due()
            if due is None or due > end:
                self.now = end
                return
            self.now = max(self.now, due)
            self._step(None)
        raise AssertionError("timers come without end")


TestAlerts = Alerts.TestCase
TestAlerts.settings = settings(
    max_examples=EXAMPLES, report_multiple_bugs=False, stateful_step_count=STEPS, deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)  # fmt: skip
