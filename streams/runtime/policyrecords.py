"""Parts of the alert policy that are control records of their own, checked before they come into force."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from streams.alerts.maintenance import MAINTENANCE, parse_window
from streams.alerts.silences import SILENCE, parse_silence
from streams.errors import ConfigError
from streams.route.oncall import OVERRIDE, parse_override_record
from streams.rules.problems import BlockErrors

#: Who reads which kind of record. A kind that is not in it is nobody's here, and passes.
PARSERS: Final[Mapping[str, Callable[[str, Any], object]]] = {
    SILENCE: parse_silence,
    MAINTENANCE: parse_window,
    OVERRIDE: lambda _, document: parse_override_record(document),
}
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


def check_record(kind: str, identity: str, document: Mapping[str, Any]) -> None:
    """Raises ConfigError that lists everything that is wrong with a record of one of these kinds."""
    parse = PARSERS.get(kind)
    if parse is None:
        return
    if not _ID.fullmatch(identity):
        raise ConfigError(
            f"{identity[:100]!r} is no id of a {kind}", "1 to 80 of a-z, 0-9, dot, dash and underscore, no dash first"
        )
    try:
        parse(identity, document)
    except BlockErrors as errors:
        problems = "; ".join(f"{path}: {text}" if path else text for path, text in errors.problems)
        raise ConfigError(f"{kind} {identity}: {problems}", "see streams/docs/suppression.md") from None
