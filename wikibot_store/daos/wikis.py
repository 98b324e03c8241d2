"""The DAO of the wikis table."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from msgspec import UNSET, UnsetType

from wikibot_store._dynamo.checks import (
    check_integer,
    check_limit,
    check_number,
    check_several,
    check_switch,
    check_time,
    utc_now,
)
from wikibot_store._dynamo.expressions import Condition, Update, absent_or_before, equals
from wikibot_store._dynamo.items import Item, is_foreign, time
from wikibot_store._dynamo.listing import Listing, Page
from wikibot_store._dynamo.table import ConditionFailedError
from wikibot_store.errors import NotFoundError
from wikibot_store.keys import WikiKey, check_id, check_prefix, check_slug
from wikibot_store.models import UserStatus, Wiki
from wikibot_store.tokens import check_token_hash, hash_token, new_token
from wikibot_store.workflows import lifecycle, moves, people
from wikibot_store.workflows.tables import Tables, is_live

# The attribute with the time of the usage figures. The model does not have it.
_MEASURED_AT = "usage_measured_at"
_LONGEST_INTERVAL = 366 * 86_400
_MAX_FIGURE = 2**63 - 1
_SEVERAL_KEYS = "[WikiKey('ada', 'notes')]"


class WikiDao:
    """Creates, finds, changes, renames, transfers and deletes wikis.

    The key of a wiki is its owner's id and its slug. Its `uid` is its incarnation: a wiki that is created later under
    the same key has another `uid`.

    Reads are eventually consistent: they may miss a write of the last second. With `consistent=True`, where a method
    has it, they see every write that has finished. A page holds exactly `limit` items, or all that are left. Pass its
    `cursor` to get the next page; `cursor` is None on the last page.

    Every method may also raise these errors:
        InvalidKeyError: An id or slug breaks its rule; nothing was sent.
        ThrottledError: DynamoDB throttled every attempt of a request; that request wrote nothing.
        UnavailableError: A request got no usable answer within the deadline; that request wrote nothing.
        WriteOutcomeUnknownError: A write was sent, and the store cannot tell whether it took effect.
        CorruptItemError: A stored item does not decode; the message names its key. A page has these errors in
            `corrupt`, and an iteration logs them.
        RequestFailedError: DynamoDB refused the request, such as for a missing permission or table.
        ConfigurationError: The credentials cannot be renewed.
        TypeError, ValueError: An argument has the wrong type, or is text that cannot be stored.
        RuntimeError: The store is closed.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._wikis = tables.wikis

    async def create(
        self,
        owner_id: str,
        wiki_slug: str,
        *,
        display_name: str,
        repo_path: str,
        mcp_token_hash: str | None = None,
        is_public: bool = False,
        limit: int | UnsetType | None = UNSET,
    ) -> Wiki:
        """Create a wiki and add it to its owner's `wiki_count`; return the wiki.

        The owner never gets more than `limit` wikis, even if several calls run at the same time. Without `limit` the
        setting `wiki_limit` applies; None means no limit. `mcp_token_hash` is a result of `hash_token`.

        Requests: TransactWriteItems of the user and the wiki; while a wiki with this slug is being deleted, also those
        that finish the deletion.

        Raises:
            NotFoundError: There is no such owner.
            NotActiveError: The owner is suspended or being deleted.
            QuotaExceededError: The owner already has `limit` wikis.
            AlreadyExistsError: The owner already has a wiki with this slug.
            ValueError: `mcp_token_hash` is not a SHA-256 in hexadecimal, or `limit` is negative.

        """
        key = WikiKey(owner_id, wiki_slug)
        now = utc_now()
        wiki = Wiki(
            owner_id=key.owner_id,
            wiki_slug=key.wiki_slug,
            uid=token_hex(16),
            display_name=display_name,
            repo_path=repo_path,
            mcp_token_hash=None if mcp_token_hash is None else check_token_hash("mcp_token_hash", mcp_token_hash),
            is_public=is_public,
            created_at=now,
            updated_at=now,
        )
        quota = self._quota(limit)
        return await people.counting(self._tables, lambda: lifecycle.create_wiki(self._tables, wiki, limit=quota))

    async def get(self, owner_id: str, wiki_slug: str, *, consistent: bool = False) -> Wiki | None:
        """Return the wiki, or None.

        Requests: GetItem.
        """
        return await self._wikis.get(*_key(owner_id, wiki_slug), consistent=consistent)

    async def require(self, owner_id: str, wiki_slug: str, *, consistent: bool = False) -> Wiki:
        """Return the wiki.

        Requests: GetItem.

        Raises:
            NotFoundError: There is no such wiki.

        """
        wiki = await self.get(owner_id, wiki_slug, consistent=consistent)
        if wiki is None:
            raise NotFoundError(*self._wikis.where((owner_id, wiki_slug)))
        return wiki

    async def get_many(self, keys: Iterable[WikiKey]) -> dict[WikiKey, Wiki]:
        """Return the wikis that exist, by key.

        Requests: one BatchGetItem per 100 keys, all at once.

        Raises:
            TypeError: `keys` cannot be iterated over, or one of them is not a WikiKey.

        """
        found = await self._wikis.get_many(map(_key_values, check_several("keys", keys, _SEVERAL_KEYS)))
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
        """Return a page of an owner's wikis, ordered by slug; with `prefix`, only slugs that start with it.

        Requests: one Query; more if the page exceeds 1 MB.

        Raises:
            InvalidCursorError: The cursor belongs to another listing. Owner, prefix and direction must stay the same.
            ValueError: `limit` is not 1 to 10,000.

        """
        listing = _by_owner(owner_id, prefix, descending=descending)
        return await self._wikis.page(listing, limit=limit, cursor=cursor, consistent=consistent)

    def iter_by_owner(
        self, owner_id: str, *, prefix: str | None = None, page_size: int = 500
    ) -> AsyncGenerator[Wiki, None]:
        """Iterate over an owner's wikis, ordered by slug; with `prefix`, only slugs that start with it.

        Requests: one Query per `page_size` wikis, sent when the consumer needs it.

        Raises:
            ValueError: `page_size` is not 1 to 10,000.

        """
        listing = _by_owner(owner_id, prefix, descending=False)
        return self._wikis.stream(listing, page_size=check_limit("page_size", page_size))

    async def list_public_by_owner(self, owner_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[Wiki]:
        """Return a page of an owner's live public wikis, ordered by slug, for example for a profile page.

        The page is empty if the owner is not an active user. DynamoDB also reads, and charges for, the private wikis.

        Requests: one Query; more if few wikis are public. GetItem of the owner if there are any.

        Raises:
            InvalidCursorError: The cursor belongs to another listing.
            ValueError: `limit` is not 1 to 10,000.

        """
        public = equals("is_public", self._wikis.codec.value("is_public", True))
        every = _by_owner(owner_id, None, descending=False)
        listing = replace(every, name="wikis.public_by_owner", where=public & is_live())
        page = await self._wikis.page(listing, limit=limit, cursor=cursor)
        owner = await self._tables.users.get(owner_id) if page.items else None
        return page if owner is not None and owner.status is UserStatus.ACTIVE else Page([], None, page.corrupt)

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
        """Change attributes of a wiki; return the wiki. None removes an attribute; an attribute not given stays.

        The version grows by one. With `expected_version` the update is refused if another writer has changed the
        wiki; without, it is retried while other writers win. With `uid` it is refused if the wiki was deleted and
        created again under the same slug. The version does not show this: a new wiki starts at version 1.

        Requests: UpdateItem; without `expected_version` a consistent GetItem before it.

        Raises:
            NotFoundError: There is no such wiki, or it has another `uid`.
            ConflictError: The wiki has another version than expected; `current` is the wiki as stored.
            NotActiveError: The wiki is being deleted, or has moved to another key.
            TypeError: There is nothing to change, or a value has the wrong type.
            ValueError: `mcp_token_hash` is not a SHA-256 in hexadecimal.

        """
        if mcp_token_hash is not None and not isinstance(mcp_token_hash, UnsetType):
            check_token_hash("mcp_token_hash", mcp_token_hash)
        changes: dict[str, Any] = {
            "display_name": display_name,
            "repo_path": repo_path,
            "mcp_token_hash": mcp_token_hash,
            "is_public": is_public,
        }
        key = _key(owner_id, wiki_slug)
        return await self._wikis.update(key, changes, expected_version=expected_version, identity=uid)

    async def set_mcp_token(self, owner_id: str, wiki_slug: str) -> tuple[Wiki, str]:
        """Make a new MCP token for a wiki and store its hash; return the wiki and the token.

        The token is not stored, so it cannot be shown again. The previous token becomes invalid.
        `update(…, mcp_token_hash=None)` revokes the token. `store.authorize_token` checks a token.

        Requests: GetItem (consistent), UpdateItem.

        Raises:
            NotFoundError: There is no such wiki.
            NotActiveError: The wiki is being deleted, or has moved to another key.

        """
        token = new_token()
        return await self.update(owner_id, wiki_slug, mcp_token_hash=hash_token(token)), token

    async def touch(self, owner_id: str, wiki_slug: str, *, min_interval: float = 300) -> bool:
        """Set `last_accessed` to now, at most once in `min_interval` seconds; return whether it was set.

        It returns False if the last touch is within the interval, or if there is no live wiki. It may also return False
        if the answer was lost and another touch came after this one; the later time is then stored.

        Requests: UpdateItem. The version stays the same.

        Raises:
            ValueError: `min_interval` is negative or more than a year.

        """
        if not 0 <= check_number("min_interval", min_interval) <= _LONGEST_INTERVAL:
            raise ValueError(f"min_interval must be 0 to {_LONGEST_INTERVAL} seconds")
        now = utc_now()
        update = Update(set={"last_accessed": time(now)})
        before = now - timedelta(seconds=min_interval)
        return await self._note(_key(owner_id, wiki_slug), update, is_live(), "last_accessed", before=before)

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
        """Store the usage figures of a wiki; return whether they were stored.

        They are not stored if newer figures are there, or if there is no live wiki with this `uid`.

        Requests: UpdateItem. The version stays the same.

        Raises:
            TypeError, ValueError: A figure is not an integer of at least 0, or `measured_at` has no time zone.

        """
        figures = {"page_count": page_count, "disk_usage_bytes": disk_usage_bytes}
        values = {name: self._wikis.codec.value(name, figure) for name, figure in figures.items()}
        for name, figure in figures.items():
            if not 0 <= figure <= _MAX_FIGURE:
                raise ValueError(f"{name} must be 0 to {_MAX_FIGURE}")
        measured = check_time("measured_at", measured_at)
        same = equals("uid", self._wikis.codec.value("uid", uid)) & is_live()
        update = Update(set={**values, _MEASURED_AT: time(measured)})
        return await self._note(_key(owner_id, wiki_slug), update, same, _MEASURED_AT, before=measured)

    async def _note(
        self,
        key: tuple[str, str],
        update: Update,
        condition: Condition,
        attribute: str,
        *,
        before: datetime,
        seen: Item | None = None,
    ) -> bool:
        """Update a wiki, even a corrupt item, if the condition holds and a time on it is missing or before `before`.

        Return whether the update took effect. Other programs write times in forms that do not compare as text: such a
        time is compared here, as it was `seen`, and must be unchanged.
        """
        # `<` and not `<=`: even with an interval of 0, only a later time may be stored.
        older = absent_or_before(attribute, time(before)) if seen is None else self._wikis.has_same(seen, attribute)
        try:
            await self._tables.moves.patch(key, update, condition & older)
        except ConditionFailedError as failed:
            item = failed.item
            if failed.maybe_applied:  # after a lost answer, the item has these values if this update took effect
                return item is not None and update.set.items() <= item.items()
            if item is None:
                return False
            if await self._tables.moves.complete(item):
                return await self._note(key, update, condition, attribute, before=before)
            if seen is None and is_foreign(item.get(attribute), before=before):
                return await self._note(key, update, condition, attribute, before=before, seen=item)
            return False
        return True

    async def rename(self, owner_id: str, wiki_slug: str, new_slug: str) -> Wiki:
        """Change the slug of a wiki; return the wiki. It keeps all its grants; open invitations become invalid.

        At every moment the wiki is live under exactly one of the two slugs. Nothing can be granted in it during the
        move. After an error or a crash, the same call continues where the last one stopped. The returned wiki is the
        one that was moved, as it was then, even if it has moved on since.

        Requests: GetItem of both keys (consistent), TransactWriteItems; Query (consistent), TransactWriteItems per 49
        grants; GetItem (consistent), TransactWriteItems; Query (consistent), TransactWriteItems per 99 grants,
        TransactWriteItems.

        Raises:
            NotFoundError: There is no such wiki.
            NotActiveError: The wiki is being deleted, or is being moved to another key.
            AlreadyExistsError: The owner already has a wiki with the new slug; nothing has changed.
            WriteOutcomeUnknownError: An answer was lost, and others have moved or deleted the wiki since.

        """
        source, target = WikiKey(owner_id, wiki_slug), WikiKey(owner_id, check_slug("new_slug", new_slug))
        return await moves.move_wiki(self._tables, source, target)

    async def transfer(
        self, owner_id: str, wiki_slug: str, new_owner_id: str, *, limit: int | UnsetType | None = UNSET
    ) -> Wiki:
        """Give a wiki to another owner; return the wiki. It keeps its grants, except the new owner's own one.

        The old owner loses access. The new owner never gets more than `limit` wikis. Without `limit` the setting
        `wiki_limit` applies; None means no limit. `rename` describes what a move promises.

        Requests: the same as `rename`.

        Raises:
            NotFoundError: There is no such wiki, or no such new owner.
            NotActiveError: The wiki or the new owner is not active.
            QuotaExceededError: The new owner already has `limit` wikis; nothing has changed.
            AlreadyExistsError: The new owner already has a wiki with this slug; nothing has changed.
            ValueError: `limit` is negative.

        """
        source, target = WikiKey(owner_id, wiki_slug), WikiKey(check_id("new_owner_id", new_owner_id), wiki_slug)
        quota = self._quota(limit)
        return await people.counting(self._tables, lambda: moves.move_wiki(self._tables, source, target, limit=quota))

    async def delete(self, owner_id: str, wiki_slug: str) -> bool:
        """Delete a wiki with all its grants and invitations; return whether this call deleted one.

        The owner's `wiki_count` goes down by one, and the slug is free afterwards. After an error or a crash, the same
        call continues where the last one stopped. A call that only finishes what another one has begun returns False.

        Requests: GetItem (consistent), TransactWriteItems, Query (consistent), TransactWriteItems per 99 grants,
        TransactWriteItems.
        """
        return await lifecycle.delete_wiki(self._tables, _key(owner_id, wiki_slug))

    def _quota(self, limit: int | UnsetType | None) -> int | None:
        """Return the limit, which by default is the setting `wiki_limit`."""
        if isinstance(limit, UnsetType):
            return self._tables.wire.config.wiki_limit
        if limit is not None and check_integer("limit", limit) < 0:
            raise ValueError("limit must be 0 or more")
        return limit


def _key(owner_id: str, wiki_slug: str) -> tuple[str, str]:
    key = WikiKey(owner_id, wiki_slug)
    return key.owner_id, key.wiki_slug


def _key_values(key: WikiKey) -> tuple[str, str]:
    if not isinstance(key, WikiKey):
        raise TypeError(f"keys must hold WikiKey, such as {_SEVERAL_KEYS}, not {type(key).__name__}")
    return key.owner_id, key.wiki_slug


def _by_owner(owner_id: str, prefix: str | None, *, descending: bool) -> Listing:
    return Listing(
        name="wikis.by_owner",
        partition=("owner_id", check_id("owner_id", owner_id)),
        sort_key="wiki_slug",
        check=lambda slug: check_slug("wiki_slug", slug),
        prefix=None if prefix is None else check_prefix("prefix", prefix),
        descending=check_switch("descending", descending),
    )
