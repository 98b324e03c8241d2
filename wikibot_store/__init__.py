"""Async, typed data access for wikibot.io on DynamoDB.

Begin with `WikibotStore.open()`, or with `wikibot_store.local.local_store()` where there are no tables yet:

    async with WikibotStore.open(StoreConfig.from_env()) as store:
        user, is_new = await store.users.get_or_create_by_oauth("github", "4711")

`store.users`, `store.wikis` and `store.acls` are the tables' DAOs; what crosses tables (`authorize`, `create_wiki`,
`grant`, `rename_wiki`, …) is a method of the store. `wikibot_store.errors` draws the tree of errors.
"""

from wikibot_store.config import InsecureEndpointWarning, StoreConfig
from wikibot_store.errors import (
    AlreadyExistsError,
    ConfigurationError,
    ConflictError,
    CorruptItemError,
    IndexNotConfiguredError,
    InvalidCursorError,
    InvalidInviteError,
    InvalidKeyError,
    LastIdentityError,
    NotActiveError,
    NotFoundError,
    ProtectedOwnerError,
    QuotaExceededError,
    RequestFailedError,
    ThrottledError,
    UnavailableError,
    UserOwnsWikisError,
    WikibotStoreError,
    WriteOutcomeUnknownError,
)
from wikibot_store.keys import WikiKey
from wikibot_store.models import Access, Acl, Identity, Page, Role, User, UserStatus, Wiki, WikiStatus
from wikibot_store.store import WikibotStore
from wikibot_store.tokens import hash_token, token_matches
from wikibot_store.usage import Stats, Usage, collect
from wikibot_store.workflows.findings import Fault, Finding, SweepPage

__all__ = [
    "Access",
    "Acl",
    "AlreadyExistsError",
    "ConfigurationError",
    "ConflictError",
    "CorruptItemError",
    "Fault",
    "Finding",
    "Identity",
    "IndexNotConfiguredError",
    "InsecureEndpointWarning",
    "InvalidCursorError",
    "InvalidInviteError",
    "InvalidKeyError",
    "LastIdentityError",
    "NotActiveError",
    "NotFoundError",
    "Page",
    "ProtectedOwnerError",
    "QuotaExceededError",
    "RequestFailedError",
    "Role",
    "Stats",
    "StoreConfig",
    "SweepPage",
    "ThrottledError",
    "UnavailableError",
    "Usage",
    "User",
    "UserOwnsWikisError",
    "UserStatus",
    "Wiki",
    "WikiKey",
    "WikiStatus",
    "WikibotStore",
    "WikibotStoreError",
    "WriteOutcomeUnknownError",
    "collect",
    "hash_token",
    "token_matches",
]
__version__ = "0.1.0"
