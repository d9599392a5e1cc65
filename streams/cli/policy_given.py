"""The policy a command looks at: that of the configuration, of a file, or what is in force on the cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from streams.alerts.policy import Policy, parse_policy, with_records
from streams.cli.context import control, get_config
from streams.errors import ConfigError
from streams.state.alerts.inforce import POLICY

Records = dict[str, dict[str, Any]]

_FILE = click.option(
    "--policy", "file", type=click.Path(path_type=Path), help="A policy, or a configuration with one, of its own."
)
_LIVE = click.option(
    "--live", is_flag=True, help="What is in force on the cluster: policy, silences, windows and overrides."
)


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--policy FILE`` and ``--live``; without either it is the configured policy."""
    return _FILE(_LIVE(command))


def given_records(file: Path | None, live: bool) -> Records:
    """The control records. Raises ConfigError for a policy that cannot be used."""
    if live and file is not None:
        raise click.UsageError("--policy and --live exclude each other")
    if file is not None:
        from streams.replay.routes.checks import policy_in

        records = {POLICY: policy_in(file)}
    else:
        records = _in_force() if live else {POLICY: get_config().policy}
    policy_of(records)
    return records


def policy_of(records: Records) -> Policy:
    """What they say together."""
    return with_records(parse_policy(records.get(POLICY, {})), records)


def routed(policy: Policy) -> Policy:
    """A policy that has somebody to tell. Raises ConfigError for one without receivers."""
    if not policy.receivers:
        raise ConfigError(
            "the policy tells nobody: it has no receivers",
            "`policy: {preset: operations}` in tocsin.yaml is one to begin with; see streams/docs/routing.md",
        )
    return policy


def _in_force() -> Records:
    with control() as reader:
        return reader.in_force().records
