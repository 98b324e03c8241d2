"""Makes a store know when reads are late."""

from wikibot_store import WikibotStore

LATE_AFTER = 0.05


def prime(store: WikibotStore, seconds: float = LATE_AFTER) -> None:
    """Let the store know how long reads take, as if it had read two hundred times."""
    hedges = store._wire._hedges
    assert hedges is not None
    for operation in ("GetItem", "Query", "BatchGetItem"):
        for _ in range(200):
            hedges.answered(operation, seconds)
