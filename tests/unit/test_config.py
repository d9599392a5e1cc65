"""The configuration: defaults, files, the environment, and every problem in one report."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.registry import CONNECTORS
from streams.config import (
    Config,
    ConfigErrors,
    Detect,
    Http,
    Kafka,
    Log,
    SourceSettings,
    event_sources,
    load_config,
)
from streams.config.environment import VARIABLES
from streams.errors import ConfigError
from tests.geodb import database


def load(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    file = tmp_path / "tocsin.yaml"
    file.write_text(text)
    return load_config(file, environ or {})


def problems(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, text, environ)
    assert caught.value.status == 2
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_without_a_file_there_are_defaults_that_work() -> None:
    config = load_config(None, {})
    assert config.app == "tocsin"
    assert config.kafka.bootstrap_servers == "localhost:9092"
    assert [rule.name for rule in config.rules] == ["packs"]
    assert {source.name: (source.topic, source.partition_by) for source in event_sources(config)} == {
        "audit": ("audit.events", ("tenant", "actor")),
        "trade": ("trade.events", ("tenant", "account")),
        "chain": ("chain.events", ("tenant", "pool")),
        "metric": ("metric.events", ("tenant", "host")),
        "alerts": ("alerts", ("id",)),
    }


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "# nothing\n").sources == load_config(None, {}).sources


def test_a_file_says_everything(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    config = load(
        tmp_path,
        """
kafka:
  bootstrap_servers: a:1,b:2
  sasl: {mechanism: SCRAM-SHA-512, username: u, password: "file:/run/secret"}
  client: {socket.keepalive.enable: true, ssl.ca.location: /ca.pem}
app: bell
topic_prefix: eu.
roles: detect
worker_id: "7"
data_dir: data
rules: [mine]
sources:
  audit: {max_disorder: 1m, mapping: cloudtrail}
  login: {topic: logins, partition_by: [tenant, user.name], idle_after: 500ms, default_tenant: acme}
policy: {remind_after: 30m, receivers: [{name: pager}]}
sinks: [{name: pager, type: console}]
http: {host: 0.0.0.0, port: 0}
detect: {idle_commit_ms: 50, min_commit_ms: 0, max_keys: 10, stall_after: 2m}
log: {level: debug, format: json}
""",
    )
    assert (config.kafka.security_protocol, config.kafka.sasl.mechanism) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (config.roles, config.worker_id, config.topic_prefix) == (("detect",), "7", "eu.")
    assert (config.data_dir, config.rules) == (tmp_path / "data", (tmp_path / "mine",))  # relative to the file
    assert (config.detect.stall_after, config.http.port) == (120_000, 0)
    by_name = {source.name: source for source in event_sources(config)}
    audit, login = by_name["audit"], by_name["login"]
    assert (audit.max_disorder, audit.mapping is not None, audit.topic) == (60_000, True, "audit.events")
    assert (login.name, login.idle_after, login.partition_by) == ("login", 500, ("tenant", "user.name"))


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "kafka: {bootstrap_servers: file:1}\nhttp: {port: 1}\n",
        {
            "KAFKA_BOOTSTRAP_SERVERS": "env:1", "TOCSIN_HTTP_PORT": "2", "TOCSIN_ROLES": "alert, deliver",
            "TOCSIN_APP": "", "TOCSIN_KAFKA_SASL_USERNAME": "u", "TOCSIN_KAFKA_SASL_PASSWORD": "hunter2",
        },
    )  # fmt: skip
    assert (config.kafka.bootstrap_servers, config.http.port) == ("env:1", 2)
    assert (config.roles, config.app) == (("alert", "deliver"), "tocsin")
    assert config.kafka.sasl.password == "env:TOCSIN_KAFKA_SASL_PASSWORD"
    assert "hunter2" not in repr(config)


def test_tocsin_config_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("app: other\n")
    assert load_config(None, {"TOCSIN_CONFIG": str(tmp_path / "other.yaml")}).app == "other"


def test_all_problems_come_at_once_each_with_its_line(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        """kafka:
  boostrap_servers: x:1
  client:
    acks: 1
    ssl.key.password: hunter2
app: a/b
roles: [detect, alrt]
sources:
  audit: {max_disorder: 5}
  foo: {partition_by: [a, a]}
sinks:
  - {name: x, type: consle}
