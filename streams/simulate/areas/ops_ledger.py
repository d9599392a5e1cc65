"""Nodes of a ledger: consensus, finality, state and backups, and a ledger that stumbles."""

from __future__ import annotations

from random import Random

from streams.simulate.gauges import HOUR, MINUTE, Fleet, Gauge, key_of, reading, scenarios
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "metric"
_SUBJECT = ("subject",)
GAUGES = (
    Gauge(
        "leader-election-time", ("leader_election_ms", "leader_timeout_ms"), (80, 2_500), 5_000, (5_400, 60_000),
        parts=_SUBJECT, alike="leader_lease_ms",
    ),
    Gauge(
        "message-verification", ("message_verification_percent",), (99.7, 100), 99, (60, 98.2), 5 * MINUTE,
        falling=True, percent=True, parts=_SUBJECT,
    ),
    Gauge(
        "consensus-success", ("consensus_success_percent",), (98.5, 100), 95, (30, 92), 5 * MINUTE, falling=True,
        percent=True, parts=_SUBJECT,
    ),
    Gauge(
        "finalization-latency", ("block_finalization_ms", "finalization_latency_ms"), (300, 1_900), 5_000,
        (7_500, 90_000), 5 * MINUTE, parts=_SUBJECT,
    ),
    Gauge(
        "event-pool-size", ("event_pool_size", "mempool_size"), (0, 1_800), 5_000, (8_000, 90_000), 5 * MINUTE,
        parts=_SUBJECT,
    ),
    Gauge(
        "world-state-size", ("world_state_size_gb",), (5, 85), 100, (102, 900), parts=_SUBJECT,
        alike="world_state_size_mb",
    ),
    Gauge("backup-age", ("backup_age_hours",), (0, 25), 26, (27, 90), parts=_SUBJECT, alike="backup_duration_seconds"),
    Gauge(
        "low-peer-count", ("peer_count", "p2p_peer_count"), (12, 60), 8, (0, 5), 5 * MINUTE, falling=True, peak=True,
        parts=_SUBJECT,
    ),
    Gauge(
        "mev-protection", ("mev_protection_success_percent",), (98, 100), 95, (0, 88), 5 * MINUTE, falling=True,
        percent=True, parts=_SUBJECT,
    ),
    Gauge(
        "contract-call-failure", ("contract_call_failure_percent",), (0, 2), 5, (9, 100), 5 * MINUTE, percent=True,
        label="contract", values=("router", "vault"), parts=("contract",),
    ),
    Gauge(
        "certificate-expiry", ("certificate_days_left", "cert_days_left"), (40, 380), 30.5, (-3, 29), falling=True,
        alike="domain_days_left",
    ),
)  # fmt: skip
_KEYS = Gauge("encryption-strength", ("encryption_strength",), (128, 4_096), 0, (0, 0), parts=_SUBJECT)
_GOOD = (("RSA", 2_048), ("RSA", 4_096), ("ECDSA", 256), ("Ed25519", 256), ("AES-256-GCM", 256), ("AES-128-GCM", 128))
_WEAK = (("RSA", 1_024), ("RSA", 512), ("DSA", 1_024), ("ECDSA", 192), ("3DES", 168), ("RC4", 128), ("TLSv1.0", 256))


class Ledger:
    """Twenty nodes that are well, each measured in turn, and the keys that they use."""

    source = SOURCE
    share = 5

    def __init__(self) -> None:
        self._fleet = Fleet(GAUGES, 20)

    def background(self, rng: Random, at: int) -> Event:
        if rng.random() < 0.02:
            return _key(rng.randrange(20), *rng.choice(_GOOD))
        return self._fleet.read(rng, at)


def _key(who: int, algorithm: str, bits: int) -> Event:
    return reading(_KEYS, who, bits, algorithm=algorithm)


def _scanned(who: int, found: list[tuple[str, int]], completes: int | None) -> Attack:
    events = [(n * HOUR // 6, _key(who, algorithm, bits)) for n, (algorithm, bits) in enumerate(found)]
    return Attack(tenant(who), key_of(_KEYS, events[0][1]), events, completes)


def _weak(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Among good keys stands one that is too short, or an algorithm that is broken."""
    good = rng.choices(_GOOD, k=rng.randrange(4))
    return _scanned(who, [*good, rng.choice(_WEAK)], completes=len(good))


def _just(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Keys exactly as long as they must be."""
    return _scanned(who, [("RSA", 2_048), ("ECDSA", 224), ("AES-128", 128), ("dh", 2_048)], completes=None)


def _curves(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Short numbers that are much for a curve or a cipher."""
    return _scanned(who, rng.sample([("Ed25519", 256), ("ECDSA", 384), ("ChaCha20-Poly1305", 256)], 3), completes=None)


BACKGROUNDS = (Ledger,)
SCENARIOS = (
    *(scenario for gauge in GAUGES for scenario in scenarios(gauge) if scenario.name != "certificate-expiry"),
    Scenario("encryption-strength", "ops.encryption-strength", HOUR, _weak),
    Scenario("encryption-just-enough", "ops.encryption-strength", HOUR, _just, Nature.NEAR_MISS),
    Scenario("encryption-of-curves", "ops.encryption-strength", HOUR, _curves, Nature.LOOK_ALIKE),
)
