"""What suppresses an alert is what the documents say, the first of the order; what was held back is told once, or never.

The oracle reads the documents anew for every question, and compares every alert with every other.
"""

from __future__ import annotations

from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.unit.alert_steps import MINUTE, START, World, command, finding

RULES, SITES, TENANTS = ("a", "b", "c"), ("", "ams", "fra"), ("acme", "globex")
CHAT: dict[str, Any] = {"receivers": [{"name": "chat"}], "route": {"receivers": ["chat"]}, "remind_severities": []}
rules, minutes = st.sampled_from(RULES), st.integers(0, 120)


def spans(length: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(minutes, st.integers(1, length))


silences = st.builds(
    lambda rule, span, tenant: {
        "matchers": [f"rule={rule}"], "starts_at": START + span[0] * MINUTE,
        "ends_at": START + sum(span) * MINUTE, "author": "ada", "comment": "c", **({"tenant": tenant} if tenant else {}),
    },
    rules, spans(60), st.sampled_from(("", *TENANTS)),
)  # fmt: skip
windows = st.builds(
    lambda rule, span, recurs: {
        "matchers": [f"rule={rule}"], "starts_at": START + (span[0] - 60) * MINUTE, "duration": f"{span[1]}m",
        "remind": "0s", **({"rrule": "FREQ=HOURLY;COUNT=4"} if recurs else {}),
    },
    rules, spans(90), st.booleans(),
)  # fmt: skip
inhibitions = st.builds(
    lambda source, target, equal: (source, target, ["metadata.site"] if equal else []), rules, rules, st.booleans()
)


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    def named(prefix: str, one: Any, most: int) -> dict[str, Any]:
        return {f"{prefix}{n}": it for n, it in enumerate(draw(st.lists(one, max_size=most)))}

    return {
        "maintenance": named("w", windows, 2),
        "silences": named("s", silences, 3),
        "inhibit": [
            {"source": [f"rule={a}"], "target": [f"rule={b}"], "equal": equal}
            for a, b, equal in draw(st.lists(inhibitions, max_size=3))
        ],
        "dependencies": [
            {"parent": [f"rule={a}"], "child": [f"rule={b}"], "equal": equal}
            for a, b, equal in draw(st.lists(inhibitions, max_size=2))
        ],
        **({"storm": {"alerts": draw(st.integers(1, 3)), "within": "30m"}} if draw(st.booleans()) else {}),
    }


deeds = st.one_of(
    st.tuples(st.just("open"), rules, st.sampled_from(TENANTS), st.sampled_from(SITES)),
    st.tuples(st.just("open"), rules, st.just("acme"), st.just("ams")),
    st.tuples(st.just("close"), st.integers(0, 9)),
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.tuples(st.just("policy"), policies()),
    st.tuples(st.just("restart")),
)


class Oracle:
    """Alerts as (rule, tenant, site) by name, in the order in which they were opened; and the documents in force."""

    def __init__(self) -> None:
        self.open: dict[str, tuple[str, str, str]] = {}
        self.policy: dict[str, Any] = {}

    def reasons(self, name: str, minute: int) -> list[tuple[str, set[str]]]:
        """All that suppresses it, in the order of the stages: (stage, by)."""
        rule, tenant, _ = self.open[name]
        found = []
        for identity, one in self.policy["maintenance"].items():
            first = (one["starts_at"] - START) // MINUTE
            begins = [first + 60 * n for n in range(4 if "rrule" in one else 1)]
            under_way = any(begin <= minute < begin + int(one["duration"][:-1]) for begin in begins)
            if under_way and one["matchers"] == [f"rule={rule}"]:
                found.append(("maintenance", {identity}))
        for identity, one in self.policy["silences"].items():
            in_force = one["starts_at"] <= START + minute * MINUTE < one["ends_at"]
            if in_force and one["matchers"] == [f"rule={rule}"] and one.get("tenant", tenant) == tenant:
                found.append(("silence", {identity}))
        for stage, source in (("inhibition", "inhibit"), ("dependency", "dependencies")):
            for number in range(len(self.policy[source])):
                by = {other for other in self.open if self.hides(source, number, other, name)}
                older = list(self.open)[: list(self.open).index(name)]
                by = {other for other in by if other in older or not self.leads(name, other)}
                if by:
                    found.append((stage, by))
        return found

    def hides(self, section: str, number: int, one: str, other: str) -> bool:
        """Whether ``one`` hides ``other`` by a rule, rings aside."""
        document = self.policy[section][number]
        source, target = (document.get(a) or document[b] for a, b in (("source", "parent"), ("target", "child")))
        (rule, tenant, site), (other_rule, other_tenant, other_site) = self.open[one], self.open[other]
        agree = not document["equal"] or (site == other_site != "")
        fits = source == [f"rule={rule}"] and target == [f"rule={other_rule}"]
        return one != other and tenant == other_tenant and agree and fits

    def leads(self, one: str, other: str, seen: frozenset[str] = frozenset()) -> bool:
        """Whether ``one`` hides ``other``, be it by way of others."""
        edges = [(section, n) for section in ("inhibit", "dependencies") for n in range(len(self.policy[section]))]
        above = {it for it in self.open for edge in edges if it not in seen and self.hides(*edge, it, other)}
        return one in above or any(self.leads(one, it, seen | above | {other}) for it in above)


def settle(world: World, minute: int) -> None:
    """Let time come to ``minute``, with everything that is due until then."""
    world.tick()
    while (due := world.state.due()) is not None and due <= START + minute * MINUTE:
        world.now = max(world.now, due)
        world.tick()
    world.tick(minute)


def begun(world: World, name: str) -> int:
    return sum(reason == "new" for _, reason in world.told(name))


@settings(max_examples=300, deadline=None)
@given(policies(), st.lists(deeds, min_size=3, max_size=30))
def test_suppression_is_what_the_documents_say(first: dict[str, Any], log: list[Any]) -> None:
    world, oracle, minute, n = World({**CHAT, **first}), Oracle(), 0, 0
    oracle.policy = first
    unheard, hidden = set[str](), dict[str, int]()
    uncounted = set[str]()
    tallied = set[str]()  # told while there was a cap: others are not counted
    settle(world, 0)
    for deed, *more in log:
        if deed == "open":
            rule, tenant, site = more
            name = f"alert-{n:03}"  # of one age the smaller id is the older
            told = [
                one for one in world.notifications
                if one.reason == "new" and (one.alert.rule, one.tenant) == (rule, tenant)
                and one.at > START + (minute - 30) * MINUTE and one.id in tallied
            ]  # fmt: skip
            where = {"site": site} if site else {}
            world.give(
                finding(n, minute, alert_id=name, rule=rule, tenant=tenant, key={"n": n}, metadata=where, cooldown=0)
            )
            oracle.open[name] = (rule, tenant, site)
            n += 1
            expected = oracle.reasons(name, minute)
            said = [(one.stage, one.by) for one in world.alert(name).suppressed]
            if expected:
                (stage, by), *others = expected
                event(f"first of {len(others) + 1}: {stage}")
                same = set().union(by, *(more for it, more in others if it == stage)) if stage == "inhibition" else by
                assert [it for it, _ in said] == [stage]
                assert said[0][1] in same
                unheard.add(name)
            elif (cap := oracle.policy.get("storm")) and len(told) >= cap["alerts"]:
                event("storm")
                assert said == [("throttle", "storm")]
            else:
                assert said == []
                assert begun(world, name) == 1
            hidden[name] = int(bool(said))
        elif deed == "close" and oracle.open:
            name = list(oracle.open)[more[0] % len(oracle.open)]
            tenant = oracle.open.pop(name)[1]
            world.give(command(len(world.operations), "resolve", alert=name, tenant=tenant))
            settle(world, minute)
        elif deed == "wait":
            minute += more[0]
        elif deed == "policy":
            oracle.policy = more[0]
            world.policy({**CHAT, **oracle.policy})
        elif deed == "restart":
            world.restart()
        settle(world, minute)
        if "storm" in oracle.policy:
            tallied |= {one.id for one in world.notifications} - uncounted
        else:
            uncounted |= {one.id for one in world.notifications} - tallied
        for name in oracle.open:
            kept = begun(world, name) == 0 and world.alert(name).suppressed[0].stage != "throttle"
            assert kept <= bool(oracle.reasons(name, minute)), "it is hidden though nothing hides it"
            assert (begun(world, name) == 0) == bool(world.alert(name).suppressed)
    world.policy(CHAT)
    settle(world, minute)
    for name, alerts in world.versions.items():
        if not name.startswith("alert-"):
            continue  # storms
        if name in oracle.open and alerts[-1].suppressed == ():
            assert begun(world, name) == 1
        assert begun(world, name) <= 1
        if name not in oracle.open and name in unheard and begun(world, name) == 0:
            assert world.told(name) == [], "nobody was told that it began, and nobody that it is over"
        assert alerts[-1].hidden == hidden[name], "what is hidden is counted once, however often it is looked at"
    counted = sum(count for key, count in world.state.counts.items() if key[0] == "suppressed")
    if not any(deed == "restart" for deed, *_ in log):
        assert counted == sum(hidden.values())
