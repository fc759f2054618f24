"""The settings of the soak: the benchmark's rule, which enters and leaves all day, under its loose limits."""

import msgspec

from config.schema import Settings
from tests.benchmarks import made_market


def settings() -> Settings:
    """A few entries a minute at 500 symbols, each closed when the price is back at its mean."""
    plain = made_market.settings(-2.6)
    account = msgspec.structs.replace(plain.account, max_positions=1_000)
    requests = msgspec.structs.replace(plain.requests, per_minute=10_000)
    data = msgspec.structs.replace(plain.data, stream_symbols=0)
    (rule,) = plain.strategies
    rule = msgspec.structs.replace(rule, max_positions=1_000)
    return msgspec.structs.replace(plain, account=account, data=data, requests=requests, strategies=(rule,))
