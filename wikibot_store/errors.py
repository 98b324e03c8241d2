"""Every error that the library raises of its own accord.

    WikibotStoreError
    ├── ConfigurationError          no credentials, no region: nothing can be sent
    ├── InvalidKeyError             also a ValueError: an id, slug or username breaks its rule
    ├── InvalidCursorError          also a ValueError: not a cursor of this listing
    ├── InvalidInviteError          also a ValueError: the token opens nothing (any more)
    ├── IndexNotConfiguredError     the access pattern needs an index that is switched off
    ├── NotFoundError               the item that must exist does not
    ├── AlreadyExistsError          a create was refused
    ├── ConflictError               a versioned write was refused
    ├── NotActiveError              the user or wiki is suspended or on its way out
    ├── QuotaExceededError          the owner has as many wikis as allowed
    ├── ProtectedOwnerError         the owner's own access cannot be changed
    ├── UserOwnsWikisError          the user cannot be deleted before the wikis
    ├── LastIdentityError           the user could not log in any more
    ├── CorruptItemError            a stored item does not decode
    ├── WriteOutcomeUnknownError    a write may or may not have been applied
    ├── UnavailableError            no usable answer within the attempts and the deadline
    │   └── ThrottledError          … because DynamoDB asked to slow down
    └── RequestFailedError          anything else that DynamoDB refused

Misuse (a limit of 0, a naive datetime, a closed store) is TypeError, ValueError or RuntimeError, outside this tree.
Messages name table and key, never another attribute's value. Every class can be pickled.
"""

from collections.abc import Mapping
from typing import Any

Key = Mapping[str, str]


def _where(table: str, key: Key) -> str:
    return f"table {table!r}, key " + ", ".join(f"{name}={value!r}" for name, value in key.items())


class WikibotStoreError(Exception):
    """Root of the library's errors."""


class ConfigurationError(WikibotStoreError):
    """The store cannot send anything: credentials or region are missing."""


class InvalidKeyError(WikibotStoreError, ValueError):
    """A key value breaks its rule; raised before any request. `field` names the argument."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(field, rule)
        self.field = field
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.field} {self.rule}"


class InvalidCursorError(WikibotStoreError, ValueError):
    """The cursor is damaged, forged, of another version or of another listing."""


class InvalidInviteError(WikibotStoreError, ValueError):
    """The token is no invitation's: damaged, used, revoked, expired, or its wiki has gone or moved."""


class IndexNotConfiguredError(WikibotStoreError):
    """The access pattern needs the opt-in index `index`, which this store is not configured to have."""

    def __init__(self, index: str, setting: str) -> None:
        super().__init__(index, setting)
        self.index = index
        self.setting = setting

    def __str__(self) -> str:
        return f"this needs the index {self.index!r}: provision it, then set StoreConfig({self.setting}=True)"


class _ItemError(WikibotStoreError):
    """An error about one item of one table."""

    _reason = "failed"

    def __init__(self, table: str, key: Key) -> None:
        super().__init__(table, dict(key))
        self.table = table
        self.key = dict(key)

    def __str__(self) -> str:
        return f"{self._reason}: {_where(self.table, self.key)}"


class NotFoundError(_ItemError):
    """No such item."""

    _reason = "not found"


class AlreadyExistsError(_ItemError):
    """A create was refused; `field` says what is taken: "id", "oauth", "username" or "wiki_slug"."""

    def __init__(self, table: str, key: Key, field: str) -> None:
        super().__init__(table, key)
        self.args = (table, self.key, field)
        self.field = field

    def __str__(self) -> str:
        return f"already exists ({self.field} is taken): {_where(self.table, self.key)}"


class ConflictError(_ItemError):
    """Somebody else changed the item first; `current` is the item as it is now."""

    _reason = "changed by another writer"

    def __init__(self, table: str, key: Key, current: Any) -> None:  # noqa: ANN401 - User or Wiki; models are above
        super().__init__(table, key)
        self.args = (table, self.key, current)
        self.current = current


class NotActiveError(_ItemError):
    """The user or wiki is there, but in `status` and not active."""

    _reason = "not active"

    def __init__(self, table: str, key: Key, status: str) -> None:
        super().__init__(table, key)
        self.args = (table, self.key, status)
        self.status = status

    def __str__(self) -> str:
        return f"{self.status}, not active: {_where(self.table, self.key)}"


class QuotaExceededError(_ItemError):
    """The user owns `limit` wikis already."""

    def __init__(self, table: str, key: Key, limit: int) -> None:
        super().__init__(table, key)
        self.args = (table, self.key, limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"no more than {self.limit} wikis: {_where(self.table, self.key)}"


class ProtectedOwnerError(_ItemError):
    """The owner of a wiki has all access by owning it; it can be neither granted, lowered nor revoked."""

    _reason = "the owner's access is fixed"


class UserOwnsWikisError(_ItemError):
    """The user owns `count` wikis and cannot be deleted without them."""

    def __init__(self, table: str, key: Key, count: int) -> None:
        super().__init__(table, key)
        self.args = (table, self.key, count)
        self.count = count

    def __str__(self) -> str:
        return f"owns wikis ({self.count}), delete or transfer them first: {_where(self.table, self.key)}"


class LastIdentityError(_ItemError):
    """The identity is the only one of the user, who could not log in any more without it."""

    _reason = "the last identity cannot be removed"


class CorruptItemError(_ItemError):
    """A stored item does not decode into its model; `reason` names the attribute and its type, not its value."""

    def __init__(self, table: str, key: Key, reason: str) -> None:
        super().__init__(table, key)
        self.args = (table, self.key, reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"corrupt item, {self.reason}: {_where(self.table, self.key)}"


class WriteOutcomeUnknownError(_ItemError):
    """The write may or may not have been applied, and what is stored now does not tell.

    Read the item to decide; `operation` is the DynamoDB operation that was sent.
    """

    def __init__(self, table: str, key: Key, operation: str) -> None:
        super().__init__(table, key)
        self.args = (table, self.key, operation)
        self.operation = operation

    def __str__(self) -> str:
        return f"{self.operation} may or may not have been applied: {_where(self.table, self.key)}"


class UnavailableError(WikibotStoreError):
    """DynamoDB gave no usable answer to `operation` in `attempts` attempts; nothing was written."""

    _advice = "is the endpoint up and reachable?"

    def __init__(self, operation: str, attempts: int, reason: str) -> None:
        super().__init__(operation, attempts, reason)
        self.operation = operation
        self.attempts = attempts
        self.reason = reason

    def __str__(self) -> str:
        tries = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        return f"{self.operation} failed after {tries}: {self.reason}; {self._advice}"


class ThrottledError(UnavailableError):
    """DynamoDB throttled every attempt."""

    _advice = "slow down, or look for a hot partition"


class RequestFailedError(WikibotStoreError):
    """DynamoDB refused the request; `code` and `request_id` are DynamoDB's own."""

    def __init__(self, operation: str, code: str, message: str, request_id: str | None) -> None:
        super().__init__(operation, code, message, request_id)
        self.operation = operation
        self.code = code
        self.message = message
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.operation} was refused with {self.code}: {self.message} (request id {self.request_id})"
