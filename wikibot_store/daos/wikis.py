"""Access patterns of the wikis table."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from msgspec import UNSET, UnsetType

from wikibot_store._checks import check_limit, check_time
from wikibot_store._expressions import Condition, Update, absent_or, equals
from wikibot_store._items import time
from wikibot_store._listing import Listing
from wikibot_store._table import ConditionFailedError
from wikibot_store._tables import Tables, is_live
from wikibot_store.errors import NotFoundError
from wikibot_store.keys import WikiKey, check_id, check_prefix, check_slug
from wikibot_store.models import Page, Wiki

# When the usage figures were taken; the model does not show it.
_MEASURED_AT = "usage_measured_at"
_LONGEST_INTERVAL = 366 * 86_400
_MAX_FIGURE = 2**63 - 1


class WikiDao:
    """Wikis, found by owner and slug."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.wikis
        self._states = tables.moves

    async def create(
        self,
        owner_id: str,
        wiki_slug: str,
        *,
        display_name: str,
        repo_path: str,
        mcp_token_hash: str | None = None,
        is_public: bool = False,
    ) -> Wiki:
        """Create a wiki; a duplicate is refused. The owner's `wiki_count` is left alone.

        Requests: PutItem on condition that the key is free.

        Raises:
            AlreadyExistsError: The owner has a wiki of this slug.
            InvalidKeyError: `owner_id` or `wiki_slug` breaks its rule.

        """
        return await self._table.insert(
            new_wiki(
                WikiKey(owner_id, wiki_slug),
                display_name=display_name,
                repo_path=repo_path,
                mcp_token_hash=mcp_token_hash,
                is_public=is_public,
            )
        )

    async def get(self, owner_id: str, wiki_slug: str, *, consistent: bool = False) -> Wiki | None:
        """Return the wiki, or None.

        Requests: GetItem.
        """
        return await self._table.get(*_key(owner_id, wiki_slug), consistent=consistent)

    async def require(self, owner_id: str, wiki_slug: str, *, consistent: bool = False) -> Wiki:
        """Return the wiki.

        Requests: GetItem.

        Raises:
            NotFoundError: There is no such wiki.

        """
        wiki = await self.get(owner_id, wiki_slug, consistent=consistent)
        if wiki is None:
            raise NotFoundError(self._table.name, self._table.key((owner_id, wiki_slug)))
        return wiki

    async def get_many(self, keys: Iterable[WikiKey]) -> dict[WikiKey, Wiki]:
        """Return those of the wikis that exist, by key.

        Requests: one BatchGetItem per 100 keys, all at once.
        """
        found = await self._table.get_many((key.owner_id, key.wiki_slug) for key in keys)
        return {WikiKey(*key): wiki for key, wiki in found.items()}

    async def list_by_owner(
        self,
        owner_id: str,
        *,
        limit: int = 50,
        cursor: str | None = None,
        prefix: str | None = None,
        descending: bool = False,
        consistent: bool = False,
    ) -> Page[Wiki]:
        """Return a page of an owner's wikis in the order of slugs, only those starting with `prefix` if it is given.

        Requests: one Query; more where a page exceeds 1 MB.

        Raises:
            InvalidCursorError: The cursor is not of this listing: owner, prefix and direction must be the same.

        """
        listing = _by_owner(owner_id, prefix, descending=descending)
        return await self._table.page(listing, limit=limit, cursor=cursor, consistent=consistent)

    def iter_by_owner(
        self, owner_id: str, *, prefix: str | None = None, page_size: int = 500
    ) -> AsyncGenerator[Wiki, None]:
        """Iterate over an owner's wikis in the order of slugs.

        Requests: one Query per `page_size` items, each when the consumer gets there.
        """
        listing = _by_owner(owner_id, prefix, descending=False)
        return self._table.stream(listing, page_size=check_limit("page_size", page_size))

    async def list_public_by_owner(self, owner_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[Wiki]:
        """Return a page of an owner's public wikis in the order of slugs, only live ones: what a profile shows.

        Requests: one Query; more where few are public. What the filter leaves out is read, and paid for, too.

        Raises:
            InvalidCursorError: The cursor is not of this listing.

        """
        public = equals("is_public", self._table.codec.value("is_public", True))
        every = _by_owner(owner_id, None, descending=False)
        listing = replace(every, name="wikis.public_by_owner", where=public & is_live())
        return await self._table.page(listing, limit=limit, cursor=cursor)

    async def update(
        self,
        owner_id: str,
        wiki_slug: str,
        *,
        expected_version: int | None = None,
        uid: str | None = None,
        display_name: str | UnsetType = UNSET,
        repo_path: str | UnsetType = UNSET,
        mcp_token_hash: str | UnsetType | None = UNSET,
        is_public: bool | UnsetType = UNSET,
    ) -> Wiki:
        """Change attributes; None removes one, leaving one out keeps it. The version grows by one.

        A wiki that is made again under the slug of a deleted one begins with version 1: `uid` tells the two apart.

        Requests: UpdateItem on condition of the version; without `expected_version` a consistent GetItem before it.

        Raises:
            NotFoundError: There is no such wiki, or only another one than that of `uid`.
            ConflictError: The wiki has another version than expected; `current` is it.
            NotActiveError: The wiki is being deleted, or has moved to another key.
            TypeError: Nothing is to be changed, or a value is of another type.
            WriteOutcomeUnknownError: An answer was lost, and others have written since.

        """
        changes = {
            "display_name": display_name,
            "repo_path": repo_path,
            "mcp_token_hash": mcp_token_hash,
            "is_public": is_public,
        }
        key = _key(owner_id, wiki_slug)
        return await self._table.update(key, changes, expected_version=expected_version, identity=uid)

    async def touch(self, owner_id: str, wiki_slug: str, *, min_interval: float = 300) -> bool:
        """Note that the wiki was accessed, at most once in `min_interval` seconds; return whether it was noted.

        False also where an answer was lost and a later touch has come since: the item then holds the later access,
        whether or not it held this one before.

        Requests: UpdateItem on condition that the wiki exists and was not accessed lately. The version stays.
        """
        if not 0 <= min_interval <= _LONGEST_INTERVAL:
            raise ValueError(f"min_interval must be 0 to {_LONGEST_INTERVAL} seconds")
        now = datetime.now(UTC)
        update = Update(set={"last_accessed": time(now)})
        # `<` and not `<=`: with an interval of 0 time must still move forward.
        lately = absent_or("last_accessed", "<", time(now - timedelta(seconds=min_interval)))
        return await self._note(_key(owner_id, wiki_slug), update, lately)

    async def record_usage(
        self,
        owner_id: str,
        wiki_slug: str,
        *,
        uid: str,
        page_count: int,
        disk_usage_bytes: int,
        measured_at: datetime,
    ) -> bool:
        """Record usage figures of the incarnation `uid`; return False if newer ones, or another wiki, are there.

        Requests: UpdateItem on condition of `uid` and of `measured_at` being newer. The version stays.

        Raises:
            TypeError, ValueError: A figure is no whole number from 0 up, or `measured_at` is naive.

        """
        figures = {"page_count": page_count, "disk_usage_bytes": disk_usage_bytes}
        values = {name: self._table.codec.value(name, figure) for name, figure in figures.items()}
        for name, figure in figures.items():
            if not 0 <= figure <= _MAX_FIGURE:
                raise ValueError(f"{name} must be 0 to {_MAX_FIGURE}")
        measured = time(check_time("measured_at", measured_at))
        newer = equals("uid", self._table.codec.value("uid", uid)) & absent_or(_MEASURED_AT, "<", measured)
        return await self._note(_key(owner_id, wiki_slug), Update(set={**values, _MEASURED_AT: measured}), newer)

    async def _note(self, key: tuple[str, str], update: Update, condition: Condition) -> bool:
        """Apply a background writer's update if its condition holds; it makes no item, nor minds a corrupt one."""
        try:
            await self._states.patch(key, update, condition & is_live())
        except ConditionFailedError as failed:
            # After a lost answer: the value that only this write had is there, whoever has written since.
            return failed.maybe_applied and failed.item is not None and update.set.items() <= failed.item.items()
        return True

    async def delete(self, owner_id: str, wiki_slug: str) -> bool:
        """Delete this one item, no grant and no count; return whether there was one.

        Requests: GetItem (consistent), then DeleteItem if there is something to delete.
        """
        return await self._table.delete(*_key(owner_id, wiki_slug))


def new_wiki(key: WikiKey, *, display_name: str, repo_path: str, mcp_token_hash: str | None, is_public: bool) -> Wiki:
    """Return a wiki that is not stored yet, with an incarnation of its own."""
    now = datetime.now(UTC)
    return Wiki(
        owner_id=key.owner_id,
        wiki_slug=key.wiki_slug,
        uid=uuid4().hex,
        display_name=display_name,
        repo_path=repo_path,
        mcp_token_hash=mcp_token_hash,
        is_public=is_public,
        created_at=now,
        updated_at=now,
    )


def _key(owner_id: str, wiki_slug: str) -> tuple[str, str]:
    key = WikiKey(owner_id, wiki_slug)
    return key.owner_id, key.wiki_slug


def _by_owner(owner_id: str, prefix: str | None, *, descending: bool) -> Listing:
    return Listing(
        name="wikis.by_owner",
        partition=("owner_id", check_id("owner_id", owner_id)),
        sort_key="wiki_slug",
        check=lambda slug: check_slug("wiki_slug", slug),
        prefix=None if prefix is None else check_prefix("prefix", prefix),
        descending=descending,
    )
