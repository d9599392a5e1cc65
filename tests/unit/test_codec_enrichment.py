"""Places and networks of addresses: what a database says is beside the address, what an event says itself stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.cli import main
from streams.codec.enrichment import Enriched
from streams.codec.geoip import GeoIP
from streams.config import event_sources, load_config
from streams.config.load import ConfigErrors
from streams.detect.registry import KINDS
from streams.errors import ConfigError
from streams.model import Source
from streams.replay.runner import PartitionLog, replay
from streams.rules.load import load_rules
from tests.geodb import BUILT, database

BERLIN = {
    "country": {"iso_code": "DE"}, "city": {"names": {"en": "Berlin", "de": "Berlin"}},
    "location": {"latitude": 52.5, "longitude": 13.4},
}  # fmt: skip
TOKYO = {"country": "JP", "city": "Tokyo", "lat": "35.69", "lng": "139.69"}  # as IPinfo writes it
NETWORK = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Hosting"}


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return database(
        tmp_path / "city.mmdb", "Test-City",
        {"81.2.69.0/24": BERLIN, "203.4.5.0/24": TOKYO, "2a02:100::/32": BERLIN, "10.0.0.0/8": BERLIN},
    )  # fmt: skip


@pytest.fixture
def asn(tmp_path: Path) -> Path:
    return database(tmp_path / "asn.mmdb", "Test-ASN", {"81.2.0.0/16": NETWORK, "203.4.5.0/24": {"asn": "AS64501"}})


@pytest.fixture
def both(city: Path, asn: Path) -> GeoIP:
    return GeoIP(city, asn)


def enriched(geoip: GeoIP, event: dict[str, Any], fields: dict[str, str] | None = None) -> dict[str, Any]:
    paths = {tuple(at.split(".")): tuple(to.split(".")) for at, to in (fields or {"source_ip": "geo"}).items()}
    return Enriched(None, geoip, paths)(msgspec.json.encode(event))


def test_an_address_gets_place_network_and_the_databases_that_say_so(both: GeoIP) -> None:
    assert enriched(both, {"actor": "ada", "source_ip": "81.2.69.142"}) == {
        "actor": "ada",
        "source_ip": "81.2.69.142",
        "geo": {
            "country": "DE", "city": "Berlin", "lat": 52.5, "lon": 13.4, "asn": 64500, "asn_org": "Example Hosting",
            "database": f"Test-City {BUILT}, Test-ASN {BUILT}",
        },
    }  # fmt: skip


def test_flat_records_are_read_as_nested_ones_are(both: GeoIP) -> None:
    geo = enriched(both, {"source_ip": "203.4.5.6"})["geo"]
    assert (geo["country"], geo["city"], geo["lat"], geo["lon"], geo["asn"]) == ("JP", "Tokyo", 35.69, 139.69, 64501)


@pytest.mark.parametrize("address", ["2a02:100::1", "::ffff:81.2.69.1", " 81.2.69.1 "])
def test_an_address_is_known_however_it_is_written(both: GeoIP, address: str) -> None:
    assert enriched(both, {"source_ip": address})["geo"]["country"] == "DE"


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3", "127.0.0.1", "192.168.1.1", "169.254.1.1", "224.0.0.1", "::1", "fe80::1", "198.51.100.7",
        "9.9.9.9", "", "localhost", "81.2.69", "81.2.69.142:443", "a" * 100_000, 3221225985, None, True, ["81.2.69.142"],
        {"ip": "81.2.69.142"}, "81.2.69.142\u0000", "fe80::1%eth0",
    ],
)  # fmt: skip
def test_what_is_private_reserved_unknown_or_no_address_gets_nothing(both: GeoIP, address: Any) -> None:
    event = {"actor": "ada", "source_ip": address}
    assert enriched(both, event) == event


def test_an_event_without_the_address_stays_as_it_is(both: GeoIP) -> None:
    assert enriched(both, {"actor": "ada"}) == {"actor": "ada"}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"country": "FR"}, {"country": "FR", "asn": 64500, "asn_org": "Example Hosting"}),  # no Berlin in France
        ({"country": "DE"}, {"country": "DE", "city": "Berlin", "lat": 52.5, "lon": 13.4, "asn": 64500,
                             "asn_org": "Example Hosting"}),
        ({"country": None}, {"country": "DE", "city": "Berlin", "lat": 52.5, "lon": 13.4, "asn": 64500,
                             "asn_org": "Example Hosting"}),
        ({"asn": 1, "lat": 0, "lon": 0}, {"asn": 1, "lat": 0, "lon": 0}),
    ],
)  # fmt: skip
def test_an_events_own_values_win_and_are_not_mixed_with_others(
    both: GeoIP, own: dict[str, Any], expected: dict[str, Any]
) -> None:
    geo = enriched(both, {"source_ip": "81.2.69.142", "geo": own})["geo"]
    said = geo.pop("database", None)
    assert geo == expected
    assert (said is None) == (own == expected)


@pytest.mark.parametrize("own", ["DE", 7, ["DE"], True])
def test_what_is_no_object_is_left_alone(both: GeoIP, own: Any) -> None:
    event = {"source_ip": "81.2.69.142", "geo": own}
    assert enriched(both, event) == event


def test_a_place_of_the_events_own_under_another_name_rules_out_ours(both: GeoIP) -> None:
    geo = enriched(both, {"source_ip": "81.2.69.142", "location": {"lat": 48.1, "lon": 11.6}})["geo"]
    assert (geo.get("lat"), geo.get("country"), geo["asn"]) == (None, None, 64500)


def test_addresses_and_answers_may_stand_deeper(both: GeoIP) -> None:
    event = {"client": {"ip": "81.2.69.142", "port": 7}}
    assert enriched(both, event, {"client.ip": "client.geo"})["client"]["geo"]["city"] == "Berlin"
    assert enriched(both, event, {"client.ip": "client.geo"})["client"]["port"] == 7


def test_ipv6_in_a_database_of_ipv4_is_unknown(tmp_path: Path) -> None:
    small = GeoIP(database(tmp_path / "v4.mmdb", "Test-City", {"81.2.69.0/24": BERLIN}, version=4), None)
    assert small.about("2a02:100::1") == {}
    assert small.about("81.2.69.1")["country"] == "DE"


def test_an_answer_is_looked_up_once(both: GeoIP, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("_places", "_networks"):
        monkeypatch.setattr(getattr(both, name), "record", lambda address: asked.append(address) or {})
    for _ in range(3):
        both.about("81.2.69.142")
    assert asked == ["81.2.69.142"] * 2


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "overwritten"])
def test_a_broken_database_is_a_configuration_error_that_names_the_file(city: Path, damage: str) -> None:
    raw = city.read_bytes()
    metadata = raw.rindex(b"\xab\xcd\xefMaxMind.com")
    city.write_bytes({
        "empty": b"", "text": b"hello", "cut": raw[: len(raw) // 2],
        "overwritten": b"\xff" * metadata + raw[metadata:],
    }[damage])  # fmt: skip
    with pytest.raises(ConfigError, match="city"):
        GeoIP(city, None)


def test_a_file_of_networks_is_no_file_of_places(asn: Path) -> None:
    with pytest.raises(ConfigError, match="holds networks"):
        GeoIP(asn, None)


def configured(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tocsin.yaml"
    path.write_text(text)
    return path


def test_only_configured_sources_are_enriched_and_others_keep_their_fast_path(
    tmp_path: Path, city: Path, asn: Path
) -> None:
    file = configured(tmp_path, "enrichment: {geoip: {city: city.mmdb, asn: asn.mmdb}}")
    sources = {source.name: source for source in event_sources(load_config(file, {}))}
    audit = sources["audit"].mapping
    assert audit is not None
    assert audit(b'{"source_ip": "81.2.69.142"}')["geo"]["country"] == "DE"
    assert sources["trade"].mapping is None
    plain = {source.name: source.mapping for source in event_sources(load_config(configured(tmp_path, "{}"), {}))}
    assert plain["audit"] is None


def test_a_mapping_comes_before_enrichment(tmp_path: Path, city: Path) -> None:
    file = configured(
        tmp_path,
        "{sources: {audit: {mapping: cloudtrail}}, enrichment: {geoip: {city: city.mmdb}}}",
    )
    [audit] = [source for source in event_sources(load_config(file, {})) if source.name == "audit"]
    assert audit.mapping is not None
    record = {"eventName": "ConsoleLogin", "eventTime": "2024-01-01T00:00:00Z", "sourceIPAddress": "81.2.69.142"}
    assert audit.mapping(msgspec.json.encode(record))["geo"]["city"] == "Berlin"


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ("{city: nowhere.mmdb}", "nowhere.mmdb: cannot be read"),
        ("{fields: {source_ip: geo}}", "names no database"),
        ("{city: city.mmdb, fields: [source_ip]}", "must say which field"),
        ("{city: city.mmdb, fields: {'': geo}}", "is not a field"),
        ("{city: city.mmdb, sources: [adit]}", "'adit' is no source"),
        ("{city: city.mmdb, town: x}", "town"),
    ],
)
def test_what_cannot_be_configured_is_told_with_its_line(tmp_path: Path, city: Path, block: str, problem: str) -> None:
    file = configured(tmp_path, f"enrichment:\n  geoip: {block}")
    with pytest.raises(ConfigErrors, match=problem) as told:
        load_config(file, {})
    assert f"{file}:2" in str(told.value)


RULE = """
id: test.abroad
title: "{actor} came from {geo.city} ({geo.country})"
source: audit
where: {action: login, geo.country: {not_in: [FR]}}
group_by: [actor]
detect: {match: {}}
severity: low
type: security
metadata: {geo_database: "{geo.database}", network: "{geo.asn}"}
tests:
  - {name: it fires, events: [{actor: ada, action: login, geo: {country: DE}}], expect: [{actor: ada}]}
