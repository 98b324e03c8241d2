"""What the workers of the soak know to be stored, held against what is stored."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.faults.invariants import Item, Stored, violations_among
from wikibot_store.keys import is_invite

Key = tuple[str, ...]
"""A table and the values of a primary key."""

Values = Mapping[str, str | int | None]
"""Some attributes of an item; None is an absent one."""

RACE = "race"
"""The provider of the identities that all workers log in with."""


class Fact:
    """What is stored under a key: one value, or after a write of unknown outcome one of several; None is no item."""

    def __init__(self) -> None:
        self.possible: list[Values | None] = [None]

    @property
    def certain(self) -> Values | None:
        """The item's attributes, if there certainly is one, and they are known."""
        return self.possible[0] if len(self.possible) == 1 else None


@dataclass
class Journal:
    """What all workers know, what they could not finish, what they did, and what went wrong."""

    facts: dict[Key, Fact] = field(default_factory=dict)
    unfinished: list[Callable[[], Awaitable[object]]] = field(default_factory=list)
    logins: dict[str, set[str]] = field(default_factory=dict)
    creations: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def fact(self, *key: str) -> Fact:
        """Return what is known of a key; that there is nothing, at first."""
        return self.facts.setdefault(key, Fact())

    def live(self, *prefix: str) -> list[Key]:
        """Return the keys under which there certainly is an item."""
        return [key for key, fact in self.facts.items() if key[: len(prefix)] == prefix and fact.certain is not None]

    def check(self, stored: Stored) -> None:
        """Note as problems what is not as it was left, was written by nobody, or violates an invariant."""
        found = dict(_by_key(stored))
        for key, fact in self.facts.items():
            item = found.pop(key, None)
            if not any(_fits(item, values) for values in fact.possible):
                self.problems.append(f"{key} is {item} and was left as {fact.possible}")
        self.problems += [
            f"{key} was written by nobody"
            for key, item in found.items()
            # Who was the first to log in is not known, nor the key of an invitation whose answer was lost.
            if item.get("oauth_provider") != {"S": RACE} and not is_invite(key[-1])
        ]
        self._check_logins(stored)
        self.problems += violations_among(stored)

    def _check_logins(self, stored: Stored) -> None:
        """Whoever logged in with one identity was one user, made once."""
        for sub, users in self.logins.items():
            user = stored.claims.get(f"claim#oauth#{RACE}#{sub}")
            if users != {user} or self.creations[sub] > 1:
                self.problems.append(f"{sub} is {user}; was {users}, made {self.creations[sub]} times")


def _by_key(stored: Stored) -> Iterator[tuple[Key, Item]]:
    for user_id, user in stored.people.items():
        yield ("users", user_id), user
    for wiki in stored.wikis:
        yield ("wikis", wiki["owner_id"]["S"], wiki["wiki_slug"]["S"]), wiki
    for acl in stored.acls:
        yield ("acls", acl["wiki_id"]["S"], acl["grantee_id"]["S"]), acl


def _fits(item: Item | None, values: Values | None) -> bool:
    if item is None or values is None:
        return item is None and values is None
    return all(_plain(item.get(name)) == value for name, value in values.items())


def _plain(value: Item | None) -> str | int | None:
    if value is None:
        return None
    return int(value["N"]) if "N" in value else str(value["S"])
