"""Decoded trades and liquidity of decentralised exchanges to the envelope. All of a row stays under its own names.

One row an event: as extracts of trace inspection write them (``block_number``, ``tx_position``, ``trace_address``), as
indexers do (``blockNumber``, ``transactionIndex``, ``logIndex``), or as web3 libraries give decoded logs (``args``).
Addresses and hashes become lower case, heights and indices integers, amounts decimal text; numbers may be hexadecimal.
What a row does not say stays absent; what it says and nobody can read is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from streams.codec.times import LAST_MS, rfc3339
from streams.model.decode import decode_full

#: Names that a field of the envelope goes by, best first.
_NAMES: dict[str, tuple[str, ...]] = {
    "chain_id": ("chain_id", "chainId", "chainid", "chain", "network"),
    "block": ("block", "block_number", "blockNumber", "height", "block_height"),
    "block_hash": ("block_hash", "blockHash"),
    "tx_hash": ("tx_hash", "transaction_hash", "transactionHash", "txHash", "txid", "hash"),
    "tx_index": ("tx_index", "tx_position", "transaction_index", "transactionIndex", "transaction_position", "txIndex"),
    "log_index": ("log_index", "logIndex"),
    "pool": ("pool", "pool_address", "poolAddress", "pair", "pair_address", "contract_address", "address"),
    "sender": ("sender", "from_address", "fromAddress", "swap_sender"),
    "recipient": ("recipient", "to_address", "toAddress", "receiver"),
    "from": ("from", "tx_from", "txFrom", "tx_origin", "origin", "eoa"),
    "to": ("to", "tx_to", "txTo"),
    "caller": ("caller", "msg_sender"),
    "owner": ("owner", "provider", "liquidity_provider"),
    "token": ("token", "token_address", "asset"),
    "token_in": ("token_in", "token_in_address", "tokenIn", "sold_token"),
    "token_out": ("token_out", "token_out_address", "tokenOut", "bought_token"),
    "amount_in": ("amount_in", "token_in_amount", "amountIn", "sold_amount"),
    "amount_out": ("amount_out", "token_out_amount", "amountOut", "bought_amount"),
    "amount": ("amount",),
    "liquidity": ("liquidity", "liquidity_amount"),
    "token0": ("token0", "token0_address"),
    "token1": ("token1", "token1_address"),
}
_TIMES = ("event_time", "ts", "timestamp", "block_timestamp", "blockTimestamp", "block_time", "blockTime", "time")
_KINDS = ("event", "type", "event_name", "eventName", "event_type", "abi_name")
_TYPES = {
    "swap": "swap", "dexswap": "swap", "trade": "swap", "dextrade": "swap", "tokenexchange": "swap",
    "mint": "liquidity.mint", "liquiditymint": "liquidity.mint", "addliquidity": "liquidity.mint",
    "increaseliquidity": "liquidity.mint", "liquidityadded": "liquidity.mint",
    "burn": "liquidity.burn", "liquidityburn": "liquidity.burn", "removeliquidity": "liquidity.burn",
    "decreaseliquidity": "liquidity.burn", "liquidityremoved": "liquidity.burn",
    "flashloan": "flash_loan", "orphaned": "block.orphaned", "blockorphaned": "block.orphaned",
}  # fmt: skip
_CHAINS = {
    "ethereum": 1, "mainnet": 1, "eth": 1, "optimism": 10, "bsc": 56, "bnb": 56, "gnosis": 100, "polygon": 137,
    "base": 8453, "arbitrum": 42161, "avalanche": 43114, "sepolia": 11155111,
}  # fmt: skip
_INSIDE = ("args", "returnValues", "decoded")  #: where libraries put the arguments of a log
_WHOLE = re.compile(r"(?P<sign>-?)(?:0[xX](?P<hex>[0-9a-fA-F]{1,64})|(?P<digits>[0-9]{1,80})(?:\.0{1,40})?)", re.ASCII)
_PLACES = re.compile(r"\[?\s*(?:[0-9]{1,9}(?:\s*[.,]\s*[0-9]{1,9}){0,63})?\s*\]?", re.ASCII)
_MOST_PLACES, _LONGEST = 64, 200
_SMALL_LIMIT = 1 << 63


def dex(raw: bytes) -> dict[str, Any]:
    """The envelope of one row. Raises ValueError for what is no JSON object, has no kind, or cannot be read."""
    return dex_envelope(decode_full(raw))


def dex_envelope(row: dict[str, Any]) -> dict[str, Any]:
    """The same, of a decoded row, which stays as it is."""
    inner: dict[str, Any] = next((row[name] for name in _INSIDE if isinstance(row.get(name), dict)), {})
    kind = _first(row, _KINDS)
    if not isinstance(kind, str) or not kind.strip() or len(kind) > _LONGEST:
        raise ValueError("not a row of an exchange: no name of an event under any of " + ", ".join(_KINDS))
    known = _TYPES.get(re.sub(r"[^a-z]", "", kind.lower()), kind)
    if row.get("removed") is True:  # a log that a reorganisation took back: nothing of what it says has happened
        known = "log.removed"
    envelope = {**row, "type": known}
    for name, spellings in _NAMES.items():
        value = _first(row, spellings)
        if value is None:
            value = _first(inner, spellings)
        if value is None:
            continue
        try:
            envelope[name] = _READ[name](value) if name in _READ else _address(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if known == "swap":
        _two_sides(envelope, inner)
        if "recipient" not in envelope and "to" in inner:
            envelope["recipient"] = _address(inner["to"])
    moment = _first(row, _TIMES)
    if moment is not None:
        envelope["event_time"] = _time(moment)
    if (places := _first(row, ("trace_address", "traceAddress"))) is not None:
        envelope["trace_address"] = _trace(places)
    if not isinstance(row.get("outcome"), str):
        envelope["outcome"] = "failure" if _failed(row) else "success"
    _identify(envelope)
    return envelope


def _first(row: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _whole(value: Any) -> int:
    """An integer: JSON's, decimal text with nothing behind the point, or hexadecimal."""
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer() and abs(value) < 2**53:
        return int(value)
    match = _WHOLE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{_shown(value)} is not a whole number")
    number = int(match["hex"], 16) if match["hex"] else int(match["digits"])
    return -number if match["sign"] else number


