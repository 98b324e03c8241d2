"""What the project is about: clubs that share a wiki."""

from collections.abc import Iterable

from aiobotocore.session import AioSession

from wikibot_store import StoreConfig, User, Wiki, WikibotStore


async def invite(store: WikibotStore, wiki: Wiki, people: Iterable[User]) -> list[str]:
    """Let people edit the club's wiki; return the ids of all its members."""
    for person in people:
        await store.acls.create(wiki.key, person.id, "editor", granted_by=wiki.owner_id)
    members = await store.acls.list_members(wiki.key)
    return [acl.grantee_id for acl, _ in members]


async def found(config: StoreConfig, session: AioSession, founder: str) -> str:
    """Found a club as a program of its own: with a store that it opens and closes."""
    async with WikibotStore.open(config, session=session) as store:
        user, _ = await store.users.get_or_create_by_oauth("github", founder, username=founder)
        wiki = await store.wikis.create(user.id, "club", display_name="Club", repo_path="/srv/club")
        return wiki.key.wiki_id
