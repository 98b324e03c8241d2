"""What must be true of every state, and of what the calls of an exploration returned and left behind.

The library itself says what calls mean: played one after another, without any interference, it gives the results and
the tables that an exploration's must be equal to, for some order of its calls that respects which of them had ended
before others began.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from tests.exploration.clients import Call, Outcome
from tests.exploration.explorer import Actor, Memory, Node, State
from tests.exploration.model import Database, Item
from wikibot_store import Access, Acl, NotActiveError, Page, User, UserStatus, Wiki
from wikibot_store.errors import AlreadyExistsError, ConflictError, NotFoundError, QuotaExceededError, WikibotStoreError
from wikibot_store.keys import is_invite
from wikibot_store.workflows.sweep import SweepPage

_LIVE = frozenset({"active", "moving"})
_TRANSIENT = (NotActiveError, ConflictError)
_NO_ROOM = (AlreadyExistsError, QuotaExceededError)
_NOT_THERE = (NotActiveError, NotFoundError)
_NO_ACCESS = "access None"
_MOST_SWEEPS = 2
_PART = 100


class Action(NamedTuple):
    """A call by its name, and what the checks must know of it."""

    name: str
    call: Call
    ends: bool = False  # it can end a wiki's life
    steps: bool = False  # it takes several steps, in between which others are refused
    grants: str | None = None  # whom it gives access
    revokes: tuple[str, str] | None = None  # at which wiki_id, and from whom it takes access
    adds: str | None = None  # whom it gives a wiki
    limit: int | None = None  # up to how many of that owner's
    parts: tuple[Call, ...] = ()  # what others may see of it before it is done
    keeps: str | None = None  # whose wikis stay from now on
    deletes: str | None = None  # which user it deletes
    reads: str | None = None  # whose wikis it reads, which are closed while their owner is being deleted


# ---- what can be seen of a database


def _text(item: Item, name: str, default: str = "") -> str:
    value: str = item[name]["S"] if name in item else default
    return value


def live_wikis(database: Database) -> list[tuple[str, str]]:
    """Return uid and wiki_id of every wiki that can be read."""
    return _seen(database).live


def accesses(database: Database) -> frozenset[tuple[str, str]]:
    """Return whom a grant lets into which wiki, by its uid."""
    return _seen(database).accesses


class _Seen(NamedTuple):
    live: list[tuple[str, str]]
    accesses: frozenset[tuple[str, str]]
    uids: Mapping[str, str]


@lru_cache(maxsize=1 << 15)
def _seen(database: Database) -> _Seen:
    wikis = database.table("wikis")
    uids = {f"{_text(wiki, 'owner_id')}:{_text(wiki, 'wiki_slug')}": _text(wiki, "uid") for wiki in wikis}
    live = [
        (_text(wiki, "uid"), f"{_text(wiki, 'owner_id')}:{_text(wiki, 'wiki_slug')}")
        for wiki in wikis
        if _text(wiki, "status", "active") in _LIVE
    ]
    open_to = {wiki_id: uid for uid, wiki_id in live}
    found = frozenset(
        (open_to[_text(grant, "wiki_id")], _text(grant, "grantee_id"))
        for grant in database.table("acls")
        if _text(grant, "wiki_id") in open_to
        and _text(grant, "wiki_uid", open_to[_text(grant, "wiki_id")]) == open_to[_text(grant, "wiki_id")]
        and "invited_email" not in grant
    )
    return _Seen(live, found, uids)


def _owned(database: Database, owner: str) -> int:
    return sum(wiki_id.rpartition(":")[0] == owner for _, wiki_id in live_wikis(database))


def _label(uid: str) -> str:
    """Return a wiki's uid, or by which call it was made, since that draws another one in another order."""
    return uid if uid.startswith("af") else uid[:2]