def _small(value: Any) -> int:
    number = _whole(value)
    if not 0 <= number < _SMALL_LIMIT:
        raise ValueError(f"{_shown(value)} is out of range")
    return number


def _amount(value: Any) -> str:
    return str(_whole(value))


def _chain(value: Any) -> int | str:
    if isinstance(value, str) and not value[:1].isdigit():
        return _CHAINS.get(value.strip().lower(), _text(value))
    return _small(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST:
        raise ValueError(f"{_shown(value)} is not a name")
    return value.strip()


def _address(value: Any) -> str:
    """An address, a hash, or another name; hexadecimal ones differ in case only by their checksum."""
    text = _text(value)
    return text.lower() if text[:2] in ("0x", "0X") else text


def _trace(value: Any) -> list[int]:
    """``[0, 1]``, ``"0.1"`` and ``"[0, 1]"`` are one place."""
    if isinstance(value, str) and len(value) <= 1_000 and _PLACES.fullmatch(value):
        value = [int(part) for part in re.findall(r"[0-9]+", value)]
    if not isinstance(value, list) or len(value) > _MOST_PLACES or any(type(part) is not int for part in value):
        raise ValueError(f"trace_address: {_shown(value)} is no list of at most {_MOST_PLACES} integers")
    return value


def _time(value: Any) -> int:
    """Seconds, milli-, micro- or nanoseconds by their size, decimal or hexadecimal text, or RFC 3339; as ms."""
    try:
        if isinstance(value, str) and "-" in value[1:]:
            return rfc3339(value)
        if type(value) is float and 0 <= value < 1e11:
            return int(value * 1_000)
        number = _whole(value)
    except ValueError as error:
        raise ValueError(f"event_time: {error}") from None
    for limit, multiply, divide in ((10**11, 1_000, 1), (10**14, 1, 1), (10**17, 1, 1_000), (10**20, 1, 1_000_000)):
        if 0 <= number < limit:
            ms = number * multiply // divide
            if ms <= LAST_MS:
                return ms
    raise ValueError(f"event_time: {_shown(value)} is not between the years 1970 and 9999")


def _two_sides(envelope: dict[str, Any], inner: dict[str, Any]) -> None:
    """What went in and came out, where a log says only amounts of the pool's two tokens: signed, as seen by the pool
    (``amount0``), or in and out apart (``amount0In``). Whoever says it outright is believed."""
    if "amount_in" in envelope or "amount_out" in envelope:
        return
    signed: list[int] = []
    for token in "01":
        said = _first(inner, (f"amount{token}",)) or _first(envelope, (f"amount{token}",))
        came = _first(inner, (f"amount{token}In",)) or _first(envelope, (f"amount{token}In", f"amount{token}_in"))
        went = _first(inner, (f"amount{token}Out",)) or _first(envelope, (f"amount{token}Out", f"amount{token}_out"))
        if said is None and came is None and went is None:
            return
        signed.append(_whole(said) if said is not None else _whole(came or 0) - _whole(went or 0))
    if signed[0] * signed[1] >= 0:
        return  # nothing against nothing, or both on one side: no exchange of one for the other
    into = 0 if signed[0] > 0 else 1
    envelope["amount_in"], envelope["amount_out"] = str(signed[into]), str(-signed[1 - into])
    for name, side in (("token_in", into), ("token_out", 1 - into)):
        if name not in envelope:
            envelope[name] = envelope.get(f"token{side}", f"token{side}")


def _failed(row: dict[str, Any]) -> bool:
    status = row.get("status", row.get("receipt_status"))
    refused = status is False or (type(status) is int and status == 0) or status in ("0x0", "0", "failed", "reverted")
    return refused or row.get("reverted") is True or bool(row.get("error"))


def _identify(envelope: dict[str, Any]) -> None:
    """An id where there is none: a log has one place in one transaction of one version of a block."""
    if isinstance(envelope.get("event_id"), (str, int)) or "tx_hash" not in envelope:
        return
    place = envelope.get("log_index", envelope.get("trace_address"))
    if place is not None:
        said = ".".join(map(str, place)) if isinstance(place, list) else place
        version = str(envelope.get("block_hash", ""))[-16:]
        envelope["event_id"] = f"{envelope['tx_hash']}:{said}" + (f":{version}" if version else "")


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, (str, float, bool, int)) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


_READ: dict[str, Callable[[Any], Any]] = {
    "chain_id": _chain, "block": _small, "tx_index": _small, "log_index": _small,
    "amount_in": _amount, "amount_out": _amount, "amount": _amount, "liquidity": _amount,
}  # fmt: skip
