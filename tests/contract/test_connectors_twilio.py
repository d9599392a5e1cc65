"""What is SMS's and the phone's own: Twilio's codes, numbers of whoever is on call, few signs, and spoken words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.base import Delivered, Rejected, Retry, SinkBroken
from connectors.message import message_of
from connectors.notifiers.spoken import septets, sms_text
from connectors.registry import SinkErrors, parse_sinks
from connectors.wording import Words
from streams.model import Reason
from streams.model.notification import Group, Member
from tests.contract.sinks import NEEDED
from tests.contract.test_connectors_chat import send, told
from tests.contract.vendors.server import saying_json
from tests.contract.vendors.twilio import ACCOUNT, OURS, THEIRS, TwilioPhone, TwilioSms, refusing

ADA, BOB = "+14155550101", "+14155550102"
both = pytest.mark.parametrize("which", ["sms", "phone"])


@both
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, 21211, Rejected),  # no such number
        (400, 21610, Rejected),  # they have unsubscribed
        (400, 21614, Rejected),  # no mobile
        (400, 21611, Retry),  # too many are queued for our number
        (429, 20429, Retry), (503, 20503, Retry), (500, 20500, Retry), (400, 99999, Rejected),
    ],
)  # fmt: skip
def test_twilios_codes_say_whether_it_is_worth_trying_again(
    which: str, status: int, code: int, expected: type, tmp_path: Path
) -> None:
    (result,), _ = send(which, tmp_path, behave=refusing(status, code))
    assert isinstance(result, expected), result
    assert str(code) in result.reason  # type: ignore[attr-defined]


@both
@pytest.mark.parametrize(("status", "code"), [(401, 20003), (404, 20404), (400, 21606)])
def test_a_wrong_account_token_or_sender_is_the_sinks_failure(
    which: str, status: int, code: int, tmp_path: Path
) -> None:
    with pytest.raises(SinkBroken, match=str(code)):
        send(which, tmp_path, behave=refusing(status, code))


@pytest.mark.parametrize(
    ("code", "expected"),
    [(30003, Rejected), (30005, Rejected), (30006, Rejected), (30007, Rejected), (30001, Retry), (30008, Retry)],
)
def test_a_message_that_was_taken_and_has_failed_already_is_no_delivery(
    code: int, expected: type, tmp_path: Path
) -> None:
    document = {"sid": "SM1", "status": "undelivered", "error_code": code, "error_message": "Unreachable handset"}
    (result,), _ = send("sms", tmp_path, behave=saying_json(201, document))
    assert isinstance(result, expected), result
    assert f"{code}: Unreachable handset" in result.reason  # type: ignore[attr-defined]


@both
def test_who_is_on_call_is_told_each_once_and_nobody_else(which: str, tmp_path: Path) -> None:
    people = {"ada": ADA, "bob": BOB}
    item = told(to=("bob", "ada", "bob", "zoe"))
    _, vendor = send(which, tmp_path / "a", item, item, people=people)
    assert [body["To"] for body in vendor.bodies] == [BOB, ADA]
    _, vendor = send(which, tmp_path / "b", told(to=("zoe",)), people=people)
    assert [body["To"] for body in vendor.bodies] == [THEIRS]


@both
def test_one_number_that_is_refused_keeps_no_other_from_it(which: str, tmp_path: Path) -> None:
    async def refuse(request: Any, _: int) -> Any:
        form = await request.post()
        return await refusing(400, 21211)(request, 0) if form["To"] == ADA else None

    (result,), vendor = send(which, tmp_path, behave=refuse, to=[ADA, BOB])
    assert isinstance(result, Delivered)
    assert f"refused: {ADA}: Twilio 21211" in result.reference
    assert [body["To"] for body in vendor.bodies] == [BOB]


@both
def test_a_number_that_has_it_is_not_told_again_for_anothers_sake(which: str, tmp_path: Path) -> None:
    seen: list[str] = []

    async def busy(request: Any, _: int) -> Any:
        seen.append((await request.post())["To"])
        return await refusing(503, 20503)(request, 0) if seen.count(BOB) == 1 and seen[-1] == BOB else None

    results, vendor = send(which, tmp_path, told(), told(), behave=busy, to=[ADA, BOB])
    assert [type(one) for one in results] == [Retry, Delivered]
    assert [body["To"] for body in vendor.bodies] == [ADA, BOB]


def test_a_messaging_service_sends_where_one_is_named(tmp_path: Path) -> None:
    service = "MG" + "0" * 32
    _, vendor = send("sms", tmp_path, **{"from": service})
    assert (vendor.bodies[0]["MessagingServiceSid"], vendor.bodies[0].get("From")) == (service, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a" * 160, 160), ("{€}", 6), ("é" * 10, 10), ("я" * 70, 160), ("a" * 69 + "я", 160), ("🔥" * 35, 160), ("я" * 71, 163)],
)  # fmt: skip
def test_an_sms_holds_160_signs_of_gsm_or_70_of_others(text: str, expected: int) -> None:
    assert septets(text) == expected


@pytest.mark.parametrize("title", ["20 failed logins — ada…", "x" * 500, "Ж" * 500, "🔥" * 500, "€[]" * 200])
def test_one_sms_is_one_sms_whatever_stands_in_it(title: str, tmp_path: Path) -> None:
    (result,), vendor = send("sms", tmp_path, told(title=title), longest=160)
    assert isinstance(result, Delivered)
    body = vendor.bodies[0]["Body"]
    assert septets(body) <= 160
    assert body.startswith("Security Alert: HIGH")
    assert ("... [cut]" in body) is (len(title) > 100)


def test_a_long_sms_keeps_the_command_that_shows_more() -> None:
    message = message_of(told(description="Ж" * 5000))
    text = sms_text(message, Words(None, None), 1600)
    assert len(text) <= 1600
    assert text.endswith("... [cut]\n" + message.look)


def test_a_call_says_it_twice_with_nothing_an_event_brings_as_markup(tmp_path: Path) -> None:
    item = told(title='</Say><Dial>+900</Dial> & "x"', to=("ada",))
    _, vendor = send("phone", tmp_path, item, voice="Polly.Joanna", language="en-GB", people={"ada": ADA})
    assert isinstance(vendor, TwilioPhone)
    assert vendor.broken_rules == []
    assert vendor.bodies[0]["Twiml"].count('<Say language="en-GB" voice="Polly.Joanna">') == 2
    assert vendor.heard[0].startswith(
        'Security Alert: HIGH. </Say><Dial>+900</Dial> & "x". New: observed 20, threshold 5 within 10m.'
    )
    assert vendor.heard[0].endswith("Alert ending in 0 0 0 1.")


def test_a_call_about_many_names_three_and_counts_the_rest(tmp_path: Path) -> None:
    members = tuple(
        Member(id=f"{n:032x}", title=f"member {n}", severity="high", status="active", reason="new") for n in range(30)
    )
    item = told(Reason.DIGEST, group=Group(id="g" * 32, key={}, alerts=members, total=45))
    _, vendor = send("phone", tmp_path, item)
    assert isinstance(vendor, TwilioPhone)
    assert "HIGH member 2 (active). And 42 more." in vendor.heard[0]
    assert "member 3" not in vendor.heard[0]


def test_the_token_is_in_no_error(tmp_path: Path) -> None:
    with pytest.raises(SinkBroken) as caught:
        send("sms", tmp_path, behave=refusing(401, 20003, "Authenticate"))
    assert TwilioSms().secret not in str(caught.value)


@both
@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"account": "x"}, "account"), ({"token": "in the open"}, "token"), ({"to": "0155"}, "to"),
        ({"people": {"ada": "+0"}}, "people.ada"), ({"from": "+1; DROP"}, "from"), ({"to": [], "people": {}}, "to"),
    ],
)  # fmt: skip
def test_a_wrong_block_is_told_by_its_path(which: str, change: dict[str, Any], path: str) -> None:
    with pytest.raises(SinkErrors) as caught:
        parse_sinks([{"name": "x", "type": which} | NEEDED[which] | change])
    assert f"sinks[0].{path}" in dict(caught.value.problems)


def test_a_call_comes_from_a_number() -> None:
    block = {"name": "x", "type": "phone", "account": ACCOUNT, "token": "env:T", "to": THEIRS}
    assert parse_sinks([block | {"from": OURS}])
    with pytest.raises(SinkErrors):
        parse_sinks([block | {"from": "Tocsin"}])
