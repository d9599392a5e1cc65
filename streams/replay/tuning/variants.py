"""The rule with each setting that is tried: rule sets that differ in an override, as configuration would have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from streams.detect.registry import KINDS
from streams.detect.tuning import TUNABLE
from streams.errors import ConfigError
from streams.replay.tuning.asked import Param, Value, grid, magnitude
from streams.rules.chains import ALERTS, may_see
from streams.rules.overrides import concerning, overridden
from streams.rules.problems import RuleErrors, did_you_mean
from streams.rules.rule import LIVE, Rule, RuleSet

_SHOWN = 5  #: refused values that are named
_MAX_NEAR = 400  #: characters of rules that may have been meant


@dataclass(frozen=True)
class Variant:
    """One setting. ``values``: of the params in their order, None where nothing stands; ``override``: what the
    configuration says of the rule then; ``is_current``: it is how the rule stands now; ``asked``: it was to be tried.
    """

    values: tuple[Value | None, ...]
    override: Mapping[str, Any]
    ruleset: RuleSet
    is_current: bool
    asked: bool = True


def concerned(ruleset: RuleSet, rule_id: str) -> RuleSet:
    """The rule, live whatever its stage, and the rules whose alerts it may see. Raises ConfigError for no such rule."""
    rule = rule_of(ruleset, rule_id)
    wanted, waiting = {rule.id}, [rule]
    while waiting:
        one = waiting.pop()
        for other in ruleset.rules if ALERTS in one.sources else ():
            if other.id not in wanted and other.enabled and may_see(one, other):
                wanted.add(other.id)
                waiting.append(other)
    kept = replace(ruleset, rules=tuple(one for one in ruleset.rules if one.id in wanted))
    variants = {name: of for name, of in ruleset.variants.items() if name in wanted}
    return _live(replace(kept, variants=variants, overrides=concerning(ruleset.overrides, kept)), rule_id)


def rule_of(ruleset: RuleSet, rule_id: str) -> Rule:
    """Raises ConfigError where it is not there, or off."""
    rule = next((one for one in ruleset.rules if one.id == rule_id), None)
    if rule is None:
        near = did_you_mean(rule_id, [one.id for one in ruleset.rules])
        near = near if len(near) < _MAX_NEAR else ""  # not all of a pack
        raise ConfigError(f"no rule is called {rule_id!r:.80}{near}", "`tocsin rules list` names them; --rules PATH")
    if not rule.enabled:
        raise ConfigError(f"{rule_id} is switched off", "set `enabled: true` in the rule, or in its override")
    return rule


def variants(
    ruleset: RuleSet, rule_id: str, params: Sequence[Param], ready: Callable[[RuleSet], RuleSet] = lambda made: made
) -> list[Variant]:
    """One for each point of the grid, and one for how the rule stands now, in the order of the values. ``ready``: what
    is to be done to a rule set after its overrides (lists). Raises ConfigError for settings that are none, and
    RuleErrors with each value that the rule refuses.
    """
    rule = rule_of(ruleset, rule_id)
    for param in params:
        _check(rule, param)
    now = tuple(_standing(rule, ruleset, param.paths[0]) for param in params)
    made, problems = [], []
    for values in grid(params):
        override = _override(ruleset, rule, params, values)
        try:
            changed = overridden(ruleset, {**ruleset.overrides, rule_id: override}, KINDS, TUNABLE, lambda _: "--param")
        except RuleErrors as errors:
            what = ", ".join(f"{param.name}={value}" for param, value in zip(params, values, strict=True))
            problems += [problem._replace(path=what) for problem in errors.problems]
            continue
        fresh = rule_of(changed, rule_id)
        same = (fresh.detect, fresh.severity, fresh.cooldown) == (rule.detect, rule.severity, rule.cooldown)
        made.append(Variant(values, override, ready(_live(changed, rule_id)), same))
    if problems:
        unique = list(dict.fromkeys(problems))
        if len(unique) > _SHOWN:
            last = unique[_SHOWN - 1]._replace(path="", message=f"and {len(unique) - _SHOWN + 1} more are refused")
            unique = [*unique[: _SHOWN - 1], last]
        raise RuleErrors(unique)
    if not any(variant.is_current for variant in made):
        made.append(Variant(now, ruleset.overrides.get(rule_id, {}), ready(_live(ruleset, rule_id)), True, asked=False))
    return sorted(made, key=lambda variant: [_order(value) for value in variant.values])


def _live(ruleset: RuleSet, rule_id: str) -> RuleSet:
    def live(rule: Rule) -> Rule:
        return replace(rule, stage=LIVE) if rule.id == rule_id and rule.is_shadow else rule

    tenants = {
        name: {tenant: None if rule is None else live(rule) for tenant, rule in of.items()}
        for name, of in ruleset.variants.items()
    }
    return replace(ruleset, rules=tuple(map(live, ruleset.rules)), variants=tenants)


def _check(rule: Rule, param: Param) -> None:
    kind = rule.detect.name
    known = [*(f"detect.{kind}.{name}" for name in sorted(TUNABLE[kind])), "cooldown", *_rungs(rule)]
    for path in param.paths:
        name = ".".join(path)
        if name not in known:
            near = did_you_mean(name, known)
            raise ConfigError(
                f"--param: {rule.id} has no setting {name!r:.80} that can be tuned{near}", f"it has {', '.join(known)}"
            )
        if path[0] == "detect" and isinstance(_written(rule.document, path), Mapping):
            raise ConfigError(f"--param: {name} of {rule.id} is another field, and no number", "try another setting")


def _rungs(rule: Rule) -> list[str]:
    severity = rule.document.get("severity")
    return [f"severity.{word}" for word in severity] if isinstance(severity, Mapping) else []


def _override(
    ruleset: RuleSet, rule: Rule, params: Sequence[Param], values: Sequence[Value]
) -> dict[str, Any]:  # fmt: skip
    """The rule's own entry, with these settings in it."""
    made = dict(ruleset.overrides.get(rule.id, {}))
    for path, value in ((path, value) for param, value in zip(params, values, strict=True) for path in param.paths):
        match path:
            case ("detect", kind, name):
                block = made.get("detect", {}).get(kind, {})
                made["detect"] = {kind: {**block, name: value}}
            case ("severity", word):
                severity = made.get("severity", rule.document["severity"])
                rung = float(magnitude(value)) if isinstance(value, str) and value.endswith("%") else value
                made["severity"] = {**(severity if isinstance(severity, Mapping) else {}), word: rung}
            case _:
                made[".".join(path)] = value
    return made


def _standing(rule: Rule, ruleset: RuleSet, path: tuple[str, ...]) -> Value | None:
    """What is in force now, as written; None where nobody says anything."""
    entries = [entry for name, entry in ruleset.overrides.items() if "*" in name and fnmatchcase(rule.id, name)]
    for settings in (ruleset.overrides.get(rule.id), *reversed(entries), rule.document):
        if (value := _written(settings, path)) is not None:
            return value  # type: ignore[no-any-return]  # the parser took it for one
    return None


def _written(document: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def _order(value: Value | None) -> tuple[int, Decimal]:
    return (0, Decimal(0)) if value is None else (1, magnitude(value))
