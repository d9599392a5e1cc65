"""The policy in force, as the control records say it."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from streams.alerts.policy import DEFAULT, Policy, parse_policy, with_records
from streams.errors import ConfigError
from streams.model import Control, content_hash

POLICY: Final = "policy/default"
_OF_RULES: Final = ("ruleset/", "list/")  #: control records that are no concern of alerts


def records_of(control: Control) -> dict[str, Any]:
    """The records that say who is told what."""
    return {name: document for name, document in control.records.items() if not name.startswith(_OF_RULES)}


def policy_of(control: Control, counts: Counter[tuple[str, ...]]) -> Policy:
    """What they come to; without a usable document the default, which is counted."""
    policy, document = DEFAULT, control.records.get(POLICY)
    if document is not None:
        try:
            policy = parse_policy(document)
        except ConfigError:  # whoever reads the control topic refuses such a record before it comes here
            counts["policy", "refused"] += 1
    return with_records(policy, control.records)


def hiding_of(policy: Policy) -> str:
    """Names all of a policy that keeps back what is told later."""
    return content_hash(repr((policy.maintenance, policy.silences, policy.inhibit, policy.dependencies)))
