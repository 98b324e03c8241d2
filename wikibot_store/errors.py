"""The errors that the library raises.

    WikibotStoreError
    ├── ConfigurationError          no usable credentials or region, or other tables than expected
    ├── InvalidKeyError             also a ValueError: an id, slug or username breaks its rule
    ├── InvalidCursorError          also a ValueError: the cursor does not belong to this listing
    ├── InvalidInviteError          also a ValueError: the token does not match an open invitation
    ├── IndexNotConfiguredError     the method needs an index that the store is not configured to use
    ├── NotFoundError               there is no such item
    ├── AlreadyExistsError          the id, identity, username or slug is taken
    ├── ConflictError               another writer changed the item first
    ├── NotActiveError              the user or wiki is suspended, moving or being deleted
    ├── QuotaExceededError          the owner already has as many wikis as the limit allows
    ├── ProtectedOwnerError         the owner's own access cannot be granted or revoked
    ├── UserOwnsWikisError          the user still owns wikis and cannot be deleted
    ├── LastIdentityError           the user's only identity cannot be removed
    ├── BackupError                 an export, import or copy cannot start or was cut off
    ├── CorruptItemError            a stored item does not decode into its model
    ├── WriteOutcomeUnknownError    the store cannot tell whether a write took effect
    ├── UnavailableError            no attempt brought a usable answer before the deadline
    │   └── ThrottledError          DynamoDB throttled every attempt
    └── RequestFailedError          DynamoDB refused the request for another reason

Misuse of the library (a limit of 0, a naive datetime, a closed store) raises TypeError, ValueError or RuntimeError.
These are outside this tree. Messages name the table and the key, never the value of another attribute. `help` names the
section of the documentation about an error. Every error can be pickled.
"""

from collections.abc import Mapping
from typing import Any

Key = Mapping[str, str]


def _where(table: str, key: Key) -> str:
    return f"table {table!r}, key " + ", ".join(f"{name}={value!r}" for name, value in key.items())


class WikibotStoreError(Exception):
    """The base class of the library's errors. Catch it to handle all of them."""

    @property
    def help(self) -> str:
        """The section of the documentation that says what happened, why, and what to do."""
        name = next(cls.__name__ for cls in type(self).__mro__ if cls.__module__ == __name__)
        return f"docs/troubleshooting.md#{name.lower()}"


class ConfigurationError(WikibotStoreError):
    """The store cannot work with its settings; the message says what is wrong.

    The credentials or the region are missing or cannot be loaded, or a table differs from the schema. Correct the
    settings, the AWS profile or the table.
    """


