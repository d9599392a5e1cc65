"""Who acts: a large population with a few busy members, and strangers who only appear in attacks."""

from __future__ import annotations

from random import Random

POPULATION = 50_000
TENANTS = ("acme", "globex", "initech", "umbrella", "hooli", "stark", "wayne", "wonka")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words(
    "ada alan anna ben carla chen dana david elif emma erik fatima felix grace hana hugo ines ivan jana jonas kai "
    "karim lara leo lin luca maja marco mei milan mira nadia nils nina noor olga omar paul petra priya quinn rafa rosa "
    "sam sara sofia tariq theo tom uma vera viktor wei yara yuki zoe"
)
_LAST = _words(
    "abel ahmed baker berg bianchi brandt costa cruz diaz dubois ek evans fischer fuchs garcia gupta haas hansen ito "
    "jensen kaya keller kim klein kumar lang lee lopez maier martin meyer moreau mori nagy nakamura novak okafor olsen "
    "park peters popov quist rao reyes rossi roth santos sato schmidt silva singh stein suzuki tanaka torres "
    "vogel wagner walker wang weber wolf young yilmaz zhang ziegler"
)


class Crowd(Random):
    """Chance that knows how many people there are, and what time it is: whoever is drawn then is at work.

    Where few events are spread over months, fewer people make them, in their hours; or nobody would come regularly.
    """

    def __init__(self, seed: str, population: int) -> None:
        super().__init__(seed)
        self.population = population
        self.at = 0  #: event time of what is drawn next, ms


def at_work(who: int, at: int) -> bool:
    """Whether it is in somebody's hours: twelve in a row on weekdays; a third work at weekends instead."""
    hours = at // 3_600_000 + 3 * (who % 8)  # tenants live in zones of their own
    weekend = (hours // 24 + 3) % 7 >= 5
    return weekend == (who % 3 == 2) and (hours + who // 8 % 5) % 24 >= 12


def busy(rng: Random) -> int:
    """A member of the population; the n-th is about 1/n as busy as the first."""
    if not isinstance(rng, Crowd):
        return int((POPULATION + 1) ** rng.random()) - 1
    who = int((rng.population + 1) ** rng.random()) - 1
    others = ((who + n) % rng.population for n in range(rng.population))
    return next((other for other in others if at_work(other, rng.at)), who)


def tenant(who: int) -> str:
    return TENANTS[who % len(TENANTS)]


def name(who: int) -> str:
    """``ada.abel``, ``ada.abel2``: another name for every number."""
    rest, first = divmod(who, len(_FIRST))
    generation, last = divmod(rest, len(_LAST))
    return f"{_FIRST[first]}.{_LAST[last]}{generation + 1 if generation else ''}"


def address(who: int) -> str:
    """The private address of a member; another one for every number below 2**24."""
    return f"10.{who >> 16 & 255}.{who >> 8 & 255}.{who & 255}"


def foreign_address(who: int) -> str:
    """A public-looking address, of a range reserved for tests; another one for every number below 2**17."""
    return f"198.{18 + (who >> 16 & 1)}.{who >> 8 & 255}.{who & 255}"


class Pace:
    """Lets everybody do a thing once in ``gap`` ms, so that no rule that counts it can fire."""

    def __init__(self, gap: int) -> None:
        self._gap = gap
        self._last: dict[int, int] = {}

    def allows(self, who: int, at: int) -> bool:
        last = self._last.get(who)
        if last is not None and at - last < self._gap:
            return False
        self._last[who] = at
        return True
