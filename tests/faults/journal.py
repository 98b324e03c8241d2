"""What the workers of the soak expect to be stored, compared with what is stored."""

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
"""The provider of the identities that all workers share."""


class Fact:
    """What may be stored under a key: one value, or several after a write of unknown outcome. None is no item."""

    def __init__(self) -> None:
        self.possible: list[Values | None] = [None]

    @property
    def certain(self) -> Values | None:
        """The attributes of the item, None if it is not certain that there is one and which."""
        return self.possible[0] if len(self.possible) == 1 else None


@dataclass
class Journal:
    """What all workers expect, have not finished, have done, and found wrong."""

    facts: dict[Key, Fact] = field(default_factory=dict)
    unfinished: list[Callable[[], Awaitable[object]]] = field(default_factory=list)
    logins: dict[str, set[str]] = field(default_factory=dict)
    creations: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def fact(self, *key: str) -> Fact:
        """Return what is known about a key; at first, that there is no item."""
        return self.facts.setdefault(key, Fact())

    def live(self, *prefix: str) -> list[Key]:
        """Return the keys with a certain item."""
        return [key for key, fact in self.facts.items() if key[: len(prefix)] == prefix and fact.certain is not None]

    def check(self, stored: Stored) -> None:
        """Record as problems every unexpected item and every violated invariant."""
        found = dict(_by_key(stored))
        for key, fact in self.facts.items():
            item = found.pop(key, None)
            if not any(_fits(item, values) for values in fact.possible):
                self.problems.append(f"{key} is {item} and was left as {fact.possible}")
        self.problems += [
            f"{key} was written by nobody"
            for key, item in found.items()
            # The journal does not know who logged in first, and not the key of an invitation whose answer was lost.
            if item.get("oauth_provider") != {"S": RACE} and not is_invite(key[-1])
        ]
        self._check_logins(stored)
        self.problems += violations_among(stored)

    def _check_logins(self, stored: Stored) -> None:
        """Record a problem if the logins with one identity returned or created several users."""
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
