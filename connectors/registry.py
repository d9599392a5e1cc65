"""Every connector there is: its type in the configuration, what it reads, and how it is made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from connectors.base import Kind, Sink
from connectors.settings import Block, Policy, Rate, Retrying, read_policy
from streams.errors import ConfigError

if TYPE_CHECKING:
    from connectors.context import SinkContext

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


def _of(module: str, name: str) -> Callable[..., Any]:
    """``name`` of ``connectors.<module>``, which its first call imports: no command pays for the libraries of vendors
    that are not configured.
    """

    def called(*arguments: Any) -> Any:
        return getattr(import_module(f"connectors.{module}"), name)(*arguments)

    return called


def _notifier(module: str, sink: str, policy: Policy, read: str = "read_config") -> Connector:
    module = f"notifiers.{module}"
    return Connector(Kind.NOTIFIER, _of(module, read), _of(module, sink), policy)


def _storage(module: str, sink: str, policy: Policy, **more: Any) -> Connector:
    module = f"storage.{module}"
    return Connector(Kind.STORAGE, _of(module, "read_config"), _of(module, sink), policy, **more)


#: The registry. Storage goes on for ever: what it cannot take now waits in the log.
CONNECTORS: dict[str, Connector] = {
    "console": _notifier("console", "Console", Policy(concurrency=1)),
    "webhook": _notifier("webhook", "Webhook", Policy()),
    "slack": _notifier("slack", "Slack", _paced(1, 10)),
    "pagerduty": _notifier("pagerduty", "PagerDuty", _paced(2, 20)),
    "teams": _notifier("teams", "Teams", _paced(2, 4)),
    "discord": _notifier("discord", "Discord", _paced(2, 5)),
    "telegram": _notifier("telegram", "Telegram", _paced(1, 5)),
    "email": _notifier("email", "Email", msgspec.structs.replace(_paced(5, 20), timeout_ms=30_000)),
    "alertmanager": _notifier("alertmanager", "Alertmanager", Policy()),
    "apprise": _notifier("apprise", "Apprise", _paced(1, 5)),
    "sms": _notifier("twilio", "Sms", _paced(1, 5), read="read_sms"),
    "phone": _notifier("twilio", "Phone", _paced(1, 2), read="read_phone"),
    "sqlite": _storage("sqlite", "SQLite", msgspec.structs.replace(_BULK, batch=5_000)),
    "archive": _storage("archive", "Archive", _FILES, further=_of("storage.archive", "further"), by_partition=True),
    "redis": _storage("redis", "Redis", _STORE),
    "postgres": _storage("postgres", "Postgres", _BULK, further=_of("storage.postgres", "further")),
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
