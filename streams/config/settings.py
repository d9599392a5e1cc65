"""What can be configured, as frozen values. Durations are in ms; secrets stay references until they are used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

#: The rules that come with Tocsin.
PACKS = Path(__file__).resolve().parent.parent / "packs"

ROLES = ("detect", "alert", "deliver", "api")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
#: Topics whose records other systems may want in Avro.
OUTPUTS = ("alerts", "notifications", "deliveries")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class Sasl(msgspec.Struct, frozen=True, kw_only=True):
    """How to log in to Kafka. ``password`` is a reference, ``env:NAME`` or ``file:PATH``."""

    mechanism: str
    username: str
    password: str


class Kafka(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach Kafka. ``client``: further librdkafka options, for TLS and tuning; secrets in it by reference."""

    bootstrap_servers: str = "localhost:9092"
    security_protocol: str = "PLAINTEXT"
    sasl: Sasl | None = None
    client: dict[str, str | int | float | bool] = {}


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A source of events. ``partition_by``: fields that decide the partition; ``mapping``: a name or a file.

    ``codec``: how payloads are written. For avro, ``schema`` is a file: what they are read as; ``writers`` are files by
    the id of the schema; the registry, if there is one, is asked for the other ids.
    """

    topic: str
    partition_by: tuple[str, ...]
    max_disorder: int = 5_000
    max_skew: int = 300_000
    idle_after: int = 3_000
    mapping: str | None = None
    default_tenant: str = "default"
    codec: str = "json"
    schema: Path | None = None
    writers: dict[int, Path] = {}


class SchemaRegistry(msgspec.Struct, frozen=True, kw_only=True):
    """A Confluent-compatible registry. ``password`` and ``token`` are references; ``ca``: a file of certificates."""

    url: str
    username: str = ""
    password: str = ""
    token: str = ""
    ca: Path | None = None


class GeoIp(msgspec.Struct, frozen=True, kw_only=True):
    """Databases of places and networks, at least one. ``fields``: path of an address -> where the answer goes."""

    city: Path | None = None
    asn: Path | None = None
    sources: tuple[str, ...] = ("audit",)
    fields: dict[str, str] = msgspec.field(default_factory={"source_ip": "geo"}.copy)


class Enrichment(msgspec.Struct, frozen=True, kw_only=True):
    """What is added to events before rules see them."""

    geoip: GeoIp | None = None


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """Where health and metrics are served; port 0 takes a free one, None serves nothing."""

    host: str = "127.0.0.1"
    port: int | None = 8300


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """Who may call the API. ``key``: a reference, or ``sha256:`` and the hash of the key; ``tenant`` ``*``: any."""

    name: str
    key: str
    tenant: str
    role: str


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """Where the API is served and for whom; ``per_second``: requests of each key. Secrets are references."""

    host: str = "127.0.0.1"
    port: int = 8400
    per_second: float = 50.0
    keys: tuple[ApiKey, ...] = ()
    slack: str = ""  #: the signing secret of the app whose buttons are pressed
    pagerduty: dict[str, tuple[str, ...]] = {}  #: tenant -> secrets of its webhook, several while one is replaced

    @property
    def wanted(self) -> bool:
        """Whether anybody could use it."""
        return bool(self.keys or self.slack or self.pagerduty)


class Detect(msgspec.Struct, frozen=True, kw_only=True):
    """The rhythm of transactions: ``idle_commit_ms`` apart at most, ``min_commit_ms`` with a finding inside."""

    idle_commit_ms: int = 100
    min_commit_ms: int = 10
    max_keys: int = 1_000_000  #: keys kept per partition and rule
    stall_after: int = 60_000  #: the worker ends when there is lag and the position has stood still so long


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """``format``: text for people, json for machines."""

    level: str = "info"
    format: str = "text"


#: The sources there are without configuration.
SOURCES = {
    "audit": SourceSettings(topic="audit.events", partition_by=("tenant", "actor")),
    "trade": SourceSettings(topic="trade.events", partition_by=("tenant", "account")),
    "chain": SourceSettings(topic="chain.events", partition_by=("tenant", "pool")),
    "metric": SourceSettings(topic="metric.events", partition_by=("tenant", "host")),
    "alerts": SourceSettings(topic="alerts", partition_by=("id",)),  #: our own, for rules over alerts
}


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. ``policy`` and ``sinks`` are documents that were checked by their owners, alerts and connectors."""

    kafka: Kafka = Kafka()
    app: str = "tocsin"  #: before group ids, transactional ids and changelogs
    topic_prefix: str = ""
    roles: tuple[str, ...] = ROLES
    worker_id: str | None = None
    data_dir: Path = Path(".tocsin")
    rules: tuple[Path, ...] = (PACKS,)
    watch_rules: bool = False  #: whether workers bring the files into force whenever they change
    overrides: Mapping[str, Any] = {}  #: of rules' settings; checked against the rules in ``streams.config.rules``
    sources: dict[str, SourceSettings] = msgspec.field(default_factory=SOURCES.copy)
    policy: dict[str, Any] = {}
    sinks: tuple[dict[str, Any], ...] = ()
    schema_registry: SchemaRegistry | None = None
    outputs: dict[str, str] = {}  #: topic -> json or avro
    enrichment: Enrichment = Enrichment()
    http: Http = Http()
    api: Api = Api()
    detect: Detect = Detect()
    log: Log = Log()
    file: Path | None = None  #: where it was read from
