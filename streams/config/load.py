"""Reading the configuration: all problems of file and environment in one report, each with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectors.registry import SinkErrors, parse_sinks
from connectors.settings import Block
from streams.alerts.policy import parse_policy
from streams.codec.registry import mapping_named_or_file
from streams.config.api import api
from streams.config.document import Document, read
from streams.config.enrichment import enrichment
from streams.config.environment import override
from streams.config.formats import output_formats, schema_registry, source_format
from streams.config.settings import (
    MECHANISMS,
    PACKS,
    PROTOCOLS,
    ROLES,
    SOURCES,
    Config,
    Detect,
    Http,
    Kafka,
    Log,
    Sasl,
    SchemaRegistry,
    SourceSettings,
)
from streams.config.switches import switched_on
from streams.errors import ConfigError
from streams.rules.problems import Problem

_NAME = r"[A-Za-z0-9._-]{1,100}"
_HIDDEN = re.compile(r"password|secret|ssl\.key\.pem|oauthbearer\.config")

#: Options of the client that exactness rests on, or that have their own place; ``client`` may not set them.
_OURS = {
    "acks", "auto.offset.reset", "bootstrap.servers", "enable.auto.commit", "enable.auto.offset.store",
    "enable.idempotence", "enable.partition.eof", "group.id", "group.instance.id", "group.protocol",
    "isolation.level", "metadata.broker.list", "partition.assignment.strategy", "partitioner", "request.required.acks",
    "sasl.mechanism", "sasl.mechanisms", "sasl.password", "sasl.username", "security.protocol", "session.timeout.ms",
    "transaction.timeout.ms", "transactional.id",
}  # fmt: skip


class ConfigErrors(ConfigError):
    """All problems of the configuration."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        head = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n  ".join([f"{head} in the configuration:", *map(str, problems)])
        super().__init__(lines, "see streams/docs/configuration.md")


