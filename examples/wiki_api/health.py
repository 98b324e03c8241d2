"""Health checks for a load balancer and an orchestrator."""

import asyncio
from http import HTTPStatus

from fastapi import APIRouter, HTTPException

from examples.wiki_api.dependencies import Store
from wikibot_store import WikibotStoreError

router = APIRouter()
_SECONDS = 2


@router.get("/healthz")
async def is_alive() -> dict[str, str]:
    """Report that the process runs. It does not check the store: a slow database is no reason for a restart."""
    return {"status": "ok"}


@router.get("/readyz")
async def is_ready(store: Store) -> dict[str, str]:
    """Report whether this process can serve requests, by one quick read of half a request unit."""
    try:
        async with asyncio.timeout(_SECONDS):
            await store.users.get("readyz")
    except (WikibotStoreError, TimeoutError) as error:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "The store does not answer.") from error
    return {"status": "ready"}
