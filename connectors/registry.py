"""Every connector there is: its type in the configuration, what it reads, and how it is made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from connectors.base import Kind, Sink
from connectors.context import SinkContext
from connectors.notifiers import (
    alertmanager,
    apprise,
    console,
    discord,
    email,
    pagerduty,
    slack,
    teams,
    telegram,
    twilio,
    webhook,
)
from connectors.settings import Block, Policy, Rate, Retrying, read_policy
from connectors.storage import archive, postgres, redis, sqlite
from streams.errors import ConfigError

_FOREVER = Retrying(attempts=None, within_ms=None, longest_ms=30_000)
_STORE = Policy(retry=_FOREVER, concurrency=1, batch=500, in_flight=5_000, timeout_ms=30_000)

_BULK = msgspec.structs.replace(_STORE, batch=2_000, in_flight=20_000)
_FILES = msgspec.structs.replace(_STORE, batch=10_000, in_flight=20_000, linger_ms=60_000, timeout_ms=120_000)


@dataclass(frozen=True, slots=True)
class Connector:
    """``read`` parses the connector's own part of a block, ``make`` builds the sink; ``policy`` is the default."""

    kind: Kind
    read: Callable[[Block], Any]
    make: Callable[[Any, SinkContext], Sink]
    policy: Policy
    further: Callable[[Any], tuple[str, ...]] = lambda _: ()  #: logical topics a storage reads besides ``alerts``
    by_partition: bool = False  #: order is kept per partition instead of per alert


def _paced(per_second: float, burst: int) -> Policy:
    """About what the vendor takes without answering 429."""
    return Policy(rate=Rate(per_second=per_second, burst=burst), concurrency=4)


#: The registry. Storage goes on for ever: what it cannot take now waits in the log.
CONNECTORS: dict[str, Connector] = {
    "console": Connector(Kind.NOTIFIER, console.read_config, console.Console, Policy(concurrency=1)),
    "webhook": Connector(Kind.NOTIFIER, webhook.read_config, webhook.Webhook, Policy()),
    "slack": Connector(Kind.NOTIFIER, slack.read_config, slack.Slack, _paced(1, 10)),
    "pagerduty": Connector(Kind.NOTIFIER, pagerduty.read_config, pagerduty.PagerDuty, _paced(2, 20)),
    "teams": Connector(Kind.NOTIFIER, teams.read_config, teams.Teams, _paced(2, 4)),
    "discord": Connector(Kind.NOTIFIER, discord.read_config, discord.Discord, _paced(2, 5)),
    "telegram": Connector(Kind.NOTIFIER, telegram.read_config, telegram.Telegram, _paced(1, 5)),
    "email": Connector(
        Kind.NOTIFIER, email.read_config, email.Email, msgspec.structs.replace(_paced(5, 20), timeout_ms=30_000)
    ),
    "alertmanager": Connector(Kind.NOTIFIER, alertmanager.read_config, alertmanager.Alertmanager, Policy()),
    "apprise": Connector(Kind.NOTIFIER, apprise.read_config, apprise.Apprise, _paced(1, 5)),
    "sms": Connector(Kind.NOTIFIER, twilio.read_sms, twilio.Sms, _paced(1, 5)),
    "phone": Connector(Kind.NOTIFIER, twilio.read_phone, twilio.Phone, _paced(1, 2)),
    "sqlite": Connector(Kind.STORAGE, sqlite.read_config, sqlite.SQLite, _BULK),
    "archive": Connector(
        Kind.STORAGE, archive.read_config, archive.Archive, _FILES, further=archive.further, by_partition=True
    ),
    "redis": Connector(Kind.STORAGE, redis.read_config, redis.Redis, _STORE),
    "postgres": Connector(Kind.STORAGE, postgres.read_config, postgres.Postgres, _BULK, further=postgres.further),
}


@dataclass(frozen=True, slots=True)
class SinkConfig:
    """A sink as configured. ``start``: where a sink that has never run begins, ``earliest`` or ``latest``."""

    name: str
    type: str
    kind: Kind
    start: str
    policy: Policy
    options: Any

    @property
    def topics(self) -> tuple[str, ...]:
        """The logical topics it reads; items stand on the first."""
        if self.kind is Kind.NOTIFIER:
            return ("notifications",)
        further = CONNECTORS[self.type].further(self.options)
        return tuple(dict.fromkeys(("alerts", *further)))

    @property
    def by_partition(self) -> bool:
        return CONNECTORS[self.type].by_partition

    def make(self, context: SinkContext) -> Sink:
        """Build it, unopened. Raises SinkBroken."""
        return CONNECTORS[self.type].make(self.options, context)


class SinkErrors(ConfigError):
    """Everything wrong with the sinks. ``problems``: (path such as ``sinks[0].url``, message)."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        lines = "\n".join(f"  {path}: {message}" for path, message in problems)
        super().__init__(f"the configuration of the sinks has {len(problems)} problem(s):\n{lines}")
        self.problems = tuple(problems)


def parse_sinks(documents: Sequence[Any]) -> tuple[SinkConfig, ...]:
    """The sinks of a configuration. Raises SinkErrors with all problems of all of them."""
    problems: list[tuple[str, str]] = []
    if not isinstance(documents, (list, tuple)):
        raise SinkErrors([("sinks", f"must be a list, not {type(documents).__name__}")])
    sinks = [_parse(f"sinks[{number}]", document, problems) for number, document in enumerate(documents)]
    names = Counter(sink.name for sink in sinks if sink is not None and sink.name)
    for number, sink in enumerate(sinks):
        if sink is not None and names[sink.name] > 1:
            problems.append((f"sinks[{number}].name", f"{sink.name!r} is taken: each sink needs its own"))
    if problems:
        raise SinkErrors(problems)
    return tuple(sink for sink in sinks if sink is not None)


def _parse(path: str, document: Any, problems: list[tuple[str, str]]) -> SinkConfig | None:
    block = Block(path, document, problems)
    if not isinstance(document, dict):
        return None
    before = len(problems)
    name = block.text("name")
    if name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        block.problem(
            "name", "must be letters, digits, dot, dash and underscore, at most 64: it names a consumer group"
        )
    type_ = block.choice("type", tuple(CONNECTORS))
    if any(problem[0] == f"{path}.type" for problem in problems[before:]):
        return None  # which other keys are right depends on it
    connector = CONNECTORS[type_]
    start = block.choice("start", ("earliest", "latest"), "earliest")
    options = connector.read(block)
    policy = read_policy(block, connector.policy)
    block.finish()
    return SinkConfig(name, type_, connector.kind, start, policy, options)
