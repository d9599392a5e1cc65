"""``tocsin routes``: where alerts go, shown, tried out and tested, without telling anybody."""

from __future__ import annotations

from pathlib import Path

import click

from streams.cli.on_demand import OnDemand
from streams.cli.policy_given import given_records, policy_of, policy_options, routed
from streams.cli.printing import line
from streams.cli.route_text import node_document, policy_lines

_ELSEWHERE = {
    "test": "streams.cli.routes_test:command", "check": "streams.cli.routes_check:command",
    "backtest": "streams.cli.routes_backtest:command",
}  # fmt: skip


@click.group("routes", cls=OnDemand, elsewhere=_ELSEWHERE)
def command() -> None:
    """Where alerts go: the routing tree, what would be said of an alert, and tests of both.

    \b
    Examples:
      tocsin routes show
      tocsin routes test --alert alert.yaml --at 2026-01-05T03:00:00+01:00
      tocsin routes check routing/
      tocsin routes backtest --policy candidate.yaml --from "last 7d"
    """


@command.command("show")
@policy_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(file: Path | None, live: bool, as_json: bool) -> None:
    """The routing tree, with what each node says of groups, times and delays; receivers and escalations.

    A node says under its name only what it has not from the one above. An alert goes down the first node that
    matches, and the ones after it where that says "(and on)".

    \b
    Examples:
      tocsin routes show
      tocsin routes show --policy candidate.yaml --json
    """
    policy = routed(policy_of(given_records(file, live)))
    if not as_json:
        click.echo("\n".join(policy_lines(policy)))
        return
    escalations = {
        name: [
            {"name": level.name, "after": level.after, "notify": list(level.receivers), "repeat": level.repeat}
            for level in escalation.levels
        ]
        for name, escalation in policy.escalations.items()
    }
    line(
        {
            "route": None if policy.route is None else node_document(policy.route),
            "receivers": policy.receivers,
            "escalate": dict(policy.escalate),
            "escalations": escalations,
        }
    )
