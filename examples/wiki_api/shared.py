"""What is shared with a user."""

from wikibot_store import Acl, Page, Wiki, WikibotStore, WikiKey, WikiStatus


async def list_shared_with(
    store: WikibotStore, user_id: str, *, limit: int = 50, cursor: str | None = None
) -> Page[tuple[Acl, Wiki | None]]:
    """Return a page of the user's grants, each with its wiki; None where it is gone or another one has its slug.

    Requests: Query of the index by-grantee, then BatchGetItem per 100 wikis.
    """
    grants = await store.acls.list_by_grantee(user_id, limit=limit, cursor=cursor)
    wikis = await store.wikis.get_many(WikiKey.parse(grant.wiki_id) for grant in grants)
    return Page([(grant, _opened_by(grant, wikis)) for grant in grants], grants.cursor)


def _opened_by(grant: Acl, wikis: dict[WikiKey, Wiki]) -> Wiki | None:
    wiki = wikis.get(WikiKey.parse(grant.wiki_id))
    opens = wiki is not None and wiki.status == WikiStatus.ACTIVE and grant.wiki_uid in (None, wiki.uid)
    return wiki if opens else None