class InvalidKeyError(WikibotStoreError, ValueError):
    """The argument `field` breaks the rule for its kind of key. No request was sent.

    The value usually comes from a user. Show `field` and `rule`, and ask for another value.
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(field, rule)
        self.field = field
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.field} {self.rule}"


class InvalidCursorError(WikibotStoreError, ValueError):
    """The cursor cannot continue this listing. No request was sent.

    It is damaged, or it was made for another listing, by another version of the library or with another cursor secret.
    List from the start, without a cursor.
    """


class InvalidInviteError(WikibotStoreError, ValueError):
    """The token does not match an open invitation.

    It is damaged, or the invitation was used or revoked or has expired, or its wiki was moved or deleted. Ask for a new
    invitation.
    """


class IndexNotConfiguredError(WikibotStoreError):
    """The method needs the opt-in index `index`, and the store is not configured to use it. No request was sent.

    Provision the index, then set the StoreConfig field `setting` to True.
    """

    def __init__(self, index: str, setting: str) -> None:
        super().__init__(index, setting)
        self.index = index
        self.setting = setting

    def __str__(self) -> str:
        return f"this method needs the index {self.index!r}: provision it, then set StoreConfig({self.setting}=True)"


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
    """There is no such item in `table`.

    It never existed, or somebody deleted it. `key` names what is missing, which may be an owner or a grantee.
    """

    _reason = "not found"


class AlreadyExistsError(_ItemError):
    """Somebody else already has the value; nothing was written.

    `field` says what is taken: "id", "oauth", "username" or "wiki_slug". Choose another value, or use the item that is
    there.
    """

    def __init__(self, table: str, key: Key, field: str) -> None:
        super().__init__(table, key)
        self.args = (table, self.key, field)
        self.field = field

    def __str__(self) -> str:
        return f"already exists ({self.field} is taken): {_where(self.table, self.key)}"


class ConflictError(_ItemError):
    """Another writer changed the item after its version was read; nothing was written.

    `current` is the item as it is now. Apply the change to it and update again, or show it to the user.
    """

    _reason = "changed by another writer"

    def __init__(self, table: str, key: Key, current: Any) -> None:  # noqa: ANN401 - User or Wiki; models are above
        super().__init__(table, key)
        self.args = (table, self.key, current)
        self.current = current


class NotActiveError(_ItemError):
    """The user or wiki exists, but its `status` does not allow the operation.

    It is suspended, being deleted or moving. A move ends by itself within moments, or when it is called again after a
    crash; try again then.
    """

    _reason = "not active"

    def __init__(self, table: str, key: Key, status: str) -> None:
        super().__init__(table, key)
        self.args = (table, self.key, status)
        self.status = status

    def __str__(self) -> str:
        return f"not active (status is {self.status!r}): {_where(self.table, self.key)}"


class QuotaExceededError(_ItemError):
    """The user already owns `limit` wikis; nothing was written.

    Delete a wiki, or raise the limit: the argument `limit` or the setting `wiki_limit`.
    """

    def __init__(self, table: str, key: Key, limit: int) -> None:
        super().__init__(table, key)
        self.args = (table, self.key, limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the limit of {self.limit} wikis is reached: {_where(self.table, self.key)}"


class ProtectedOwnerError(_ItemError):
    """The grantee owns the wiki. An owner has full access without a grant, so it cannot be granted, lowered or revoked.

    Transfer the wiki to give it to another owner.
    """

    _reason = "the owner's access cannot be changed"


class UserOwnsWikisError(_ItemError):
    """The user still owns `count` wikis, so the user was not deleted.

    Delete or transfer the wikis first, or call `users.delete(…, wikis="delete")`.
    """

    def __init__(self, table: str, key: Key, count: int) -> None:
        super().__init__(table, key)
        self.args = (table, self.key, count)
        self.count = count

    def __str__(self) -> str:
        wikis = "1 wiki" if self.count == 1 else f"{self.count} wikis"
        return f"the user still owns {wikis}, delete or transfer them first: {_where(self.table, self.key)}"


class LastIdentityError(_ItemError):
    """The identity is the user's only one, and the user could not log in without it; nothing was written.

    Link another identity first.
    """

    _reason = "the user's only identity cannot be removed, link another first"


class BackupError(WikibotStoreError):
    """An export, an import or a copy cannot start, or was cut off.

    The message says what is wrong and what was written so far. If `resume` is None, no item was written: correct what
    the message names and call again. Otherwise pass `resume` to the same call to continue. An export continues when it
    is called again with the same folder.
    """

    def __init__(self, message: str, resume: str | None = None) -> None:
        super().__init__(message, resume)
        self.message = message
        self.resume = resume

    def __str__(self) -> str:
        return self.message


class CorruptItemError(_ItemError):
    """A stored item does not decode into its model.

    Another program wrote it, or it is damaged. `reason` names the attribute and the expected type, not the value.
    Repair or delete the item; `admin.sweep` finds all such items.
    """

    def __init__(self, table: str, key: Key, reason: str) -> None:
        super().__init__(table, key)
        self.args = (table, self.key, reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"corrupt item, {self.reason}: {_where(self.table, self.key)}"


class WriteOutcomeUnknownError(_ItemError):
    """The store sent a write and cannot tell whether it took effect.

    The answer was lost, and the store could not find out afterwards, for example because another writer changed the
    item. Read the item and decide what is still to be done. `operation` is the DynamoDB operation that was sent.
    """

    def __init__(self, table: str, key: Key, operation: str) -> None:
        super().__init__(table, key)
        self.args = (table, self.key, operation)
        self.operation = operation

    def __str__(self) -> str:
        where = _where(self.table, self.key)
        return f"{self.operation} may or may not have taken effect, read the item to find out: {where}"


class UnavailableError(WikibotStoreError):
    """None of `attempts` attempts of `operation` brought a usable answer before the deadline. It wrote no item.

    The endpoint is down or unreachable, or its answers are late or damaged; `reason` describes the last failure. Try
    again later, or raise `deadline` and `read_timeout`.
    """

    _usual_advice = ""

    def __init__(self, operation: str, attempts: int, reason: str, advice: str = "") -> None:
        super().__init__(operation, attempts, reason, advice)
        self.operation = operation
        self.attempts = attempts
        self.reason = reason
        self.advice = advice or self._usual_advice

    def __str__(self) -> str:
        tries = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        advice = f"; {self.advice}" if self.advice else ""
        return f"{self.operation} failed after {tries}: {self.reason}{advice}"


class ThrottledError(UnavailableError):
    """DynamoDB throttled every attempt. The request wrote no item.

    The table, the index or one partition is at its limit. Send fewer requests, or spread them over more partition keys.
    """

    _usual_advice = "slow down, or look for a hot partition"


class RequestFailedError(WikibotStoreError):
    """DynamoDB refused the request. `code`, `message` and `request_id` come from DynamoDB.

    A permission or a table is missing, the credentials are invalid, or an item is too large. If the library knows
    what to do about it, `message` says so.
    """

    def __init__(self, operation: str, code: str, message: str, request_id: str | None) -> None:
        super().__init__(operation, code, message, request_id)
        self.operation = operation
        self.code = code
        self.message = message
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.operation} was refused with {self.code}: {self.message} (request id {self.request_id})"