@lru_cache(maxsize=1 << 14)
def visible(database: Database) -> Mapping[str, Any]:
    """Return what the tables say, without what only the library's own steps go by.

    A grant of a user who is gone counts as none: it gives no access, and the next sweep deletes it.
    """
    users, claims = {}, {}
    for item in database.table("users"):
        if _text(item, "id").startswith("claim#"):
            claims[_text(item, "id")] = _text(item, "user_id")
        else:
            names = ("status", "username", "oauth_provider", "oauth_provider_sub", "email", "identities", "wiki_count")
            users[_text(item, "id")] = tuple(str(item.get(name, {})) for name in names)
    wikis = {
        (_text(item, "owner_id"), _text(item, "wiki_slug")): (
            _label(_text(item, "uid")),
            _text(item, "status", "active"),
            _text(item, "display_name"),
            str(item.get("is_public")),
            str(item.get("page_count")),
        )
        for item in database.table("wikis")
    }
    acls = {
        (_text(item, "wiki_id"), _grantee(_text(item, "grantee_id"))): (
            _text(item, "role"),
            _label(_text(item, "wiki_uid")),
            _text(item, "granted_by"),
            str(item.get("expires_at")),
        )
        for item in database.table("acls")
        if is_invite(_text(item, "grantee_id")) or _text(item, "grantee_id") in users
    }
    return {"users": users, "claims": claims, "wikis": wikis, "acls": acls}


def _grantee(grantee_id: str) -> str:
    return "invite" if is_invite(grantee_id) else grantee_id


@lru_cache(maxsize=1 << 14)
def unsound(database: Database) -> str | None:
    """Return what is wrong with tables that nobody is at work on, None if nothing is."""
    problems: list[str] = []
    wikis = database.table("wikis")
    by_id = {f"{_text(wiki, 'owner_id')}:{_text(wiki, 'wiki_slug')}": wiki for wiki in wikis}
    users = [item for item in database.table("users") if not _text(item, "id").startswith("claim#")]
    claims = {_text(item, "id"): _text(item, "user_id") for item in database.table("users") if "user_id" in item}
    for wiki_id, wiki in by_id.items():
        state = {"status": wiki["status"], **{name: wiki[name] for name in _STATE if name in wiki}}
        if state != {"status": {"S": "active"}}:
            problems.append(f"wiki {wiki_id} is half done: {state}")
    problems += _wrong_users(users, claims, Counter(_text(wiki, "owner_id") for wiki in wikis))
    for grant in database.table("acls"):
        wiki = by_id.get(_text(grant, "wiki_id"), {})
        if _text(wiki, "uid") != _text(grant, "wiki_uid"):
            problems.append(f"grant without its wiki: {_text(grant, 'wiki_id')} to {_text(grant, 'grantee_id')}")
    return "; ".join(problems) or None


def _wrong_users(users: Sequence[Item], claims: Mapping[str, str], counts: Mapping[str, int]) -> Iterator[str]:
    held = {}
    for user in users:
        user_id = _text(user, "id")
        if _text(user, "status", "active") == "deleting":
            yield f"user {user_id} is half deleted"
        if int(user.get("wiki_count", {"N": "0"})["N"]) != counts[user_id]:
            yield f"user {user_id} counts {user.get('wiki_count')} wikis and has {counts[user_id]}"
        first = f"{_text(user, 'oauth_provider')}#{_text(user, 'oauth_provider_sub')}"
        for identity in [first, *_text(user, "identities").split()]:
            held[f"claim#oauth#{identity}"] = user_id
        if "username" in user:
            held[f"claim#username#{_text(user, 'username')}"] = user_id
    if claims != held:
        yield f"claims differ: {sorted(claims.items() ^ held.items())}"


_STATE = ("moving_to", "moved_to", "moving_from", "operation", "uncounted")


def shown(outcome: Outcome) -> str:
    """Return an outcome without what differs from order to order, such as times and versions."""
    value, error = outcome
    if error is not None:
        return f"{type(error).__name__} {getattr(error, 'field', '')}"
    return _shown(value)


