"""The composition root: everything a worker is made of is put together here, and nowhere else."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import faust
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from mode import Service

from streams import telemetry
from streams.alerts.policy import parse_policy
from streams.codec.outputs import PLAIN, Wire
from streams.errors import FAILED, ClusterError
from streams.model import Source as EventSource
from streams.rules.rule import RuleSet
from streams.runtime import control as controls
from streams.runtime.agents import Agent, App
from streams.runtime.deliver import DeliverRole
from streams.runtime.garbage import look_seldom
from streams.runtime.names import Names
from streams.runtime.ruleswatch import RulesWatch
from streams.runtime.source import Source
from streams.runtime.stage import Stage
from streams.runtime.stages import alert_stage, detect_stage
from streams.runtime.timing import Timing
from streams.runtime.watchdog import watch
from streams.runtime.web import Web

ROLES = ("detect", "alert", "deliver", "api")


class Companion(Protocol):
    """What a worker runs beside its stages, on threads of its own."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def health(self) -> tuple[bool, Any]: ...


@dataclass(frozen=True)
class Settings:
    """What a worker must know. ``ruleset`` and ``policy`` only seed an empty control topic."""

    options: Mapping[str, Any]  #: how to reach Kafka
    names: Names
    worker: str
    roles: frozenset[str]
    sources: Sequence[EventSource]
    ruleset: RuleSet
    policy: dict[str, Any]
    sinks: Sequence[Any] = ()
    host: str = "127.0.0.1"
    port: int | None = 8300  #: None: no endpoints
    data_dir: Path = Path(".tocsin")
    max_keys: int = 1_000_000
    stall_after: float = 60.0
    timing: Timing = field(default_factory=Timing)
    wire: Wire = PLAIN  #: how records of our topics are written
    companions: Mapping[str, Companion] = field(default_factory=dict)  #: by the name of their role
    watched: Sequence[Path] = ()  #: rule files that come into force whenever they change
    load: Callable[[], RuleSet] | None = None  #: reads them; raises TocsinError for what is wrong


def partition_counts(settings: Settings) -> dict[str, int]:
    """Partitions of every topic the roles read or need, by logical name; refuses what does not fit together."""
    names = settings.names
    admin = AdminClient({**settings.options, "socket.connection.setup.timeout.ms": 5000})
    try:
        there = {topic: len(data.partitions) for topic, data in admin.list_topics(timeout=10).topics.items()}
    except KafkaException as error:
        raise ClusterError(
            f"cannot reach Kafka at {settings.options.get('bootstrap.servers')}: {error.args[0].str()}",
            "check kafka.bootstrap_servers; `tocsin local up` starts one here",
        ) from error
    equal = {
        names.topic("alert-input"): names.changelog("alert"),
        names.topic("rekeyed"): names.changelog("detect-rekeyed"),
    }
    equal |= {names.topic(source.topic): names.changelog(f"detect-{source.topic}") for source in settings.sources}
    plain = (
        "alerts",
        "notifications",
        "deliveries",
        "control",
        "journal",
        "dead-letter",
        "late",
        "operations",
        "shadow",
    )
    needed = [*equal, *equal.values(), *map(names.topic, plain)]
    if missing := sorted(set(needed) - set(there)):
        raise ClusterError(f"missing topics: {', '.join(missing)}", "run `tocsin topics create`")
    if unequal := [
        f"{topic} has {there[topic]}, {log} has {there[log]}"
        for topic, log in equal.items()
        if there[topic] != there[log]
    ]:
        raise ClusterError(f"partition counts must be equal: {'; '.join(unequal)}", "run `tocsin topics check`")
    return {names.logical(topic): n for topic, n in there.items() if topic.startswith(names.prefix)}


class Sources(Service):  # type: ignore[misc]  # mode is untyped
    """Starts the source threads after the agents, and stops them before."""

    def __init__(self, worker: Worker, **options: Any) -> None:
        self._worker = worker
        super().__init__(**options)

    async def on_start(self) -> None:
        self._worker.app.flow_control.resume()
        loop = asyncio.get_running_loop()
        for agent, source in zip(self._worker.agents, self._worker.sources, strict=True):
            agent.attach(loop)
            source.start()
        if self._worker.deliver is not None:
            self._worker.deliver.start()
        for companion in self._worker.settings.companions.values():
            companion.start()

    async def on_stop(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._worker.stop_sources)


