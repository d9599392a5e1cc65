"""What a silence would have hidden: which alerts, what they turned out to be, and what was told later or never."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from streams.alerts.silences import SILENCE
from streams.errors import ConfigError
from streams.model import Disposition
from streams.replay.backtest.labelled import labels_of
from streams.replay.moments import rfc3339
from streams.replay.telling.difference import Hearing, difference
from streams.replay.telling.document import FORMAT, Named, Range, alert_document, hearing_document
from streams.replay.telling.recorded import Reproduced

IDENTITY: Final = "what-if"  #: of the silence that is tried; its name goes on no topic
_UNLABELLED: Final = "unlabelled"


def spoken(path: Path) -> dict[str, str]:
    """What people said alerts were, by id, as `tocsin alerts labels` writes it. Raises ConfigError."""
    labels = labels_of(path)
    if labels.complete:
        raise ConfigError(
            f"{path} holds the labels of a simulation, which are about events, not alerts",
            "`tocsin alerts labels` writes what people said of alerts",
        )
    return {label.attack: label.scenario for label in labels.labels}


def _last_first(one: Hearing) -> tuple[str, int]:
    return one.receiver, -one.at


def hidden(
    today: Named,
    silenced: Named,
    span: Range,
    silence: Mapping[str, Any],
    said: Mapping[str, str],
    again: Reproduced | None = None,
) -> dict[str, Any]:
    """``silence`` is its record; ``said``: what alerts were, by id, as far as labels say it; else people's word.

    What is told late is what stood when the silence ended; what is told never had ended by then, or had not by the end.
    """
    before, after = today.heard, silenced.heard
    alerts = [one for one in after.alerts.values() if (SILENCE, IDENTITY) in one.hidden_by]
    known = before.alerts.keys() & said.keys()
    names = {one.id for one in alerts}
    apart = difference(
        (one for one in before.told if any(member.id in names for member in one.about)),
        (one for one in after.told if any(member.id in names for member in one.about)),
    )
    gone = [one for one in apart.gone if one.alert in names]
    late = [pair for pair in apart.later if pair[0].alert in names]
    told: dict[str, set[str]] = {}
    for message in before.told:
        for member in message.about:
            told.setdefault(member.id, set()).add(message.receiver)
    rows = []
    for one in sorted(alerts, key=lambda one: (one.created_at, one.id)):
        was = before.alerts.get(one.id)
        own = [hearing for hearing in gone if hearing.alert == one.id]
        later = [later for earlier, later in late if later.alert == one.id]
        rows.append(
            alert_document(one)
            | {
                "disposition": said.get(one.id) or (was.disposition if was is not None else "") or "",
                "today": sorted(told.get(one.id, ())),
                "never_told": sorted({hearing.receiver for hearing in own}),
                "told_later": {hearing.receiver: rfc3339(hearing.at) for hearing in sorted(later, key=_last_first)},
            }
        )
    dispositions = Counter(row["disposition"] or _UNLABELLED for row in rows)
    return {
        "format": FORMAT,
        "from": rfc3339(span.begin),
        "to": rfc3339(span.end),
        "notes": list(span.notes),
        "today": today.name,
        "reproduced": None if again is None else again.document(),
        "matchers": list(silence["matchers"]),
        "silenced_from": rfc3339(silence["starts_at"]),
        "silenced_to": rfc3339(silence["ends_at"]),
        "alerts": sum(one.created_at < span.end for one in before.opened()),
        "labelled": len(known),
        "hidden": rows,
        "dispositions": dict(sorted(dispositions.items())),
        "true_positives": dispositions[Disposition.TRUE_POSITIVE.value],
        "notifications": {"today": len(before.told), "silenced": len(after.told)},
        "gone": [hearing_document(one, before) for one in gone],
        "later": [
            hearing_document(later, after) | {"today": rfc3339(earlier.at), "by_ms": later.at - earlier.at}
            for earlier, later in late
        ],
    }
