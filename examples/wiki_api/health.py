"""What a load balancer and an orchestrator ask."""

import asyncio
from http import HTTPStatus

from fastapi import APIRouter, HTTPException

from examples.wiki_api.dependencies import Store
from wikibot_store import WikibotStoreError

router = APIRouter()
_SECONDS = 2


@router.get("/healthz")
async def is_alive() -> dict[str, str]:
    """Answer, which is all: a process must not be restarted because its database is slow."""
    return {"status": "ok"}


@router.get("/readyz")
async def is_ready(store: Store) -> dict[str, str]:
    """Tell whether requests are worth sending here: one read of half a request unit, that must be quick."""
    try:
        async with asyncio.timeout(_SECONDS):
            await store.users.get("readyz")
    except (WikibotStoreError, TimeoutError) as error:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "The store does not answer.") from error
    return {"status": "ready"}
