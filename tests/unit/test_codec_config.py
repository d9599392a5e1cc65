"""Codecs, registry and outputs in the configuration: what is made of them, and every problem at once with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.codec.avro import AvroDecoder
from streams.codec.cloudevents import cloudevent, structured
from streams.config import ConfigErrors, event_sources, load_config, registry_of
from streams.errors import ConfigError
from streams.model import Source

LOGIN = {"type": "record", "name": "Login", "fields": [{"name": "actor", "type": "string"}]}
ADA = b"\x06ada"


def write(folder: Path, text: str) -> Path:
    (folder / "login.avsc").write_text(json.dumps(LOGIN))
    (folder / "bad.avsc").write_text("{}")
    file = folder / "tocsin.yaml"
    file.write_text(text)
    return file


def audit(folder: Path, text: str) -> Source:
    config = load_config(write(folder, text), {})
    return next(source for source in event_sources(config) if source.name == "audit")


def test_every_problem_is_told_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, """\
sources:
  audit: {codec: avro}
  trade: {codec: csv}
  chain: {schema: login.avsc}
  metric: {codec: avro, schema: bad.avsc}
  a: {topic: a, codec: avro, schema: nowhere.avsc}
  b: {topic: b, codec: avro, writers: {x: login.avsc, 7: bad.avsc, -1: login.avsc, 8: 3}}
  c: {topic: c, codec: avro, writers: login.avsc}
outputs: {alerts: avro, notifications: xml, journal: avro}
""")  # fmt: skip
    with pytest.raises(ConfigErrors) as caught:
        load_config(file, {})
    assert sorted(str(problem).removeprefix(str(file)) for problem in caught.value.problems) == sorted(
        [
            ":2: sources.audit.codec: avro needs a schema_registry, or schema: a file (see streams/docs/codecs.md)",
            ":3: sources.trade.codec: must be one of json, cloudevents, avro, not 'csv' (known: json, cloudevents, avro)",
            ":4: sources.chain.schema: is for codec: avro, and the codec is json",
            f":5: sources.metric.schema: {tmp_path / 'bad.avsc'}: not an Avro schema: it has no type",
            f":6: sources.a.schema: {tmp_path / 'nowhere.avsc'}: cannot be read: No such file or directory",
            ":7: sources.b.writers: 'x' is not the id of a schema: a number from 0 to 4294967295",
            ":7: sources.b.writers: -1 is not the id of a schema: a number from 0 to 4294967295",
            f":7: sources.b.writers.7: {tmp_path / 'bad.avsc'}: not an Avro schema: it has no type",
            ":7: sources.b.writers.8: must be the path of an .avsc file",
            ":8: sources.c.writers: must be files by the id of the schema, such as {7: audit-v1.avsc}",
            ":9: outputs.alerts: avro needs a schema_registry: readers ask it for the schema",
            ":9: outputs.journal: is not known here (known: alerts, notifications, deliveries)",
            ":9: outputs.notifications: must be one of json, avro, not 'xml' (known: json, avro)",
        ]
    )


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ("{}", None),
        ("{url: 'http://registry:8081'}", None),
        ("{url: 'https://registry/path', username: u, password: env:P}", None),
        ("{url: 'https://registry', token: env:T}", None),
        ("{username: u, password: env:P}", "schema_registry.url: is missing"),
        ("{url: 'ftp://registry'}", "url: must be http://HOST or https://HOST"),
        ("{url: 'http://u:p@registry'}", "no password in it"),
        ("{url: 'http://registry:99999'}", "url: must be"),
        ("{url: 'http://re gistry'}", "url: must be"),
        ("{url: 'http://registry', password: s3cret, username: u}", "password: must be a reference"),
        ("{url: 'http://registry', username: u}", "password: is missing: username and password go together"),
        ("{url: 'http://registry', password: env:P}", "username: is missing"),
        ("{url: 'http://registry', token: env:T, username: u, password: env:P}", "token: stands instead of"),
        ("{url: 'http://registry', ca: nowhere.pem}", "ca: there is no file"),
        ("{url: 'http://registry', urls: x}", "urls: is not known"),
        ("[]", "must be a mapping"),
    ],
    ids=range(16),
)
def test_the_registry_is_checked(tmp_path: Path, block: str, why: str | None) -> None:
    file = write(tmp_path, f"schema_registry: {block}\n")
    if why is None:
        assert load_config(file, {}).schema_registry is None or block != "{}"
        return
    with pytest.raises(ConfigErrors, match=why) as caught:
        load_config(file, {})
    assert "s3cret" not in str(caught.value)


def test_the_address_may_come_from_the_environment(tmp_path: Path) -> None:
    file = write(tmp_path, "outputs: {alerts: avro}\n")
    config = load_config(file, {"TOCSIN_SCHEMA_REGISTRY_URL": "http://registry:8081/"})
    registry = registry_of(config)
    assert registry is not None
    assert registry.url == "http://registry:8081"
    assert config.outputs == {"alerts": "avro"}


def test_a_secret_that_is_not_there_is_named_and_never_shown(tmp_path: Path) -> None:
    file = write(tmp_path, "schema_registry: {url: 'http://r', username: u, password: env:TOCSIN_TEST_NOWHERE}\n")
    with pytest.raises(ConfigError, match=r"schema_registry\.password: the environment variable TOCSIN_TEST_NOWHERE"):
        registry_of(load_config(file, {}))


def test_avro_without_a_registry(tmp_path: Path) -> None:
    source = audit(tmp_path, "sources: {audit: {codec: avro, schema: login.avsc}}\n")
    assert isinstance(source.mapping, AvroDecoder)
    assert source.mapping(b"\0\0\0\0\x09" + ADA) == {"actor": "ada"}
    assert source.join is None


def test_avro_with_writers_by_id(tmp_path: Path) -> None:
    source = audit(tmp_path, "sources: {audit: {codec: avro, writers: {7: login.avsc}}}\n")
    assert source.mapping is not None
    assert source.mapping(b"\0\0\0\0\x07" + ADA) == {"actor": "ada"}
    with pytest.raises(ValueError, match="schema 9 is not one of writers: 7"):
        source.mapping(b"\0\0\0\0\x09" + ADA)


def test_cloudevents_with_and_without_a_mapping(tmp_path: Path) -> None:
    source = audit(tmp_path, "sources: {audit: {codec: cloudevents}}\n")
    assert (source.mapping, source.join) == (cloudevent, structured)
    (tmp_path / "m.yaml").write_text("who: data.name\n")
    source = audit(tmp_path, "sources: {audit: {codec: cloudevents, mapping: m.yaml}}\n")
    assert source.mapping is not None
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"name": "ada"}}
    found = source.mapping(json.dumps(event).encode())
    assert (found["who"], found["event_id"]) == ("ada", "1")


def test_json_costs_nothing(tmp_path: Path) -> None:
    source = audit(tmp_path, "sources: {audit: {codec: json}}\n")
    assert (source.mapping, source.join) == (None, None)
