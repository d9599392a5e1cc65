"""``tocsin alerts raise``: an alert by hand. It takes the way of all findings: folded, routed, escalated."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from typing import Any

import click

from connectors.notifiers.console import plain
from streams.cli.alert_lookup import desk
from streams.cli.context import get_config, now_ms, who
from streams.errors import ConfigError, TocsinError
from streams.model import Alert, Evidence, Finding, FindingKind, Severity, alert_id, content_hash
from streams.model.severity import SEVERITY_WORDS

TYPES = ("security", "compliance", "performance", "system", "metrics")


def slug(title: str) -> str:
    """``Payments are down!`` → ``payments-are-down``; of a title without letters a hash."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60].strip("-") or content_hash(title)[:12]


def by_hand(
    rule: str, title: str, severity_word: str, tenant: str, by: str, now: int, *, key: dict[str, str], source: str,
    type_: str, **more: Any,
) -> Finding:  # fmt: skip
    """The finding of a person. One of the same rule and key folds into the alert while that is open."""
    event_id = uuid.uuid4().hex
    position = f"by-hand/{event_id}"
    identity = alert_id(rule, tenant, key, position)
    return Finding(
        id=content_hash("finding", "fire", identity), kind=FindingKind.FIRE, rule=rule, rule_version="", ruleset="",
        tenant=tenant, key=dict(key), alert_id=identity, source=source, event_time=now, position=position,
        severity=SEVERITY_WORDS[severity_word.lower()], severity_word=severity_word, type=type_, title=title,
        fold="until_resolved", metadata={"raised_by": by},
        evidence=(Evidence(position=position, event_id=event_id, event_time=now, event={"raised_by": by}),), **more,
    )  # fmt: skip


def is_of(alert: Alert, finding: Finding) -> bool:
    """Whether this version of an alert has taken in the finding."""
    position = finding.position
    return any(one.position == position for one in (*alert.first, *alert.last))


def check_severity(word: str) -> str:
    """A known word. Raises ConfigError."""
    if word.lower() not in SEVERITY_WORDS:
        raise ConfigError(
            f"--severity {plain(word, 40)} is not known",
            f"one of {', '.join((*Severity, 'P0-P3', 'emergency', 'warning'))}",
        )
    return word


def keys_of(given: Sequence[str]) -> dict[str, str]:
    """``--key name=value``, several of them. Raises ConfigError."""
    key: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ConfigError(f"--key {plain(text, 60)} is not name=value", "--key region=eu")
        key[name] = value
    return key


@click.command("raise")
@click.option("--title", required=True, help="What is wrong, in a line.")
@click.option("--severity", required=True, help="critical to info, P0 to P3, emergency, warning.")
@click.option("--tenant", required=True, help="Whose.")
@click.option("--source", default="manual", show_default=True, help="Where it was seen.")
@click.option("--key", "keys", multiple=True, metavar="NAME=VALUE", help="What it is about; several are allowed.")
@click.option("--type", "type_", type=click.Choice(TYPES), default="system", show_default=True, help="Of alert.")
@click.option("--description", default="", help="More than a line.")
@click.option("--runbook", default="", help="What to do.")
@click.option("--deal-id", default="", help="The deal it is about.")
@click.option("--correlation-id", default="", help="What ties it to others.")
@click.option("--tag", "tags", multiple=True, help="Several are allowed.")
@click.option("--by", help="Who raises it; by default $USER.")
@click.option("--wait", is_flag=True, help="Until it is on the alerts topic.")
@click.option("--timeout", type=float, default=10.0, show_default=True, help="Seconds that --wait waits.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    title: str, severity: str, tenant: str, keys: tuple[str, ...], by: str | None, wait: bool, timeout: float,
    as_json: bool, **more: Any,
) -> int:  # fmt: skip
    """Raise an alert by hand; prints its id. One of the same title and key that is open counts up instead.

    \b
    Examples:
      tocsin alerts raise --title "Payments are down" --severity emergency --tenant acme --key region=eu --wait
      tocsin alerts raise --title "Odd trades at the close" --severity P1 --tenant acme --deal-id D-77 --type compliance
    """
    config = get_config()
    if not title.strip() or not tenant.strip():
        raise ConfigError("--title and --tenant must not be empty")
    finding = by_hand(
        f"manual.{slug(title)}", title.strip(), check_severity(severity), tenant, who(by), now_ms(),
        key=keys_of(keys), **more,
    )  # fmt: skip
    if not wait:
        desk(config).send_all([finding])
        _tell(finding, finding.alert_id, "asked for", as_json)
        click.echo("if such a one is open already, it counts up instead: --wait prints the id that it has", err=True)
        return 0
    alert = desk(config).send_until(finding, lambda one: is_of(one, finding), timeout)
    if alert is None:
        raise TocsinError(
            f"nothing was heard of the alert in {timeout:g} s; it is written and will be raised",
            "does a worker with the role alert run?",
        )
    _tell(finding, alert.id, "opened" if alert.id == finding.alert_id else "counted up", as_json)
    return 0


def _tell(finding: Finding, identity: str, outcome: str, as_json: bool) -> None:
    if as_json:
        click.echo(
            json.dumps({"alert_id": identity, "rule": finding.rule, "tenant": finding.tenant, "outcome": outcome})
        )
    else:
        click.echo(identity)
