"""The collector of cycles is left as it was found."""

from __future__ import annotations

import gc

import pytest

from streams.runtime.garbage import looking_seldom


def test_while_many_states_are_made_cycles_are_looked_for_seldom_and_afterwards_as_before() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with looking_seldom():
        assert gc.get_threshold()[0] > 100 * before[0]
        assert gc.get_freeze_count() > frozen
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_what_fails_leaves_it_so_too() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="as it happens"), looking_seldom():
        raise ValueError("as it happens")
    assert gc.get_threshold() == before
