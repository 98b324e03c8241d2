"""Access to a wiki, as an HTTP answer."""

from http import HTTPStatus

from starlette.exceptions import HTTPException

from wikibot_store import Access, Role, User, Wiki, WikibotStore


async def wiki_for(store: WikibotStore, user: User, owner_id: str, wiki_slug: str, role: Role) -> Wiki:
    """Return the wiki if the user has at least `role` in it; `access_for` says how it refuses."""
    return (await access_for(store, user, owner_id, wiki_slug, role))[1]


async def access_for(store: WikibotStore, user: User, owner_id: str, wiki_slug: str, role: Role) -> tuple[Access, Wiki]:
    """Return the user's access and the wiki if the user has at least `role` in it.

    For a user without a role, an existing wiki and a missing one give the same answer.

    Raises:
        HTTPException: 404, the wiki is missing or the user has no role in it; 403, the user's role allows less.

    """
    access = await store.authorize(user.id, owner_id, wiki_slug)
    if access.wiki is None or access.role is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "Wiki not found.")
    if not access.allows(role):
        raise HTTPException(HTTPStatus.FORBIDDEN, f"This requires more than the role {access.role}.")
    return access, access.wiki
