"""Public contracts through which everybody trades: sharing one of them makes two strangers nobody's accomplices.

Addresses as published by their projects, Ethereum and the chains that share its deployments.
"""

from __future__ import annotations

from typing import Final

ROUTERS: Final = frozenset({
    "0x0000000000000000000000000000000000000000",
    "0xf164fc0ec4e93095b804a4795bbe1e041497b92a",  # Uniswap v2 router 1
    "0x7a250d5630b4cf539739df2c5dacb4c659f2488d",  # Uniswap v2 router 2
    "0xe592427a0aece92de3edee1f18e0157c05861564",  # Uniswap v3 router
    "0x68b3465833fb72a70ecdf485e0e4c7bd8665fc45",  # Uniswap v3 router 2
    "0xef1c6e67703c7bd7107eed8303fbe6ec2554bf6b",  # Uniswap universal router
    "0x3fc91a3afd70395cd496c647d5a6cc9d4b2b7fad",  # Uniswap universal router 1.2
    "0x66a9893cc07d91d95644aedd05d03f95e1dba8af",  # Uniswap universal router 2
    "0xc36442b4a4522e871399cd717abdd847ab11fe88",  # Uniswap v3 positions
    "0xd9e1ce17f2641f24ae83637ab66a2cca9c378b9f",  # SushiSwap router
    "0x11111112542d85b3ef69ae05771c2dccff4faa26",  # 1inch 3
    "0x1111111254fb6c44bac0bed2854e76f90643097d",  # 1inch 4
    "0x1111111254eeb25477b68fb85ed929f73a960582",  # 1inch 5
    "0xdef1c0ded9bec7f1a1670819833240f027b25eff",  # 0x exchange proxy
    "0xdef171fe48cf0115b1d80b88dc8eab59176fee57",  # ParaSwap 5
    "0xba12222222228d8ba445958a75a0704d566bf2c8",  # Balancer vault
    "0x881d40237659c251811cec9c364ef91dc08d300c",  # MetaMask swap router
    "0x9008d19f58aabd9ed0d60971565aa8510560ab41",  # CoW settlement
    "0x10ed43c718714eb63d5aa57b78b54704e256024e",  # PancakeSwap router 2
})  # fmt: skip
