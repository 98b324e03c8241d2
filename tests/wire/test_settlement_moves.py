"""Moves, deletes and revokes whose answers are lost, on an engine that ignores a transaction's token."""

from collections.abc import Awaitable, Callable

import pytest

from tests.wire.scripted_server import WRITES, Exchange, Step, in_turn, reset
from tests.wire.stage import GRANTEE, Stage
from wikibot_store import Role, Wiki, WikibotStore, WikiKey, WriteOutcomeUnknownError

MOVE_WRITES = ("begin", "copy", "switch", "delete grants", "end")
DELETE_WRITES = ("mark", "delete grants", "end")


def on_write(number: int, fault: Step, *, otherwise: Step) -> Step:
    """Take another step for the write with this number, counted from 1."""
    writes = 0

    def choose(exchange: Exchange) -> Awaitable[object]:
        nonlocal writes
        writes += exchange.request.operation in WRITES
        return (fault if exchange.request.operation in WRITES and writes == number else otherwise)(exchange)

    return choose


def lose_answer(stage: Stage, number: int, meanwhile: Callable[[], Awaitable[object]]) -> None:
    """Apply the write with this number, let another writer write, and close the connection without an answer."""
    fault = in_turn(stage.engine.apply, lambda _: meanwhile(), reset)
    stage.server.default = on_write(number, fault, otherwise=stage.engine.forward)


async def nothing() -> None:
    """Do nothing: there is no other writer."""


async def a_counted_wiki(stage: Stage, owner: str) -> Wiki:
    """Create a wiki with a grant to a user."""
    for user_id in (owner, f"{owner}-{GRANTEE}", f"{owner}-heir"):
        await stage.direct.users.create(id=user_id, oauth_provider="github", oauth_provider_sub=user_id)
    wiki = await stage.direct.wikis.create(owner, "notes", display_name="Notes", repo_path="/srv/notes.git")
    await stage.direct.acls.create(WikiKey(owner, "notes"), f"{owner}-{GRANTEE}", "editor", granted_by=owner)
    return wiki


async def rename(store: WikibotStore, owner: str) -> Wiki:
    """Rename the wiki."""
    return await store.wikis.rename(owner, "notes", "diary")


async def transfer(store: WikibotStore, owner: str) -> Wiki:
    """Transfer the wiki."""
    return await store.wikis.transfer(owner, "notes", f"{owner}-heir", limit=1)


Move = Callable[[WikibotStore, str], Awaitable[Wiki]]


async def check_moved(stage: Stage, owner: str, moved: Wiki) -> None:
    """Check that the wiki has moved once, with its grant, and that the counts are right."""
    assert moved.version == 2
    assert await stage.direct.wikis.get(*_key(moved), consistent=True) == moved
    assert (await stage.direct.authorize(f"{owner}-{GRANTEE}", *_key(moved))).role is Role.EDITOR
    assert await stage.direct.wikis.get(owner, "notes", consistent=True) is None
    assert (await stage.direct.acls.list_by_wiki(f"{owner}:notes", consistent=True)).items == []
    people = [await stage.direct.users.require(user_id, consistent=True) for user_id in (owner, f"{owner}-heir")]
    assert {user.id: user.wiki_count for user in people if user.wiki_count} == {moved.owner_id: 1}


def _key(wiki: Wiki) -> tuple[str, str]:
    return wiki.owner_id, wiki.wiki_slug


@pytest.mark.parametrize("number", range(1, len(MOVE_WRITES) + 1), ids=MOVE_WRITES)
@pytest.mark.parametrize("move", [rename, transfer])
async def test_a_lost_answer_of_a_move(stage: Stage, owner: str, move: Move, number: int) -> None:
    """A move continues after a write whose answer was lost."""
    await a_counted_wiki(stage, owner)
    lose_answer(stage, number, nothing)

    moved = await move(stage.store, owner)

    assert len(stage.server.writes) == len(MOVE_WRITES) + 1
    assert stage.server.writes[number - 1].body == stage.server.writes[number].body
    await check_moved(stage, owner, moved)


@pytest.mark.parametrize("number", range(1, len(MOVE_WRITES) + 1), ids=MOVE_WRITES)
@pytest.mark.parametrize("move", [rename, transfer])
async def test_a_move_that_another_call_finishes_meanwhile(stage: Stage, owner: str, move: Move, number: int) -> None:
    """If another call finished the move before the retry, this call returns the wiki."""
    await a_counted_wiki(stage, owner)
    lose_answer(stage, number, lambda: move(stage.direct, owner))

    await check_moved(stage, owner, await move(stage.store, owner))


async def test_a_switch_that_is_given_up_without_an_answer(stage: Stage, owner: str) -> None:
    """If a switch got no answer and the move was given up before the retry, the outcome is unknown."""
    await a_counted_wiki(stage, owner)
    fault = in_turn(lambda _: stage.direct.wikis.delete(owner, "diary"), reset)
    stage.server.default = on_write(MOVE_WRITES.index("switch") + 1, fault, otherwise=stage.engine.forward)

    with pytest.raises(WriteOutcomeUnknownError):
        await rename(stage.store, owner)

    assert await stage.direct.wikis.get(owner, "notes", consistent=True) is not None
    assert await stage.direct.wikis.get(owner, "diary", consistent=True) is None


@pytest.mark.parametrize("number", range(1, len(DELETE_WRITES) + 1), ids=DELETE_WRITES)
async def test_a_lost_answer_of_a_delete(stage: Stage, owner: str, number: int) -> None:
    """A delete continues after a write whose answer was lost, and counts once."""
    await a_counted_wiki(stage, owner)
    await stage.direct.wikis.create(owner, "other", display_name="Other", repo_path="/srv/other.git")
    lose_answer(stage, number, nothing)

    await stage.store.wikis.delete(owner, "notes")

    assert await stage.direct.wikis.get(owner, "notes", consistent=True) is None
    assert (await stage.direct.acls.list_by_wiki(f"{owner}:notes", consistent=True)).items == []
    assert (await stage.direct.users.require(owner, consistent=True)).wiki_count == 1


async def test_a_lost_answer_of_a_revoke(stage: Stage, home: Wiki) -> None:
    """A revoke whose answer was lost returns that there was a grant."""
    lose_answer(stage, 1, nothing)

    assert await stage.store.acls.delete(home.key, GRANTEE)

    assert await stage.direct.acls.get(home.key.wiki_id, GRANTEE, consistent=True) is None


async def test_a_revoke_of_what_was_granted_anew_since(stage: Stage, home: Wiki) -> None:
    """A revoke whose answer was lost also deletes a grant that was given before the retry."""
    lose_answer(
        stage,
        1,
        lambda: stage.direct.acls.create(home.key, GRANTEE, "editor", granted_by=home.owner_id),
    )

    assert await stage.store.acls.delete(home.key, GRANTEE)

    assert await stage.direct.acls.get(home.key.wiki_id, GRANTEE, consistent=True) is None