class _Section(Block):
    """A block of the configuration file: a connector's, and what only the application has."""

    def names(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of distinct texts; one may stand without brackets."""
        value, given = self._take(name, default)
        found = [value] if isinstance(value, str) else value
        if not given:
            return default
        if not isinstance(found, list) or not found or not all(isinstance(one, str) and one.strip() for one in found):
            self.problem(name, "must be a list of names")
            return default
        if twice := sorted({one for one in found if found.count(one) > 1}):
            self.problem(name, f"names {twice[0]!r:.60} twice")
        return tuple(found)

    def name(self, name: str, default: str, *, may_be_empty: bool = False) -> str:
        """A text that can stand in names on the cluster."""
        value, given = self._take(name, default)
        if given and may_be_empty and value == "":
            return ""
        if given and (not isinstance(value, str) or not re.fullmatch(_NAME, value)):
            self.problem(
                name, f"must be text of letters, digits, dot, dash and underscore, at most 100, not {value!r:.60}"
            )
            return default
        return str(value)

    def section(self, name: str) -> _Section:
        """A nested block; an absent one is empty."""
        value, _ = self._take(name, {})
        return _Section(f"{self.path}.{name}" if self.path else name, value, self.problems)

    @property
    def given(self) -> Mapping[Any, Any]:
        """What the block holds."""
        return self._content

    def anything(self, name: str, default: Any) -> Any:
        """A value that somebody else checks."""
        return self._take(name, default)[0]

    def problem(self, name: str, message: str) -> None:
        self.problems.append((f"{self.path}.{name}".strip("."), message))


def load_config(path: Path | str | None, environ: Mapping[str, str], *, default_bootstrap: str | None = None) -> Config:
    """The configuration of ``path``, overridden by the environment; without a path ``TOCSIN_CONFIG``, or the defaults.

    ``default_bootstrap`` is used where neither names a Kafka. Raises ConfigError, with all problems at once.
    """
    chosen = path or environ.get("TOCSIN_CONFIG") or None
    file = Path(chosen) if chosen else None
    document = read(file) if file is not None else Document("", {}, {}, [])
    problems: list[tuple[str, str]] = []
    content = document.content if document.content is not None else {}
    if not isinstance(content, dict):
        raise ConfigErrors([Problem(document.place(""), "", f"must be a mapping, not {type(content).__name__}")])
    merged, origins = override(content, environ)
    merged = switched_on(merged, environ)
    config = _config(_Section("", merged, problems), file, default_bootstrap)

    def placed(at: str, message: str) -> Problem:
        if at in origins:
            return Problem(origins[at], "", message)
        return Problem(document.place(at), at, message)

    found = [*document.problems, *(placed(at, message) for at, message in problems)]
    if found:
        raise ConfigErrors(sorted(set(found), key=_order))
    return config


def _order(problem: Problem) -> tuple[str, int, str]:
    file, _, line = problem.place.rpartition(":")
    return file, int(line) if line.isdigit() else 0, problem.path


def _config(root: _Section, file: Path | None, default_bootstrap: str | None) -> Config:
    base = file.absolute().parent if file is not None else Path.cwd()
    roles = root.names("roles", ROLES)
    for role in roles:
        if role not in ROLES:
            root.problem("roles", f"there is no role {role!r:.60} (known: {', '.join(ROLES)})")
    rules = tuple(base / Path(rule).expanduser() for rule in root.names("rules", (str(PACKS),)))
    for number, rule in enumerate(rules):
        if not rule.exists():
            root.problem(f"rules[{number}]", f"there is no {rule}")
    sinks, policy = root.anything("sinks", []), root.anything("policy", {})
    registry = schema_registry(root.section("schema_registry"), base)
    _check_sinks(root, sinks)
    _check_policy(root, policy)
    sources = _sources(root.section("sources"), base, registry)
    config = Config(
        kafka=_kafka(root.section("kafka"), default_bootstrap),
        app=root.name("app", "tocsin"),
        topic_prefix=root.name("topic_prefix", "", may_be_empty=True),
        roles=roles,
        worker_id=root.name("worker_id", "") or None,
        data_dir=base / Path(root.text("data_dir", ".tocsin") or ".tocsin").expanduser(),
        rules=rules,
        watch_rules=root.flag("watch_rules", False),
        overrides=root.section("overrides").given,
        sources=sources,
        policy=policy if isinstance(policy, dict) else {},
        sinks=tuple(sinks) if isinstance(sinks, list) else (),
        schema_registry=registry,
        outputs=output_formats(root.section("outputs"), registry),
        http=_http(root.section("http")),
        api=api(root.section("api")),
        detect=_detect(root.section("detect")),
        log=_log(root.section("log")),
        enrichment=enrichment(root.section("enrichment"), base, sources),
        file=file,
    )
    root.finish()
    return config


def _kafka(block: _Section, default_bootstrap: str | None) -> Kafka:
    servers = block.text("bootstrap_servers", default_bootstrap or Kafka().bootstrap_servers)
    for server in servers.split(",") if servers else ():
        if not re.fullmatch(r"\s*([A-Za-z]+://)?(\[[0-9A-Fa-f:.]+\]|[^\s\[\]:/]+)(:[0-9]{1,5})?\s*", server):
            block.problem("bootstrap_servers", f"must be host:port, more of them behind commas, not {server!r:.60}")
    sasl = None
    section = block.section("sasl")
    if section.given:
        sasl = Sasl(
            mechanism=section.choice("mechanism", MECHANISMS, "PLAIN"),
            username=section.text("username"),
            password=section.secret("password"),
        )
        section.finish()
    protocol = block.choice("security_protocol", PROTOCOLS, "SASL_SSL" if sasl else "PLAINTEXT")
    if sasl is not None and not protocol.startswith("SASL_"):
        block.problem("security_protocol", f"{protocol} does not log in: sasl needs SASL_SSL or SASL_PLAINTEXT")
    if sasl is None and protocol.startswith("SASL_"):
        block.problem("sasl", f"is missing: {protocol} needs username and password")
    client = _client(block)
    block.finish()
    return Kafka(bootstrap_servers=servers, security_protocol=protocol, sasl=sasl, client=client)


def _client(block: _Section) -> dict[str, str | int | float | bool]:
    given = block.anything("client", {})
    if not isinstance(given, dict):
        block.problem("client", "must be a mapping of librdkafka's options")
        return {}
    for name, value in given.items():
        at = f"client.{name}"
        if not isinstance(name, str) or not isinstance(value, str | int | float):
            block.problem(at, "must be text, a number, true or false")
        elif not re.fullmatch(r"[a-z][a-z0-9.]{0,100}|log_level", name):
            block.problem(at[:80], "is no option of librdkafka: those are like socket.keepalive.enable")
        elif name in _OURS:
            block.problem(at, "is Tocsin's to set: exactness rests on it, or it has its own place under kafka")
        elif _HIDDEN.search(name) and not (isinstance(value, str) and value.startswith(("env:", "file:"))):
            block.problem(at, "must be a reference, env:NAME or file:PATH: secrets do not stand in the configuration")
    return {str(name): value for name, value in given.items()}


def _sources(block: _Section, base: Path, registry: SchemaRegistry | None) -> dict[str, SourceSettings]:
    sources = dict(SOURCES)
    for name in list(block.given):
        if not isinstance(name, str) or not re.fullmatch(_NAME, name):
            block.problem(str(name)[:60], "is no name for a source: letters, digits, dot, dash and underscore")
            continue
        sources[name] = _source(block.section(name), SOURCES.get(name), base, registry)
    topics = [source.topic for source in sources.values()]
    for name, source in sources.items():
        if source.topic and topics.count(source.topic) > 1:
            block.problem(f"{name}.topic", f"{source.topic!r:.60} is the topic of another source too")
    return sources


def _source(
    block: _Section, usual: SourceSettings | None, base: Path, registry: SchemaRegistry | None
) -> SourceSettings:
    if usual is None and block.given and "topic" not in block.given:
        block.problem("topic", "is missing: only audit, trade, chain and metric have one by default")
    mapping: str | None = block.text("mapping", "") or None
    if mapping is not None:
        try:
            is_name = re.fullmatch(r"[a-z0-9_-]+", mapping) is not None
            mapping = mapping if is_name else str(base / Path(mapping).expanduser())
            mapping_named_or_file(mapping)
        except ConfigError as error:
            block.problem("mapping", f"{error.message} ({error.hint})" if error.hint else error.message)
    codec, schema, writers = source_format(block, base, registry)
    source = SourceSettings(
        topic=block.name("topic", usual.topic if usual else ""),
        partition_by=block.names("partition_by", usual.partition_by if usual else ("tenant",)),
        max_disorder=block.duration("max_disorder", 5_000, 0),
        max_skew=block.duration("max_skew", 300_000, 0),
        idle_after=block.duration("idle_after", 3_000, 1),
        mapping=mapping,
        default_tenant=block.text("default_tenant", "default"),
        codec=codec,
        schema=schema,
        writers=writers,
    )
    block.finish()
    return source


def _http(block: _Section) -> Http:
    http = Http(host=block.text("host", "127.0.0.1"), port=block.integer("port", 8300, 0, 65_535))
    block.finish()
    return http


def _detect(block: _Section) -> Detect:
    usual = Detect()
    detect = Detect(
        idle_commit_ms=block.integer("idle_commit_ms", usual.idle_commit_ms, 1, 60_000),
        min_commit_ms=block.integer("min_commit_ms", usual.min_commit_ms, 0, 60_000),
        max_keys=block.integer("max_keys", usual.max_keys, 1, 1_000_000_000),
        stall_after=block.duration("stall_after", usual.stall_after, 1_000),
    )
    block.finish()
    return detect


def _log(block: _Section) -> Log:
    log = Log(
        level=block.choice("level", ("debug", "info", "warning", "error"), "info"),
        format=block.choice("format", ("text", "json"), "text"),
    )
    block.finish()
    return log


def _check_sinks(root: _Section, sinks: Any) -> None:
    try:
        parse_sinks(sinks)
    except SinkErrors as errors:
        root.problems.extend(errors.problems)


def _check_policy(root: _Section, policy: Any) -> None:
    try:
        parse_policy(policy)
    except ConfigError as error:
        root.problem("policy", error.message.removeprefix("policy: "))
