"""Operations whose client is held before one of its requests while other clients go on: ten that once went wrong."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from tests.integration.clean_tables import check_and_wipe
from tests.integration.samples import a_user
from tests.integration.steps import CrashError, before_requests, crash
from wikibot_store import (
    NotFoundError,
    QuotaExceededError,
    Role,
    UserOwnsWikisError,
    Wiki,
    WikibotStore,
    WikiKey,
    WriteOutcomeUnknownError,
)

BEGIN, COPY, SWITCH, LAST = 3, 5, 7, 10
"""The numbers of a move's requests, of a wiki with one grant."""


@dataclass(frozen=True)
class Home:
    """A wiki `a` of ada's, of which bob is an editor, and cyd."""

    store: WikibotStore
    ada: str
    bob: str
    cyd: str

    async def rename(self, slug: str, new_slug: str) -> Wiki:
        """Rename one of ada's wikis."""
        return await self.store.wikis.rename(self.ada, slug, new_slug)

    async def revoke(self, slug: str) -> bool:
        """Take bob's access to one of ada's wikis away."""
        return await self.store.acls.delete(WikiKey(self.ada, slug), self.bob)

    async def role(self, slug: str) -> Role | None:
        """Return what bob may do in one of ada's wikis."""
        return (await self.store.authorize(self.bob, self.ada, slug)).role

    async def count(self) -> int:
        """Return how many wikis ada is counted to have."""
        return (await self.store.users.require(self.ada, consistent=True)).wiki_count


@pytest.fixture
async def home(store: WikibotStore) -> AsyncIterator[Home]:
    """Give a wiki with an editor; check at the end that counts, claims and grants agree."""
    ada, bob, cyd = [(await a_user(store)).id for _ in range(3)]
    await store.wikis.create(ada, "a", display_name="A", repo_path="/srv/a")
    await store.acls.create(WikiKey(ada, "a"), bob, "editor", granted_by=ada)
    yield Home(store, ada, bob, cyd)
    await check_and_wipe(store)


@pytest.mark.parametrize("held", [COPY, SWITCH])
async def test_a_late_move_begins_anew(home: Home, held: int) -> None:
    """A move that was given up, and begun again by others, does not go on with theirs before the grants are copied."""

    async def give_up_and_begin_again() -> None:
        assert not await home.store.wikis.delete(home.ada, "b")
        with before_requests(home.store, {BEGIN + 1: crash}), pytest.raises(CrashError):
            await home.rename("a", "b")

    with before_requests(home.store, {held: give_up_and_begin_again}):
        moved = await home.rename("a", "b")

    assert moved.wiki_slug == "b"
    assert await home.role("b") is Role.EDITOR


async def test_a_revoke_holds_behind_a_late_clean_up(home: Home) -> None:
    """A clean-up that comes late deletes nothing of a later move, whose own clean-up deletes the grants."""

    async def go_around() -> None:
        await home.rename("a", "b")
        await home.rename("b", "a")
        with before_requests(home.store, {SWITCH + 1: crash}), pytest.raises(CrashError):
            await home.rename("a", "c")

    with before_requests(home.store, {LAST: go_around}):
        assert (await home.rename("a", "b")).wiki_slug == "b"
    await home.rename("a", "c")
    assert await home.revoke("c")
    await home.rename("c", "a")

    assert await home.role("a") is None


async def test_a_late_clean_up_counts_nothing_out(home: Home) -> None:
    """An owner whose wiki went away and came back counts it, however late the first transfer ends."""

    async def there_and_back() -> None:
        await home.store.wikis.transfer(home.ada, "a", home.cyd)
        await home.store.wikis.transfer(home.cyd, "a", home.ada)
        with before_requests(home.store, {SWITCH + 1: crash}), pytest.raises(CrashError):
            await home.rename("a", "b")

    with before_requests(home.store, {LAST: there_and_back}):
        await home.store.wikis.transfer(home.ada, "a", home.cyd)

    assert await home.count() == 1
    with pytest.raises(QuotaExceededError):
        await home.store.wikis.create(home.ada, "c", display_name="C", repo_path="/srv/c", limit=1)
    await home.rename("a", "b")