def _shown(value: object) -> str:  # noqa: PLR0911 - one line per kind
    match value:
        case Wiki():
            return f"wiki {value.key.wiki_id} {_label(value.uid)} {value.display_name}"
        case User():
            status = "active" if value.status is UserStatus.DELETING else value.status  # its end is in sight
            return f"user {value.id} {value.username} {status} {value.oauth_provider_sub}"
        case Acl():
            return f"acl {value.wiki_id} {_grantee(value.grantee_id)} {value.role} {_label(value.wiki_uid or '')}"
        case Access():
            return f"access {value.role}"
        case Page() | list():
            return _listed(list(value))
        case tuple():
            return str(tuple(_shown(each) for each in value if not isinstance(each, str)))
        case msgspec.Struct():
            return type(value).__name__
        case _:
            return repr(value)


def _listed(values: Sequence[object]) -> str:
    if any(isinstance(each, SweepPage) for each in values):
        return "swept"
    return str([_shown(each) for each in values if not isinstance(each, Wiki) or each.is_live])


# ---- the judge


@dataclass
class Judge:
    """Checks the states of one exploration."""

    start: Database
    actions: Sequence[Action]
    sweep: Call
    memory: Memory = field(default_factory=Memory)
    roots: list[Node] = field(init=False)

    def __post_init__(self) -> None:
        """Make the calls, and those that come after a crash: each once more."""
        count = len(self.actions)
        self.recoveries = 0
        self.roots = [self.memory.root(action.call, client) for client, action in enumerate(self.actions)]
        self._count = count
        is_deleting = any(_text(item, "status") == "deleting" for item in self.start.table("users"))
        self._ends = is_deleting or any(action.ends for action in self.actions)
        self._uids = {uid for uid, _ in live_wikis(self.start)}
        self._granted = _granted(self.start)
        self._grantees = {action.grants for action in self.actions if action.grants is not None}
        self._keep = any(action.keeps is not None for action in self.actions)
        self._revoking = [number for number, action in enumerate(self.actions) if action.revokes is not None]
        self._wrong: dict[tuple[Database, frozenset[str]], str | None] = {}
        self._explained: dict[object, str | None] = {}

    # -- every state

    def note(self, before: State, after: State) -> frozenset[str]:
        """Note which wikis stay, because a call has called the deletion of their owner off."""
        noted = after.noted
        if not self._keep:
            return noted
        for action, was, now in zip(self.actions, before.actors, after.actors, strict=True):
            outcome = now.node.outcome if now.node is not None else None
            if action.keeps is None or was.is_settled or outcome is None or outcome.error is not None:
                continue
            owned = [(uid, wiki_id.rpartition(":")[0]) for uid, wiki_id in live_wikis(after.database)]
            noted |= {uid for uid, owner in owned if owner == action.keeps}
        return noted

    def check(self, state: State) -> str | None:
        """Return what is wrong at this moment, if anything is."""
        seen = state.database, state.noted
        if seen not in self._wrong:
            problems = [self._wrong_places(state), self._wrong_rights(state), self._wrong_numbers(state)]
            self._wrong[seen] = next(chain.from_iterable(problems), None)
        revoked = (self._revoked(state, position, state.actors[position]) for position in self._revoking)
        return self._wrong[seen] or next((problem for problem in revoked if problem is not None), None)

    def _wrong_places(self, state: State) -> Iterator[str]:
        counted = Counter(uid for uid, _ in live_wikis(state.database))
        yield from (f"the wiki {uid} is live under {keys} keys" for uid, keys in counted.items() if keys > 1)
        if not any(action.ends for action in self.actions):
            gone = [uid for uid in state.noted if not counted[uid]]
            yield from (f"the wiki {uid} was deleted after its owner's deletion had been called off" for uid in gone)
        if not self._ends:
            yield from (f"the wiki {uid} is live nowhere" for uid in self._uids if not counted[uid])

    def _wrong_rights(self, state: State) -> Iterator[str]:
        for uid, grantee in accesses(state.database) - self._granted:
            if grantee not in self._grantees:
                yield f"{grantee} has access to {uid}, which nobody granted"

    def _wrong_numbers(self, state: State) -> Iterator[str]:
        limits: dict[str, list[int | None]] = {}
        for action in self.actions:
            if action.adds is not None:
                limits.setdefault(action.adds, []).append(action.limit)
        for owner, each in limits.items():
            bounds = [limit for limit in each if limit is not None]
            if len(bounds) < len(each):
                continue  # one of them may go beyond the limits of the others
            owned, limit = _owned(state.database, owner), max(*bounds, _owned(self.start, owner))
            if owned > limit:
                yield f"{owner} owns {owned} wikis, of at most {limit}"

    def _revoked(self, state: State, position: int, actor: Actor) -> str | None:
        """Return who has access again although a revoke said that none is left."""
        action = self.actions[position]
        if action.revokes is None or actor.node is None or actor.node.outcome is None:
            return None
        wiki_id, grantee = action.revokes
        if actor.node.outcome.value is not True or grantee in self._grantees:
            return None
        uid = _seen(self.start).uids.get(wiki_id)
        if uid is not None and (uid, grantee) in accesses(state.database):
            return f"{action.name} returned True, and {grantee} has access to {uid}"
        return None

    # -- the end

    def check_end(self, state: State) -> str | None:
        """Return what is wrong when all calls have ended."""
        open_ = [position for position, actor in enumerate(state.actors) if _is_open(actor)]
        self.recoveries += bool(open_)
        if not open_ and unsound(self.start) is None:
            return unsound(state.database) or self._explain(state, state.database, {})
        return self._recover_by_calls(state, open_) or self._recover_by_sweeps(state)

    def _recover_by_calls(self, state: State, open_: Sequence[int]) -> str | None:
        database, outcomes = state.database, {}
        for position in open_:
            outcomes[self._count + position], database = self._play(database, self._count + position)
        return self._settle(state, database, outcomes, "calling again")

    def _recover_by_sweeps(self, state: State) -> str | None:
        return self._settle(state, state.database, {}, "nothing")

    def _settle(self, state: State, database: Database, outcomes: dict[int, Outcome], how: str) -> str | None:
        for number in range(_MOST_SWEEPS + 1):
            problem = unsound(database)
            if problem is None:
                return self._explain(state, database, outcomes)
            if number < _MOST_SWEEPS:
                _, database = self._play(database, -1 - number)
        return f"after {how} and {_MOST_SWEEPS} sweeps: {problem}"

    def _play(self, database: Database, number: int) -> tuple[Outcome, Database]:
        """Play one call alone, from its first request to its last."""
        return self.memory.play(self._node(number), database)

    def _node(self, number: int) -> Node:
        if number < 0:
            return self.memory.root(self.sweep, 15 + number)
        if number >= _PART:
            of, part = divmod(number, _PART)
            return self.memory.root(self.actions[of - 1].parts[part], of - 1)
        return self.memory.root(self.actions[number % self._count].call, number)

    def _swept(self, database: Database) -> Database:
        """Return a database that is sound, as far as sweeps make it so."""
        for number in range(_MOST_SWEEPS):
            if unsound(database) is None:
                break
            _, database = self._play(database, -1 - number)
        return database

    def _explain(self, state: State, database: Database, again: Mapping[int, Outcome]) -> str | None:
        """Return None if some order of the calls, one after another, gives these results and these tables."""
        results: dict[int, str | None] = {}
        before: dict[int, frozenset[int]] = {}
        lossy: set[int] = set()
        refused: dict[int, BaseException] = {}
        for position, actor in enumerate(state.actors):
            before[position] = actor.began_after or frozenset()
            node = None if _is_open(actor) else actor.node
            outcome = None if node is None else node.outcome
            may_have_revoked = self.actions[position].revokes is not None and (outcome is None or outcome.value is True)
            if may_have_revoked and self._moves(before[position]):
                before[position] = frozenset()
            if node is None or outcome is None:
                results[position] = None
                continue
            results[position] = shown(outcome)
            if isinstance(outcome.error, WikibotStoreError):
                refused[position] = outcome.error
            elif outcome.error is not None:
                return f"{self.actions[position].name} raised {outcome.error!r}"
            if node.is_lossy or self._may_be_called_off(self.actions[position]):
                lossy.add(position)
        for number, outcome in again.items():
            results[number] = shown(outcome)
            before[number] = frozenset(range(self._count)) | {other for other in again if other < number}
            if isinstance(outcome.error, WikibotStoreError):
                refused[number] = outcome.error
        key = (tuple(results.items()), tuple(before.items()), frozenset(lossy), database)
        if key not in self._explained:
            self._explained[key] = self._search(database, results, before, lossy, refused)
        return self._explained[key]

    def _may_be_called_off(self, action: Action) -> bool:
        """Return whether a deletion of a user may be called off: it does not know who deleted the user then."""
        return action.deletes is not None and any(other.keeps == action.deletes for other in self.actions)

    def _moves(self, ended: frozenset[int]) -> bool:
        """Return whether a move may be under way when these calls have ended, or may have been left by a crash.

        A revoke under its old key follows the wiki until the move is cleaned up, as if it had come before the move.
        """
        beside = any(action.steps and number not in ended for number, action in enumerate(self.actions))
        return beside or _is_half_done(self.start)

    def _search(
        self,
        database: Database,
        results: Mapping[int, str | None],
        before: Mapping[int, frozenset[int]],
        lossy: set[int],
        refused: Mapping[int, BaseException],
    ) -> str | None:
        wanted = visible(database)
        certain = {number for number, result in results.items() if result is not None and number not in refused}

        def may_come_next(number: int, placed: frozenset[int]) -> bool:
            is_late = any(number in before[other] for other in placed)
            return number not in placed and not is_late and not before[number] & certain - placed

        def are_justified(placed: frozenset[int]) -> bool:
            return all(self._justified(number, results, before, refused) for number in refused.keys() - placed)

        def explained(number: int) -> Callable[[Outcome], bool]:
            if self._is_closed(number, results, before):
                return lambda _: True
            is_move = self.actions[number % self._count].steps
            return partial(_matches, results[number], is_lossy=number in lossy, is_move=is_move)

        explains = {number: explained(number) for number in results}
        tried: set[tuple[Database, frozenset[int], frozenset[int]]] = set()

        def go(here: Database, placed: frozenset[int], switched: frozenset[int]) -> bool:
            if (here, placed, switched) in tried:
                return False
            tried.add((here, placed, switched))
            if certain <= placed and visible(self._swept(here)) == wanted and are_justified(placed):
                return True
            return any(
                go(then, placed | done, switched | begun)
                for number in results
                if may_come_next(number, placed)
                for then, done, begun in self._steps(here, number, explains[number], switched)
            )

        if go(self.start, frozenset(), frozenset()):
            return None
        told = ", ".join(f"{self._name(number)} → {result or 'unknown'}" for number, result in results.items())
        return f"no order of the calls explains this: {told}; {_difference(visible(self.start), wanted)}"

    def _steps(
        self, here: Database, number: int, explains: Callable[[Outcome], bool], switched: frozenset[int]
    ) -> Iterator[tuple[Database, frozenset[int], frozenset[int]]]:
        """Yield what a call may leave, all of it or a part, with its number if it is done or if its move has begun."""
        nothing, this = frozenset[int](), frozenset({number})
        outcome, then = self._play(here, number)
        if explains(outcome):
            yield then, this, nothing
        for part in self._after_parts(here, number):
            yield part, nothing, nothing
        if self._revoking and self.actions[number % self._count].steps and number not in switched:
            begun = self._switched(here, number)
            if begun is not None:
                yield begun, nothing, this

    def _after_parts(self, database: Database, number: int) -> Iterator[Database]:
        """Yield what can be seen of a call before it is done."""
        of = number % self._count
        for part in range(len(self.actions[of].parts)):
            _, then = self._play(database, _PART * (of + 1) + part)
            if then != database:
                yield then

    def _switched(self, database: Database, number: int) -> Database | None:
        """Return what others see of a move that has switched and is not cleaned up: a revoke follows the wiki then."""
        was = dict(live_wikis(database))
        for passed in self.memory.passed(self._node(number), database):
            if any(was.get(uid, wiki_id) != wiki_id for uid, wiki_id in live_wikis(passed)):
                return passed
        return None

    def _is_closed(self, number: int, results: Mapping[int, str | None], before: Mapping[int, frozenset[int]]) -> bool:
        """Return whether a call has found a wiki closed whose owner was being deleted."""
        owner = self.actions[number % self._count].reads
        beside = (self.actions[other % self._count] for other in self._beside(number, results, before))
        is_ending = any(each.deletes == owner and each.parts for each in beside)
        return results[number] == _NO_ACCESS and owner is not None and is_ending

    def _beside(
        self, number: int, results: Mapping[int, str | None], before: Mapping[int, frozenset[int]]
    ) -> list[int]:
        """Return the calls that were under way during a call, or whose client died before its end."""
        others = [other for other in results if other != number and number not in before[other]]
        return [other for other in others if other not in before[number] or results[other] is None]

    def _name(self, number: int) -> str:
        return self.actions[number % self._count].name + (" again" if number >= self._count else "")

    def _justified(
        self,
        number: int,
        results: Mapping[int, str | None],
        before: Mapping[int, frozenset[int]],
        refused: Mapping[int, BaseException],
    ) -> bool:
        """Return whether a call may have been refused so, beside what was going on, and have done nothing."""
        if isinstance(refused[number], _TRANSIENT):
            beside = self._beside(number, results, before)
            return any(self.actions[other % self._count].steps for other in beside) or _is_half_done(self.start)

        others = [other for other in results if other != number and number not in before[other]]
        tried: set[tuple[Database, frozenset[int]]] = set()

        def go(here: Database, placed: frozenset[int]) -> bool:
            if (here, placed) in tried:
                return False
            tried.add((here, placed))
            outcome, _ = self._play(here, number)
            if shown(outcome) == results[number] or _are_alike(outcome.error, refused[number]):
                return True
            return any(go(self._play(here, other)[1], placed | {other}) for other in others if other not in placed)

        return go(self.start, frozenset())


