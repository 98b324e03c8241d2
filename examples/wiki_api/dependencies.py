"""Dependencies of the handlers."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import Depends, Header, Query, Request, Response

from examples.wiki_api.access import access_for, wiki_for
from examples.wiki_api.headers import next_link
from examples.wiki_api.live import Live
from examples.wiki_api.login import current_user
from wikibot_store import Access, Role, User, Wiki, WikibotStore


async def _store(request: Request) -> WikibotStore:
    store: WikibotStore = request.state.store
    return store


async def _live(request: Request) -> Live:
    live: Live = request.state.live
    return live


Store = Annotated[WikibotStore, Depends(_store)]
Events = Annotated[Live, Depends(_live)]
CurrentUser = Annotated[User, Depends(current_user)]


def _wiki_as(role: Role) -> Callable[..., Awaitable[Wiki]]:
    """Return a dependency that gives the wiki of the path to users who have at least `role` in it."""

    async def wiki_as(owner_id: str, wiki_slug: str, user: CurrentUser, store: Store) -> Wiki:
        return await wiki_for(store, user, owner_id, wiki_slug, role)

    return wiki_as


WikiToRead = Annotated[Wiki, Depends(_wiki_as(Role.VIEWER))]
WikiToEdit = Annotated[Wiki, Depends(_wiki_as(Role.EDITOR))]
WikiToOwn = Annotated[Wiki, Depends(_wiki_as(Role.OWNER))]


async def _my_access(owner_id: str, wiki_slug: str, user: CurrentUser, store: Store) -> tuple[Access, Wiki]:
    return await access_for(store, user, owner_id, wiki_slug, Role.VIEWER)


MyAccess = Annotated[tuple[Access, Wiki], Depends(_my_access)]
Search = Annotated[str | None, Query(min_length=1, max_length=200)]

IfMatch = Annotated[str | None, Header()]
IfNoneMatch = Annotated[Literal["*"] | None, Header()]


class Paging:
    """The requested page of a listing; `link` adds a link to the next page to the answer."""

    def __init__(
        self,
        *,
        request: Request,
        response: Response,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        cursor: str | None = None,
    ) -> None:
        self.limit = limit
        self.cursor = cursor
        self._request = request
        self._response = response

    def link(self, cursor: str | None) -> None:
        """Add the Link header, unless `cursor` is None because this is the last page."""
        if cursor is not None:
            self._response.headers["Link"] = next_link(self._request.url, cursor)


PageAsked = Annotated[Paging, Depends()]