async def test_a_revoke_ignores_what_a_move_has_left(home: Home) -> None:
    """A revoke under a key that the wiki has left is True only if no access is left."""
    with before_requests(home.store, {SWITCH + 1: crash}), pytest.raises(CrashError):
        await home.rename("a", "b")
    await home.rename("b", "c")

    assert not await home.revoke("a")

    assert await home.role("c") is Role.EDITOR
    assert await home.revoke("c")


async def test_a_revoke_follows_the_wiki(home: Home) -> None:
    """While the old key still has what the move has left, a revoke there reaches the wiki."""
    with before_requests(home.store, {SWITCH + 1: crash}), pytest.raises(CrashError):
        await home.rename("a", "b")

    assert await home.revoke("a")

    assert await home.role("b") is None
    await home.rename("a", "b")


async def test_a_revoke_does_not_take_a_move_for_its_effect(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revoke that was refused twice, once without an answer, beside a move does not say that no access is left."""
    post = home.store._wire._transport.post

    async def lose(headers: dict[str, str], body: bytes, *, seconds: float) -> Any:  # noqa: ANN401 - the wire's answer
        await post(headers, body, seconds=seconds)
        monkeypatch.undo()
        raise ConnectionClosedError(endpoint_url="http://127.0.0.1")

    async def move_and_lose_the_next_answer() -> None:
        await home.rename("a", "b")
        monkeypatch.setattr(home.store._wire._transport, "post", lose)

    with before_requests(home.store, {3: move_and_lose_the_next_answer}), pytest.raises(WriteOutcomeUnknownError):
        await home.revoke("a")

    assert await home.role("b") is Role.EDITOR


async def test_counting_ignores_what_a_move_has_left(home: Home) -> None:
    """A wiki that was deleted does not count because a move has left something at another key."""

    async def delete_and_count() -> None:
        assert await home.store.wikis.delete(home.ada, "b")
        assert await home.store.admin.reconcile_wiki_count(home.ada) == 0

    with before_requests(home.store, {LAST: delete_and_count}):
        await home.rename("a", "b")

    assert await home.count() == 0


async def test_a_move_returns_what_it_moved(home: Home) -> None:
    """A move returns its wiki also if that has moved on, and another one is where it went."""

    async def move_on() -> None:
        await home.rename("b", "c")
        await home.store.wikis.create(home.ada, "b", display_name="Another", repo_path="/srv/b")

    with before_requests(home.store, {LAST: move_on}):
        moved = await home.rename("a", "b")

    assert (moved.wiki_slug, moved.display_name) == ("b", "A")
    with pytest.raises(NotFoundError):
        await home.rename("a", "b")


async def test_both_kinds_of_deletion_end(home: Home) -> None:
    """A deletion that does not delete wikis, and one that does, do not mark each other's user."""

    async def refuse() -> None:
        with pytest.raises(UserOwnsWikisError):
            await home.store.users.delete(home.ada)
        assert await home.store.users.delete(home.cyd)

    with before_requests(home.store, {3: refuse}):
        assert await home.store.users.delete(home.ada, wikis="delete")


async def test_called_off_is_off(home: Home) -> None:
    """A sweep that has read a user who was being deleted deletes no wiki once that was called off."""
    with before_requests(home.store, {3: crash}), pytest.raises(CrashError):
        await home.store.users.delete(home.ada, wikis="delete")

    async def call_off() -> None:
        await home.store.users.update(home.ada, status="active")

    seen: list[str] = []
    call = home.store._wire.call

    async def watch(operation: str, request: Any, decode: Any, *, deadline: float) -> Any:  # noqa: ANN401 - the wire's own
        kinds = [kind for action in request.get("TransactItems", []) for kind in action]
        if kinds == ["Update", "Update"] and not seen:  # the mark of the wiki
            seen.append(operation)
            await call_off()
        return await call(operation, request, decode, deadline=deadline)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home.store._wire, "call", watch)
        pages = [page async for page in home.store.admin.sweep(apply=True)]

    assert seen
    assert pages
    assert (await home.store.wikis.require(home.ada, "a", consistent=True)).is_live


async def test_two_passes_of_a_count_agree(home: Home) -> None:
    """A wiki that is renamed while its owner's wikis are counted counts once."""
    renamed: list[Wiki] = []

    async def rename() -> None:
        renamed.append(await home.rename("a", "b"))

    with before_requests(home.store, {4: rename}):
        assert await home.store.admin.reconcile_wiki_count(home.ada) == 1

    assert renamed