def _matches(result: str | None, outcome: Outcome, *, is_lossy: bool, is_move: bool) -> bool:
    """Return whether a call may have returned this; behind a lost answer True and False of two calls are alike.

    So they are for the deletion of a user that was called off, after which another call deleted the user. A move that
    was done before returns the wiki as it reads it, and others may have changed its name since it was found to be done.
    """
    is_uncertain = is_lossy and result in {"True", "False"} and isinstance(outcome.value, bool)
    is_later = is_move and isinstance(outcome.value, Wiki) and _nameless(result) == _nameless(shown(outcome))
    return result is None or shown(outcome) == result or is_uncertain or is_later


def _nameless(wiki: str | None) -> str | None:
    """Return what is shown of a wiki, without its name."""
    return None if wiki is None else wiki.rpartition(" ")[0]


def _are_alike(one: BaseException | None, other: BaseException) -> bool:
    """Return whether two refusals say the same of a wiki that comes or goes.

    Before it is live it takes the key, and from then on the quota too; what is left of it is not active, and then gone.
    """
    return any(isinstance(one, kind) and isinstance(other, kind) for kind in (_NO_ROOM, _NOT_THERE))


def play(node: Node, database: Database) -> tuple[Outcome, Database]:
    """Answer a call's requests until it ends."""
    return Memory().play(node, database)


def _is_open(actor: Actor) -> bool:
    """Return whether nobody knows what came of the call."""
    return not actor.waits and not actor.is_settled


def _is_half_done(database: Database) -> bool:
    return unsound(database) is not None


def _granted(database: Database) -> set[tuple[str, str]]:
    """Return whom grants of whatever key were given to, by the uid."""
    return {
        (_text(grant, "wiki_uid"), _text(grant, "grantee_id"))
        for grant in database.table("acls")
        if "invited_email" not in grant
    }


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    told = []
    for table, items in after.items():
        for key in sorted({*items, *before[table]}, key=str):
            old, new = before[table].get(key), items.get(key)
            if old != new:
                told.append(f"{table} {key}: {old} is now {new}")
    return "; ".join(told) or "nothing has changed"
