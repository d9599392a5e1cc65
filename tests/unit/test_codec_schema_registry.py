"""Our client against a registry over real HTTP: what it finds, what it refuses, and what is no event's fault."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.codec.avro import AvroDecoder, framed
from streams.codec.schema_registry import Login, NotThere, Refused, Registry
from streams.errors import FAILED, SourceUnavailable
from tests.registry_server import RegistryServer

V1 = {"type": "record", "name": "acme.Login", "fields": [{"name": "actor", "type": "string"}]}
V2 = {**V1, "fields": [*V1["fields"], {"name": "n", "type": "long", "default": 0}]}  # type: ignore[misc]
BROKEN = {**V1, "fields": [*V1["fields"], {"name": "n", "type": "long"}]}  # type: ignore[misc]
ADA = b"\x06ada"


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        yield server


def client(server: RegistryServer, **more: Any) -> Registry:
    return Registry(server.url, **{"pause": lambda _: None, **more})


def test_a_registered_schema_reads_what_was_written_with_it(server: RegistryServer) -> None:
    registry = client(server)
    assert registry.id_of("logins-value", json.dumps(V1)) is None
    schema_id = registry.register("logins-value", json.dumps(V1))
    assert registry.id_of("logins-value", json.dumps(V1)) == schema_id
    assert registry.id_of("other-value", json.dumps(V1)) is None
    assert AvroDecoder(registry.schema)(framed(schema_id, ADA)) == {"actor": "ada"}


def test_a_schema_is_asked_for_once(server: RegistryServer) -> None:
    schema_id = server.add("logins-value", V1)
    decode = AvroDecoder(client(server).schema)
    assert [decode(framed(schema_id, ADA)) for _ in range(5)] == [{"actor": "ada"}] * 5
    assert server.asked == [f"GET /schemas/ids/{schema_id}"]


def test_what_was_found_is_kept_on_disk_and_outlives_the_registry(server: RegistryServer, tmp_path: Path) -> None:
    schema_id = server.add("logins-value", V1)
    client(server, kept=tmp_path).schema(schema_id)
    server.failures = [503] * 100
    assert AvroDecoder(client(server, kept=tmp_path).schema)(framed(schema_id, ADA)) == {"actor": "ada"}
    assert len(server.asked) == 1


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[1]", b"\xff", b"[" * 100_000], ids=range(6))
def test_a_file_that_is_not_whole_is_fetched_again(server: RegistryServer, tmp_path: Path, content: bytes) -> None:
    schema_id = server.add("logins-value", V1)
    client(server, kept=tmp_path).schema(schema_id)
    (file,) = tmp_path.glob("*/*.json")
    file.write_bytes(content)
    assert AvroDecoder(client(server, kept=tmp_path).schema)(framed(schema_id, ADA)) == {"actor": "ada"}
    assert json.loads(file.read_bytes()) == [json.dumps(V1)]


def test_schemas_it_refers_to_are_fetched_each_once(server: RegistryServer) -> None:
    geo = {"type": "record", "name": "acme.Geo", "fields": [{"name": "country", "type": "string"}]}
    place = {"type": "record", "name": "acme.Place", "fields": [{"name": "geo", "type": "acme.Geo"}]}
    both = {"type": "record", "name": "acme.Trip", "fields": [
        {"name": "from", "type": "acme.Place"}, {"name": "to", "type": "acme.Geo"},
    ]}  # fmt: skip
    server.add("geo", geo)
    to_geo = {"name": "acme.Geo", "subject": "geo", "version": 1}
    server.add("place/x", place, [to_geo])
    trip = server.add("trip-value", both, [{"name": "acme.Place", "subject": "place/x", "version": 1}, to_geo])
    decode = AvroDecoder(client(server).schema)
    assert decode(framed(trip, b"\x04nl\x04de")) == {"from": {"geo": {"country": "nl"}}, "to": {"country": "de"}}
    assert server.asked == [
        f"GET /schemas/ids/{trip}",
        "GET /subjects/place/x/versions/1",
        "GET /subjects/geo/versions/1",
    ]


def test_an_id_that_is_not_there_is_the_events_fault(server: RegistryServer) -> None:
    with pytest.raises(ValueError, match="knows no schema 7"):
        AvroDecoder(client(server).schema)(framed(7, ADA))
    assert len(server.asked) == 1


def test_an_id_registered_later_is_found_then(server: RegistryServer) -> None:
    decode = AvroDecoder(client(server).schema)
    with pytest.raises(ValueError, match="knows no schema 1"):
        decode(framed(1, ADA))
    server.add("logins-value", V1)
    assert decode(framed(1, ADA)) == {"actor": "ada"}


def test_another_kind_of_schema_is_the_events_fault(server: RegistryServer) -> None:
    server.schemas.append({"schema": "{}", "schemaType": "JSON"})
    with pytest.raises(ValueError, match="it is JSON, not Avro"):
        client(server).schema(1)


@pytest.mark.parametrize(
    "text", ['"int"', "{}", "[]", "1", '{"type": "record"}', '{"type": "array", "items": "int"}', "["]
)
def test_a_schema_that_is_no_use_is_the_events_fault(server: RegistryServer, text: str) -> None:
    server.schemas.append({"schema": text})
    with pytest.raises(ValueError, match="schema 1: "):
        client(server).schema(1)


@pytest.mark.parametrize("statuses", [[500], [503, 502], [429], [408, 503, 500]], ids=str)
def test_it_asks_again_when_the_registry_stumbles(server: RegistryServer, statuses: list[int]) -> None:
    schema_id = server.add("logins-value", V1)
    server.failures = list(statuses)
    paused: list[float] = []
    Registry(server.url, pause=paused.append).schema(schema_id)
    assert len(server.asked) == len(statuses) + 1
    assert paused == [0.2, 0.4, 0.8][: len(statuses)]


def test_a_registry_that_stays_down_ends_the_process_and_not_the_event(server: RegistryServer) -> None:
    server.failures = [503] * 100
    with pytest.raises(SourceUnavailable, match="does not answer: status 503") as caught:
        client(server).schema(1)
    assert caught.value.status == FAILED
    assert not isinstance(caught.value, ValueError)
    assert len(server.asked) == 4


def test_nobody_there() -> None:
    with socket.socket() as taken:  # bound, and not listening: nothing else can be there either
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceUnavailable, match=f"at {url} does not answer: "):
            Registry(url, pause=lambda _: None).schema(1)


@pytest.mark.parametrize("status", [404, 400, 302, 405], ids=str)
def test_what_is_no_registry_refuses_no_events(server: RegistryServer, status: int) -> None:
    server.failures = [status]
    with pytest.raises(SourceUnavailable, match=rf"does not answer as a schema registry does: status {status}"):
        client(server).schema(1)
    assert len(server.asked) == 1


def test_a_wrong_path_is_no_missing_schema(server: RegistryServer) -> None:
    with pytest.raises(SourceUnavailable, match="status 404"):
        Registry(server.url + "/registry", pause=lambda _: None).schema(1)


@pytest.mark.parametrize(
    ("asked_for", "given", "works"),
    [
        ({"username": "t", "password": "s3"}, Login("t", "s3"), True),
        ({"username": "t", "password": "s3"}, Login("t", "wrong"), False),
        ({"username": "t", "password": "s3"}, Login(), False),
        ({"token": "tok"}, Login(token="tok"), True),
        ({"token": "tok"}, Login(token="kot"), False),
    ],
    ids=["password", "wrong password", "no login", "token", "wrong token"],
)
def test_logging_in(asked_for: dict[str, str], given: Login, works: bool) -> None:
    with RegistryServer(**asked_for) as server:
        server.add("logins-value", V1)
        if works:
            assert client(server, login=given).schema(1).parsed["name"] == "acme.Login"
            return
        with pytest.raises(SourceUnavailable, match="refuses the login: status 401") as caught:
            client(server, login=given).schema(1)
        assert len(server.asked) == 1
        assert "wrong" not in str(caught.value)


def test_a_login_is_not_shown() -> None:
    assert "s3cret" not in repr(Login("t", "s3cret", "s3cret"))


def test_a_version_that_cannot_read_the_one_before_is_refused(server: RegistryServer) -> None:
    registry = client(server)
    registry.register("logins-value", json.dumps(V1))
    assert registry.register("logins-value", json.dumps(V2)) == 2
    assert server.subjects["logins-value"] == [1, 2]
    with pytest.raises(Refused, match=r"incompatible with an earlier schema: .*reader field missing default value"):
        registry.register("other-value", json.dumps(V1)) and registry.register("other-value", json.dumps(BROKEN))
    assert server.subjects["other-value"] == [1]
    with pytest.raises(Refused, match="Invalid schema"):
        registry.register("third-value", '{"type": "nothing"}')


def test_what_else_clients_ask_a_registry(server: RegistryServer) -> None:
    registry = client(server)
    registry.register("a-value", json.dumps(V1))
    assert registry.call("GET", "/subjects/a-value/versions/latest")["id"] == 1
    assert registry.call("POST", "/compatibility/subjects/a-value/versions/1", {"schema": json.dumps(V2)}) == {
        "is_compatible": True
    }
    assert registry.call("POST", "/compatibility/subjects/a-value/versions/1", {"schema": json.dumps(BROKEN)}) == {
        "is_compatible": False
    }
    registry.call("PUT", "/config/a-value", {"compatibility": "NONE"})
    assert registry.call("GET", "/config/a-value") == {"compatibilityLevel": "NONE"}
    assert registry.register("a-value", json.dumps(BROKEN)) == 2
    with pytest.raises(NotThere):
        registry.call("GET", "/subjects/a-value/versions/9")