"""


EVENTS = [
    {
        "event_id": f"e{n}",
        "tenant": "t",
        "actor": f"a{n}",
        "action": "login",
        "event_time": 1_704_067_200_000 + n,
        **more,
    }
    for n, more in enumerate(({"source_ip": "81.2.69.142"}, {"source_ip": "10.0.0.1"}, {"geo": {"country": "IT"}}))
]


def test_a_replay_of_files_enriches(tmp_path: Path, city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(tmp_path, "enrichment: {geoip: {city: city.mmdb}}")
    (tmp_path / "rule.yaml").write_text(RULE)
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(map(msgspec.json.encode, EVENTS)))
    given = ("--source", f"audit={events}", "--rules", str(tmp_path / "rule.yaml"))
    for more in ((), ("--mapping", "json")):  # a mapping of the command line is enriched like a configured one
        with pytest.raises(SystemExit) as exit_:
            main(["replay", "--config", str(config), *given, *more, "--json"])
        assert not exit_.value.code
        alerts = list(map(msgspec.json.decode, capsys.readouterr().out.splitlines()))
        assert [alert["title"] for alert in alerts] == ["a0 came from Berlin (DE)", "a2 came from ? (IT)"]


def test_an_alert_names_the_database_and_its_evidence_the_place(tmp_path: Path, city: Path) -> None:
    (tmp_path / "rule.yaml").write_text(RULE)
    mapping = Enriched(None, GeoIP(city, None), {("source_ip",): ("geo",)})
    source = Source("audit", "audit.events", ("tenant", "actor"), mapping=mapping)
    log = [(n, msgspec.json.encode(event), event["event_time"]) for n, event in enumerate(EVENTS)]
    found = replay([PartitionLog(source, 0, [log])], load_rules([tmp_path / "rule.yaml"], KINDS)).alerts
    alerts = {alert.key["actor"]: alert for alert in found}
    assert alerts["a0"].metadata == {"geo_database": f"Test-City {BUILT}"}  # no network is known: nothing is said
    assert msgspec.json.decode(msgspec.json.encode(alerts["a0"].first[0]))["event"]["geo"]["city"] == "Berlin"
    assert alerts["a2"].metadata == {}
