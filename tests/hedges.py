"""Makes a store know when reads are late, or send each of them twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from wikibot_store import WikibotStore
from wikibot_store._wire._hedging import Hedges, Quantile

LATE_AFTER = 0.05


def prime(store: WikibotStore, seconds: float = LATE_AFTER) -> None:
    """Let the store know how long reads take, as if it had read two hundred times."""
    hedges = store._wire._hedges
    assert hedges is not None
    for operation in ("GetItem", "Query", "BatchGetItem"):
        for _ in range(200):
            hedges.answered(operation, seconds)


@contextmanager
def every_read_hedged() -> Iterator[None]:
    """Let stores with `hedge_reads` send the first attempt of every read twice, whatever came before."""
    with patch.object(Quantile, "value", 0.0), patch.object(Hedges, "take", return_value=True):
        yield
