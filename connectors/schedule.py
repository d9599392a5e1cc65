"""What to send when: order per lane, budget per item, and the sink's own state. No clock, no Kafka, no asyncio.

Items of one lane (an alert, or for some storage a partition) go one after the other; lanes are independent. An item
is *finished* when it was delivered or rejected, or when its budget is spent; only then does its lane go on and does
its offset count.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from connectors.base import Delivered, Origin, Rejected, Result, Retry, Work
from connectors.limits import Breaker, Bucket, backoff_ms
from connectors.offsets import Offsets
from connectors.settings import Policy
from streams.model import Outcome

#: Items of a partition that may be finished behind the oldest unfinished one. What their note cannot hold a crash
#: sends again.
_MAX_SPAN = 50_000


@dataclass(slots=True, eq=False)
class Pending:
    """An item on its way. ``deadline``: when its budget of time ends; None for never."""

    item: Work
    deadline: int | None
    attempts: int = 0
    in_call: bool = False
    finished: bool = False
    forgotten: bool = False  #: its partition went to another worker, which will send it


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one attempt; ``final``: and of the item."""

    item: Work
    attempt: int
    outcome: Outcome
    reference: str = ""
    error: str = ""

    @property
    def final(self) -> bool:
        return self.outcome is not Outcome.RETRY


@dataclass(slots=True, eq=False)
class _Lane:
    waiting: deque[Pending] = field(default_factory=deque)
    ready_at: int = 0
    in_call: bool = False
    ticket: int = -1  # of its entry in the heap of ready lanes; any other entry is stale