http: {port: true}
rules: [nowhere]
""",
        {"TOCSIN_LOG_LEVEL": "loud"},
    ) == [
        "TOCSIN_LOG_LEVEL: must be one of debug, info, warning, error, not 'loud' "
        "(known: debug, info, warning, error)",
        "tocsin.yaml:2: kafka.boostrap_servers: is not known here; did you mean bootstrap_servers?",
        "tocsin.yaml:4: kafka.client.acks: is Tocsin's to set: exactness rests on it, or it has its own place under kafka",
        "tocsin.yaml:5: kafka.client.ssl.key.password: must be a reference, env:NAME or file:PATH: secrets do not stand "
        "in the configuration",
        "tocsin.yaml:6: app: must be text of letters, digits, dot, dash and underscore, at most 100, not 'a/b'",
        "tocsin.yaml:7: roles: there is no role 'alrt' (known: detect, alert, deliver, api)",
        "tocsin.yaml:9: sources.audit.max_disorder: must be a duration such as 500ms, 30s or 5m "
        "(0 ms to 31622400000 ms), not 5",
        "tocsin.yaml:10: sources.foo.partition_by: names 'a' twice",
        "tocsin.yaml:10: sources.foo.topic: is missing: only audit, trade, chain and metric have one by default",
        f"tocsin.yaml:12: sinks[0].type: must be one of {', '.join(CONNECTORS)}, not 'consle'; did you mean console?",
        "tocsin.yaml:13: http.port: must be a whole number from 0 to 65535, not True",
        f"tocsin.yaml:14: rules[0]: there is no {tmp_path}/nowhere",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("app: [", "tocsin.yaml:1: "),
        ("app: x\napp: y\n", "tocsin.yaml:2: app: is there twice (first on line 1)"),
        ("a: &a [1]\nb: *a\n", "tocsin.yaml:2: aliases (*name) are not allowed"),
        ("x: " + "[" * 5000, "is nested too deeply"),
        ("- a\n- b\n", "must be a mapping, not list"),
        ("just words\n", "must be a mapping, not str"),
        ("app: !!python/object/apply:os.system [id]\n", "could not determine a constructor"),
        ("app: 2024-99-99\n", "is not YAML"),
        ("? [a, b]\n: c\n", "found unhashable key"),
        ("1: x\nnull: y\n", "is not known here"),
        ("sources: [audit]\n", "must be a mapping, not list"),
        ("sources: {audit: {topic: trade.events}}\n", "is the topic of another source too"),
        ("kafka: {sasl: {username: u, password: hunter2}}\n", "must be a reference, env:NAME or file:PATH"),
        ("kafka: {security_protocol: SASL_SSL}\n", "kafka.sasl: is missing"),
        ("kafka: {client: {error_cb: print}}\n", "kafka.client.error_cb: is no option of librdkafka"),
        ("kafka: {client: [a]}\n", "must be a mapping of librdkafka's options"),
        ("kafka: {client: {a: {b: c}}}\n", "must be text, a number, true or false"),
        ("kafka: {bootstrap_servers: 'http://x/y'}\n", "must be host:port"),
        ("policy: {remind_aftr: 5m}\n", "did you mean remind_after?"),
        ("policy: 5\n", "a mapping is expected"),
        ("sinks: {a: b}\n", "must be a list, not dict"),
        ("rules: 5\n", "must be a list of names"),
        ("data_dir: 5\n", "must be text"),
        ("sources: {audit: {mapping: cloudtrial}}\n", "did you mean cloudtrail?"),
    ],
)
def test_a_bad_file_is_one_clear_message(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert said in caught.value.message
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"app: \xff\n", "is not UTF-8 text"), (b"#" * 1_000_001, "is larger than"), (None, "cannot be read")],
)
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "x.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        load_config(file, {})


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just("5m")
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
_keys = ["kafka", "app", "topic_prefix", "roles", "worker_id", "data_dir", "rules", "sources", "policy", "sinks",
         "http", "detect", "log", "bootstrap_servers", "client", "sasl", "audit", "topic", "mapping", "port"]  # fmt: skip
_documents = st.dictionaries(
    st.sampled_from(_keys), _values | st.dictionaries(st.sampled_from(_keys), _values, max_size=3), max_size=4
)


@settings(max_examples=200, deadline=None)
@given(_documents)
def test_any_document_is_read_or_refused_with_problems(
    tmp_path_factory: pytest.TempPathFactory, document: object
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8", errors="surrogatepass")
    try:
        assert isinstance(load_config(file, {}), Config)
    except ConfigError as error:
        assert error.message


DOCUMENTATION = (Path(__file__).parents[2] / "streams" / "docs" / "configuration.md").read_text()


def test_the_example_of_the_documentation_names_every_key_and_is_right(tmp_path: Path) -> None:
    example = DOCUMENTATION.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "rules").mkdir()
    for schema in ("logins.avsc", "logins-v1.avsc"):
        (tmp_path / schema).write_text('{"type": "record", "name": "Login", "fields": []}')
    for kind in ("City", "ASN"):
        database(tmp_path / f"GeoLite2-{kind}.mmdb", f"GeoLite2-{kind}", {})
    config = load(tmp_path, example)
    document = yaml.safe_load(example)
    assert set(document) == set(Config.__struct_fields__) - {"file"}
    for block, keys in (("http", Http), ("detect", Detect), ("log", Log), ("kafka", Kafka)):
        assert set(document[block]) == set(keys.__struct_fields__)
    audit, logins = (set(document["sources"][name]) for name in ("audit", "logins"))
    assert audit | logins == set(SourceSettings.__struct_fields__)
    usual = load_config(None, {})
    for shown in ("app", "topic_prefix", "roles", "http", "detect", "log"):
        assert getattr(config, shown) == getattr(usual, shown)
    assert config.kafka.bootstrap_servers == usual.kafka.bootstrap_servers
    shown_source = config.sources["audit"]
    assert shown_source == msgspec.structs.replace(usual.sources["audit"], mapping="cloudtrail")


def test_every_variable_is_documented() -> None:
    assert [name for name in VARIABLES if f"`{name}`" not in DOCUMENTATION] == []
