"""What else there was while the events of a backtest came: what people did to alerts, and what was in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streams.cli.backtest_inputs import Inputs
from streams.cli.context import admin, kafka_options, names_of
from streams.codec.outputs import Wire
from streams.config import Config, registry_of
from streams.replay.backtest.commands import CommandLog
from streams.replay.backtest.history import History, history
from streams.replay.controls import Controls
from streams.replay.logs import TopicLog
from streams.replay.moments import rfc3339
from streams.rules.lists import used
from streams.rules.rule import RuleSet
from streams.state.alerts.inforce import POLICY


@dataclass(frozen=True, slots=True)
class Past:
    """``controls``: what was in force with each rule set, if ``history`` is known."""

    commands: CommandLog | None = None
    history: History | None = None
    controls: Sequence[Controls] | None = None

    def lists(self) -> dict[str, int]:
        """Since when each list has been there, ms."""
        return {} if self.history is None else self.history.begins()

    def notes(self, ruleset: RuleSet, first: int) -> list[str]:
        """Lists of the rules that were not there yet when the first record was written, at ``first`` (ms)."""
        return [
            f"the list {name} is in force from {rfc3339(since)} on: before, it matches nothing (--list gives another)"
            for name, since in self.lists().items()
            if since > first and name in used(ruleset) and name not in ruleset.lists
        ]


NOTHING = Past()


def past_of(read: Inputs, rulesets: Sequence[RuleSet], config: Config, *, in_force: bool) -> Past:
    """Where it stands, if it is our own topics that are read: alerts of others have other ids. ``in_force``: the last
    of the rule sets has the lists of now, which are no given ones.
    """
    if not any(isinstance(log, TopicLog) and log.own for log in read.logs):
        return NOTHING
    names, options = names_of(config), kafka_options(config)
    topics = admin(config).list_topics(timeout=10).topics
    commands = control = None
    if names.topic("alert-input") in topics:
        commands = CommandLog(names.topic("alert-input"), names.topic("operations"), options, Wire(registry_of(config)))
    if names.topic("control") in topics:
        wanted = {name for ruleset in rulesets for name in used(ruleset)}
        control = history(options, names.topic("control"), wanted)
    if control is None or not control.states:
        return Past(commands)
    controls = []
    for number, ruleset in enumerate(rulesets):
        now = in_force and number == len(rulesets) - 1
        own = {} if now else {name: one for rule in ruleset.rules for name, one in rule.lists.items()}
        policy = {POLICY: dict(config.policy)} if config.policy else {}
        controls.append(control.over(ruleset, policy, own))
    return Past(commands, control, controls)