class Schedule:
    """The items of one sink. Every ``now`` is in ms of one monotonic clock; ``random`` gives 0 <= x < 1."""

    def __init__(self, policy: Policy, random: Callable[[], float], bucket: Bucket | None = None) -> None:
        self._policy, self._random = policy, random
        self._lanes: dict[str, _Lane] = {}
        self._ready: list[tuple[int, int, str]] = []  # (ready_at, ticket, lane)
        self._deadlines: list[tuple[int, int, Pending]] = []
        self._tickets = count()
        self._held_until = 0
        self._bucket = bucket or Bucket(policy.rate)
        self._last_error = ""
        self.breaker = Breaker(policy.breaker, random)
        self.offsets = Offsets()
        self.open = 0  #: items not finished
        self.calls = 0  #: batches being attempted

    @property
    def full(self) -> bool:
        """Whether fetching should pause."""
        return self.open >= self._policy.in_flight or self.offsets.span >= _MAX_SPAN

    @property
    def roomy(self) -> bool:
        """Whether fetching may go on after a pause."""
        return self.open <= self._policy.in_flight // 2 and self.offsets.span < _MAX_SPAN // 2

    def add(self, item: Work, now: int) -> None:
        """Take an item; one that is already here, or was finished in an earlier life, is ignored."""
        if not self.offsets.begin(item.origin):
            return
        within = self._policy.retry.within_ms
        pending = Pending(item, None if within is None else now + within)
        self._watch(pending)
        lane = self._lanes.get(item.lane)
        if lane is None:
            lane = self._lanes[item.lane] = _Lane(ready_at=now)
        lane.waiting.append(pending)
        self.open += 1
        if not lane.in_call and lane.ticket < 0:
            self._queue(item.lane, lane)

    def skip(self, origin: Origin) -> None:
        """A record that is none of this sink's items: it only counts for the offsets."""
        self.offsets.skip(origin)

    def take(self, now: int) -> list[Pending]:
        """The next batch to attempt; empty where nothing may go now (see ``wakes``)."""
        if self._lingers_until() > now or self.calls >= self._policy.concurrency:
            return []
        if now < self._held_until or not self.breaker.allows(now):
            return []
        room = min(self._batch, self._bucket.available(now))
        batch: list[Pending] = []
        while len(batch) < room and (lane := self._next_ready(now)) is not None:
            lane.in_call = True
            for pending in lane.waiting:
                if not pending.finished:
                    pending.in_call = True
                    batch.append(pending)
                    if len(batch) == room:
                        break
        if batch:
            within = self._policy.retry.within_ms
            for pending in batch:
                pending.attempts += 1
                if pending.attempts == 1 and within is not None:
                    pending.deadline = now + within
            self._bucket.take(len(batch))
            self.breaker.begun()
            self.calls += 1
        return batch

    def eager(self, now: int) -> int:
        """About how many items could go now, were it not for the rate."""
        held = now < self._held_until or self._lingers_until() > now or not self.breaker.allows(now)
        self._drop_stale()
        if held or not self._ready or self._ready[0][0] > now:
            return 0
        return min(len(self._ready), (self._policy.concurrency - self.calls) * self._batch)

    @property
    def _batch(self) -> int:
        """Items in the next call. While the receiver may be down one is enough, and the others lose no attempt."""
        return 1 if self.breaker.in_doubt else self._policy.batch

    def _lingers_until(self) -> int:
        """When a batch that is not full goes all the same."""
        linger = self._policy.linger_ms
        if not linger or self.open >= self._policy.batch:
            return 0
        self._drop_stale()
        return self._ready[0][0] + linger if self._ready else 0

    def settle(self, batch: Sequence[Pending], results: Sequence[Result], now: int) -> list[Settled]:
        """A call came back, one result per item: each is done, tried again later, or given up."""
        self.calls -= 1
        if all(isinstance(result, Retry) and result.after_ms is None for result in results):
            self.breaker.failed(now)
        else:
            self.breaker.succeeded()
        settled = [self._judge(pending, result, now) for pending, result in zip(batch, results, strict=True)]
        for name in dict.fromkeys(pending.item.lane for pending in batch):
            self._lanes[name].in_call = False
            self._tidy(name)
        return settled

    def abandon(self, batch: Sequence[Pending]) -> None:
        """A call was cut off because we stop: its items stay unfinished, so that their offsets are not committed."""
        self.calls -= 1
        for pending in batch:
            pending.in_call = False

    def expire(self, now: int) -> list[Settled]:
        """Give up items whose time ran out while the circuit was open, or the receiver had asked everyone to wait."""
        if not self.breaker.open and now >= self._held_until:
            return []
        given_up = []
        while self._deadlines and self._deadlines[0][0] <= now:
            pending = heapq.heappop(self._deadlines)[2]
            if pending.finished or pending.in_call or pending.deadline is None:
                continue  # one in a call is judged when it comes back
            if pending.deadline > now:
                self._watch(pending)
                continue
            self._finish(pending)
            why = f"gave up after {pending.attempts} attempts; the sink is not answering: {self._last_error}"
            given_up.append(Settled(pending.item, max(1, pending.attempts), Outcome.FAILED, error=why))
            self._tidy(pending.item.lane)
        return given_up

    def wakes(self, now: int) -> int | None:
        """When ``take`` or ``expire`` may next have something to do, if nothing else happens; None: not at all."""
        times = []
        if self._deadlines and (self.breaker.open or now < self._held_until):
            times.append(self._deadlines[0][0])
        breaker = self.breaker.wakes
        self._drop_stale()
        if self._ready and self.calls < self._policy.concurrency and breaker is not None:
            ready = max(self._ready[0][0], self._lingers_until())
            times.append(max(ready, self._held_until, breaker, self._bucket.wakes(now)))
        return min(times, default=None)

    def forget(self, topic: str, partition: int) -> None:
        """The partition went to another worker: drop its items. What is in a call is let go on, and not counted."""
        self.offsets.forget(topic, partition)
        for alert in list(self._lanes):
            for pending in self._lanes[alert].waiting:
                origin = pending.item.origin
                if (origin.topic, origin.partition) == (topic, partition) and not pending.finished:
                    pending.forgotten = True
                    self._finish(pending)
            self._tidy(alert)

    def calling(self, topic: str, partition: int) -> bool:
        """Whether an item of the partition is in a call now."""
        return any(
            pending.in_call and pending.item.origin[:2] == (topic, partition)
            for lane in self._lanes.values()
            if lane.in_call
            for pending in lane.waiting
        )

    def _judge(self, pending: Pending, result: Result, now: int) -> Settled:
        pending.in_call = False
        item, attempt = pending.item, pending.attempts
        if isinstance(result, Delivered):
            self._finish(pending)
            return Settled(item, attempt, Outcome.DELIVERED, reference=result.reference)
        if isinstance(result, Rejected):
            self._finish(pending)
            return Settled(item, attempt, Outcome.REJECTED, error=result.reason)
        self._last_error = result.reason
        delay = max(result.after_ms or 0, backoff_ms(self._policy.retry, attempt, self._random))
        if result.everyone and result.after_ms is not None:
            self._held_until = max(self._held_until, now + min(result.after_ms, self._policy.longest_hold_ms))
        limit = self._policy.retry.attempts
        spent = limit is not None and attempt >= limit
        late = pending.deadline is not None and now + delay > pending.deadline
        if (spent or late) and not pending.forgotten:
            self._finish(pending)
            asked = f" (asked to wait {result.after_ms} ms)" if late and result.after_ms else ""
            return Settled(
                item, attempt, Outcome.FAILED, error=f"gave up after {attempt} attempts{asked}: {result.reason}"
            )
        if not pending.forgotten:
            lane = self._lanes[item.lane]
            lane.ready_at = max(lane.ready_at, now + delay)
        return Settled(item, attempt, Outcome.RETRY, error=result.reason)

    def _finish(self, pending: Pending) -> None:
        if pending.finished:
            return
        pending.finished = True
        self.open -= 1
        if not pending.forgotten:
            self.offsets.finish(pending.item.origin)

    def _tidy(self, alert: str) -> None:
        """Drop what is finished from a lane; queue the lane for the rest."""
        lane = self._lanes[alert]
        while lane.waiting and lane.waiting[0].finished and not lane.waiting[0].in_call:
            lane.waiting.popleft()
        if lane.in_call:
            return
        if all(pending.finished for pending in lane.waiting):
            del self._lanes[alert]
        elif lane.ticket < 0:
            self._queue(alert, lane)

    def _queue(self, alert: str, lane: _Lane) -> None:
        lane.ticket = next(self._tickets)
        heapq.heappush(self._ready, (lane.ready_at, lane.ticket, alert))

    def _drop_stale(self) -> None:
        while self._ready:
            _, ticket, alert = self._ready[0]
            lane = self._lanes.get(alert)
            if lane is not None and lane.ticket == ticket:
                return
            heapq.heappop(self._ready)

    def _next_ready(self, now: int) -> _Lane | None:
        self._drop_stale()
        if not self._ready or self._ready[0][0] > now:
            return None
        lane = self._lanes[heapq.heappop(self._ready)[2]]
        lane.ticket = -1
        return lane

    def _watch(self, pending: Pending) -> None:
        if pending.deadline is None:
            return
        if len(self._deadlines) > 2 * self.open + 1000:  # mostly finished ones: keep memory in proportion
            self._deadlines = [entry for entry in self._deadlines if not entry[2].finished]
            heapq.heapify(self._deadlines)
        heapq.heappush(self._deadlines, (pending.deadline, next(self._tickets), pending))
