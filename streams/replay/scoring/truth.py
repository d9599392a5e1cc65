"""Traffic that is there already, with its labels: files as ``tocsin simulate`` writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from streams.errors import ConfigError
from streams.model import Source
from streams.replay.files import Merged, open_file
from streams.replay.runner import PartitionLog, replay
from streams.replay.scoring.regimes import Ran, Regime
from streams.replay.scoring.score import score
from streams.rules.rule import RuleSet
from streams.simulate.scene import Label

_label = msgspec.json.Decoder(Label)


def read_labels(path: Path) -> list[Label]:
    """Raises ConfigError with the line that is no label."""
    labels = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    labels.append(_read(path, number, line))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    return labels


def _read(path: Path, number: int, line: bytes) -> Label:
    try:
        return _label.decode(line)
    except msgspec.MsgspecError as error:
        hint = "a line is a label, as `tocsin simulate --truth` writes it"
        raise ConfigError(f"{path}:{number}: {error}", hint) from None


def given(
    truth: Path, files: Sequence[str], ruleset: RuleSet, sources: Iterable[Source], policy: Mapping[str, Any] | None
) -> Ran:
    """Score the rules on files, ``NAME=FILE`` each. What no label names is background. Raises ConfigError."""
    known = {source.name: source for source in sources}
    labels = read_labels(truth)
    logs = []
    for text in files:
        name, equals, place = text.partition("=")
        if not equals or name not in known:
            raise ConfigError(f"--source {text!r:.100}: write NAME=FILE", f"NAME is one of {', '.join(known)}")
        merged = Merged([open_file(Path(place))], known[name].mapping)
        if ruleset.reading(name):
            logs.append(PartitionLog(known[name], 0, merged.chunks(), merged.origin))
    if not logs:
        raise ConfigError("no rule reads what was given", "name the traffic: --source NAME=FILE")
    result = replay(logs, ruleset, policy)
    labelled = len({event_id for label in labels for event_id in label.event_ids})
    begin = min((label.first_event_time for label in labels), default=0)
    background = max(0, result.read - labelled)
    return Ran(
        Regime(f"as in {truth.name}", 0, begin, 0, background, 0, 0), background, labelled,
        {nature.value: n for nature, n in Counter(label.nature for label in labels).items()}, (), result.total("dead"),
        score(result.alerts, labels, [rule.id for rule in ruleset.rules if rule.enabled]),
    )  # fmt: skip
