"""Who may do what in a wiki, as an HTTP answer."""

from http import HTTPStatus

from starlette.exceptions import HTTPException

from wikibot_store import Role, User, Wiki, WikibotStore


async def wiki_for(store: WikibotStore, user: User, owner_id: str, wiki_slug: str, role: Role) -> Wiki:
    """Return the wiki, if the user is at least `role` in it.

    To everybody who has no role in it, a wiki that exists and one that does not look the same.

    Raises:
        HTTPException: 404, there is no wiki for this user; 403, its role allows less.

    """
    access = await store.authorize(user.id, owner_id, wiki_slug)
    if access.wiki is None or access.role is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such wiki.")
    if not access.allows(role):
        raise HTTPException(HTTPStatus.FORBIDDEN, f"As {access.role} of this wiki you may not do that.")
    return access.wiki
