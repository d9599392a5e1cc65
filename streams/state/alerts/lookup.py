"""What a policy says of an alert by its labels alone, whatever the time: its ways, and what might hide it."""

from __future__ import annotations

from streams.alerts.maintenance import Window
from streams.alerts.policy import Policy
from streams.alerts.silences import Silence
from streams.route.matchers import Labelled, all_hold
from streams.route.recall import Recall, routing
from streams.route.tree import Route, Way

_NODE = Route()


class Lookup:
    """Of one policy. What it gives must not be changed: it is given again."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        root = policy.route
        self._ways = routing(root) if root is not None else None
        nodes = list(root.nodes()) if root is not None else []
        self._nodes = {node.path: node for node in reversed(nodes)}  # of one path the first
        known: tuple[Window | Silence, ...] = (*policy.maintenance, *policy.silences)

        def hiding(subject: Labelled) -> list[Window | Silence]:
            return [one for one in known if all_hold(one.matchers, subject)]

        self._hiding = Recall((matcher.path for one in known for matcher in one.matchers), hiding)

    def ways(self, subject: Labelled) -> list[Way]:
        """The ways of an alert through the tree; none where there is no tree."""
        return self._ways(subject) if self._ways is not None else []

    def node(self, path: str) -> Route:
        """A node of the tree; one that is not there tells at once."""
        return self._nodes.get(path, _NODE)

    def hiding(self, subject: Labelled) -> list[Window | Silence]:
        """Windows, then silences, whose matchers hold, of every tenant and time."""
        return self._hiding(subject)
