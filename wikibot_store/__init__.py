"""Async, typed data access for wikibot.io on DynamoDB.

Start with `WikibotStore.open()`, or with `wikibot_store.local.local_store()` if there are no tables yet:

    async with WikibotStore.open(StoreConfig.from_env()) as store:
        user, is_new = await store.users.get_or_create_by_oauth("github", "4711")

`store.users`, `store.wikis` and `store.acls` are the DAOs of the tables, `store.admin` is for operators, and
`store.authorize` decides who may do what. `wikibot_store.errors` lists the errors.
"""

from wikibot_store.config import InsecureEndpointWarning, StoreConfig
from wikibot_store.errors import (
    AlreadyExistsError,
    BackupError,
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
from wikibot_store.models import (
    Access,
    Acl,
    Identity,
    Member,
    Page,
    PublicUser,
    PublicWiki,
    Role,
    RoleName,
    Share,
    User,
    UserStatus,
    Wiki,
    WikiStatus,
)
from wikibot_store.store import WikibotStore
from wikibot_store.tokens import hash_token, token_matches
from wikibot_store.usage import Stats, Usage, collect
from wikibot_store.workflows.adoption import AdoptPage, Undecided, UndecidedKind
from wikibot_store.workflows.scans import Scan
from wikibot_store.workflows.sweep import Finding, FindingKind, SweepPage

__all__ = [
    "Access",
    "Acl",
    "AdoptPage",
    "AlreadyExistsError",
    "BackupError",
    "ConfigurationError",
    "ConflictError",
    "CorruptItemError",
    "Finding",
    "FindingKind",
    "Identity",
    "IndexNotConfiguredError",
    "InsecureEndpointWarning",
    "InvalidCursorError",
    "InvalidInviteError",
    "InvalidKeyError",
    "LastIdentityError",
    "Member",
    "NotActiveError",
    "NotFoundError",
    "Page",
    "ProtectedOwnerError",
    "PublicUser",
    "PublicWiki",
    "QuotaExceededError",
    "RequestFailedError",
    "Role",
    "RoleName",
    "Scan",
    "Share",
    "Stats",
    "StoreConfig",
    "SweepPage",
    "ThrottledError",
    "UnavailableError",
    "Undecided",
    "UndecidedKind",
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