class Worker:
    """One process with its roles."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        counts = partition_counts(settings)
        self.control = controls.ControlReader(settings.options, settings.names)
        self.control.start()
        self._seed()
        self._warn_of_receivers()
        datadir = settings.data_dir / "faust" / settings.worker
        datadir.mkdir(parents=True, exist_ok=True)
        self.app = App(
            settings.names.identity("app", settings.worker),
            broker="kafka://unused",
            store="memory://",
            web_enabled=False,
            origin=None,
            datadir=str(datadir),
            stream_wait_empty=False,
        )
        stages: list[Stage] = []
        if "detect" in settings.roles:
            stages.append(detect_stage(settings.sources, counts, settings.max_keys))
        if "alert" in settings.roles:
            stages.append(alert_stage())
        self.agents = [Agent(self.app, stage.role) for stage in stages]
        self.sources = [
            Source(
                stage,
                settings.options,
                settings.names,
                settings.worker,
                agent,
                self.control.in_force,
                {entry.topic: counts[entry.topic] for entry in stage.inputs},
                settings.timing,
                settings.wire,
            )
            for stage, agent in zip(stages, self.agents, strict=True)
        ]
        self.deliver: DeliverRole | None = None
        if "deliver" in settings.roles and settings.sinks:
            self.deliver = DeliverRole(
                settings.sinks,
                settings.options,
                settings.names,
                settings.worker,
                data_dir=settings.data_dir,
                wire=settings.wire,
            )

    def _seed(self) -> None:
        """Bring the configured rules and policy into force where nothing is; where something is, it stays."""
        settings, current = self.settings, self.control.current
        records, policy = [], current.records.get(controls.POLICY)
        if controls.RULESET not in current.records and settings.ruleset.rules:
            records.append(controls.ruleset_record(settings.ruleset))
        elif settings.ruleset.rules and current.ruleset.version != settings.ruleset.version:
            telemetry.log.warning(
                "the rules in force differ from the configured ones; `tocsin rules apply` switches",
                in_force=current.ruleset.version,
                configured=settings.ruleset.version,
            )
        if settings.policy and policy is None:
            records.append(controls.policy_record(settings.policy))
        elif settings.policy and policy != controls.policy_record(settings.policy).document:
            telemetry.log.warning(
                "the policy in force differs from the configured one; `tocsin rules apply --policy` switches both"
            )
        if records:
            position = controls.publish(settings.options, settings.names, records)
            self.control.wait_for(lambda control: control.position >= position)
            telemetry.log.info(
                "nothing was in force; brought what is configured into force", what=[record.kind for record in records]
            )

    def _warn_of_receivers(self) -> None:
        """A receiver that no sink has the name of is told nothing: say so once, here."""
        policy = self.control.current.records.get(controls.POLICY, {})
        missing = set(parse_policy(policy).by_name) - {sink.name for sink in self.settings.sinks}
        if missing and "deliver" in self.settings.roles:
            telemetry.log.warning(
                "receivers without a sink: what is for them waits on `notifications`", receivers=sorted(missing),
                hint="add sinks of these names, or run a worker that has them",
            )  # fmt: skip

    def _watch_rules(self) -> RulesWatch | None:
        """Follow the rule files, where this worker is to."""
        settings = self.settings
        if settings.load is None or not settings.watched:
            return None
        files = RulesWatch(
            settings.watched,
            settings.load,
            in_force=lambda: str(self.control.in_force().ruleset.version),
            apply=lambda rules: controls.publish(settings.options, settings.names, [controls.ruleset_record(rules)]),
        )
        files.start()
        return files

    def health(self) -> dict[str, tuple[bool, Any]]:
        health: dict[str, tuple[bool, Any]] = {
            "control": (
                self.control.failed is None,
                {"position": self.control.current.position, "ruleset": self.control.current.ruleset.version},
            ),
        }
        for source in self.sources:
            parts = sorted(str(part) for part in list(source.parts.values()) if part.live)
            health[source.stage.role] = source.ready, {"partitions": parts, "lag": source.lag}
        if self.deliver is not None:
            # A sink that is down is no reason to take the worker out of service: it is shown, not counted.
            health["deliver"] = True, self.deliver.health()
        return health | {name: one.health() for name, one in self.settings.companions.items()}

    def stop_sources(self) -> bool:
        """Let them finish and commit; False where one did not in time, and is cut off."""
        for companion in self.settings.companions.values():
            companion.stop()
        for source in self.sources:
            source.stop()
        if self.deliver is not None:
            self.deliver.stop(10)
        return all(source.ended.wait(20) for source in self.sources if source.running)

    def run(self) -> None:
        """Until SIGTERM or SIGINT; a failure ends the process with a status of ``streams.errors``."""
        settings, worker = self.settings, self
        services = [] if settings.port is None else [Web(settings.host, settings.port, self.health)]

        @self.app.service
        class _Sources(Sources):  # the app's own services start after its agents, and stop before them
            def __init__(self, **options: Any) -> None:
                super().__init__(worker, **options)

        shell = faust.Worker(
            self.app, *services, quiet=True, loglevel="error", redirect_stdouts=False, blocking_timeout=None
        )
        shell.spinner = None
        watch(self.sources, settings.stall_after)
        files = self._watch_rules()
        gc.collect()
        look_seldom()
        self.control.serve()
        telemetry.log.info("worker starts", worker=settings.worker, roles=sorted(settings.roles))
        status = 0
        try:
            shell.execute_from_commandline()
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException as error:
            telemetry.log.error("worker failed", error=f"{type(error).__name__}: {error}", exc_info=error)
            status = FAILED
        if not self.stop_sources() and status == 0:
            telemetry.log.error("cut off: what was not committed is done again by the next worker")
            status = FAILED
        if files is not None:
            files.stop()
        self.control.stop()
        telemetry.log.info("worker stopped", worker=settings.worker, status=status)
        os._exit(status)  # daemon threads of the clients may linger; everything is committed
