"""What an access says about itself against what it may be: its purpose, and the class of the data.

Purpose limitation is GDPR Art. 5(1)(b); levels of classification and clearance are those of mandatory access control
(D. Bell, L. LaPadula, 1973: no read up). Both need events that carry the two sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.exact import exact

#: From open to closed; words of one line are of one level.
LEVELS = (
    "public open unclassified",
    "internal private official",
    "confidential sensitive pii personal",
    "restricted secret phi highly_confidential",
    "top_secret topsecret critical",
)
_SHOWN = 100


class OutsidePurpose:
    """Fires on an access whose ``purpose`` is none of ``allowed``, or that names none though there are some.

    Settings: ``purpose`` (purpose) and ``allowed`` (allowed_purposes), fields; the second is a list of texts, or one
    text with commas. Case and blanks around do not count. An empty list allows nothing; what is neither list nor text
    is not judged. There is no state.
    """

    keeps: str | int = "1d"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._purpose, self._allowed = (
            str(settings.get("purpose", "purpose")), str(settings.get("allowed", "allowed_purposes")),
        )  # fmt: skip
        self.fields: Sequence[str] = (self._purpose, self._allowed)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        allowed = event.fields.get(self._allowed)
        if isinstance(allowed, str):
            allowed = allowed.split(",")
        if not isinstance(allowed, list):
            return state, ()
        purpose = _word(event.fields.get(self._purpose))
        if purpose and purpose in {_word(one) for one in allowed}:
            return state, ()
        shown = ", ".join(one for one in allowed if isinstance(one, str))[:_SHOWN]
        return state, [Found(1, detail={"declared": purpose[:_SHOWN] or "none", "allowed": shown})]


class AboveClearance:
    """Fires on an access to data of a higher level than whoever accesses it is cleared for; the value is the distance.

    Settings: ``classification`` and ``clearance``, lists of fields, of which the first that is there counts;
    ``levels``: from open to closed, each a text of words that mean the same. Numbers, higher ones being more closed,
    are compared with numbers. What is missing, or a word that is in no level, is not judged. There is no state.
    """

    keeps: str | int = "1d"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._of_data = [str(one) for one in settings.get("classification", ("data_classification", "classification"))]
        self._of_actor = [str(one) for one in settings.get("clearance", ("clearance", "actor_clearance"))]
        levels = settings.get("levels", LEVELS)
        self._levels = {word: level for level, words in enumerate(levels) for word in str(words).lower().split()}
        self.fields: Sequence[str] = (*self._of_data, *self._of_actor)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        data, actor = (_first(event.fields, names) for names in (self._of_data, self._of_actor))
        sides = exact(data), exact(actor)
        if sides[0] is None or sides[1] is None:
            words = (self._levels.get(_word(side).replace(" ", "_").replace("-", "_")) for side in (data, actor))
            needed, held = words
        else:
            above = sides[0] - sides[1]
            needed, held = (1, 0) if 0 < above < 1 else (min(int(above), 100), 0)
        if needed is None or held is None or needed <= held:
            return state, ()
        detail = {"classified": str(data)[:_SHOWN], "cleared": str(actor)[:_SHOWN]}
        return state, [Found(needed - held, detail=detail)]


def _first(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _word(value: Any) -> str:
    return value.strip().lower() if isinstance(value, str) else ""
