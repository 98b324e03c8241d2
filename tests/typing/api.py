"""The types of the public API as type checkers see them: mypy and pyright read this file, nothing executes it.

A line with `type: ignore` is one that both must reject: both report an ignore that is not needed.
"""

import warnings
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

import aioboto3
from aiobotocore.session import AioSession
from types_aiobotocore_dynamodb import DynamoDBClient

from wikibot_store import (
    Access,
    Acl,
    AdoptPage,
    AlreadyExistsError,
    BackupError,
    ConfigurationError,
    ConflictError,
    CorruptItemError,
    Finding,
    FindingKind,
    Identity,
    IndexNotConfiguredError,
    InsecureEndpointWarning,
    InvalidCursorError,
    InvalidInviteError,
    InvalidKeyError,
    LastIdentityError,
    Member,
    NotActiveError,
    NotFoundError,
    Page,
    ProtectedOwnerError,
    PublicUser,
    PublicWiki,
    QuotaExceededError,
    RequestFailedError,
    Role,
    RoleName,
    Scan,
    Share,
    Stats,
    StoreConfig,
    SweepPage,
    ThrottledError,
    UnavailableError,
    Undecided,
    UndecidedKind,
    Usage,
    User,
    UserOwnsWikisError,
    UserStatus,
    Wiki,
    WikibotStore,
    WikibotStoreError,
    WikiKey,
    WikiStatus,
    WriteOutcomeUnknownError,
    collect,
    hash_token,
    token_matches,
)
from wikibot_store.backup import (
    ExportedTable,
    ImportMode,
    WrittenTable,
    copy_tables,
    export_tables,
    import_tables,
)
from wikibot_store.daos.acls import AclDao
from wikibot_store.daos.admin import AdminDao
from wikibot_store.daos.users import UserDao
from wikibot_store.daos.wikis import WikiDao
from wikibot_store.local import local_engine, local_session, local_store
from wikibot_store.provision import ProvisionedTable, create_tables, delete_tables
from wikibot_store.testing.factories import MakeGrant, MakeUser, MakeWiki
from wikibot_store.verify import Drift, verify_tables


async def opening(session: AioSession, other_session: aioboto3.Session, config: StoreConfig) -> None:
    """A store is opened with settings, a session of either library, both or neither."""
    async with WikibotStore.open() as store:
        assert_type(store, WikibotStore)
    async with WikibotStore.open(config) as store, WikibotStore.open(session=session) as other:
        assert_type(store.config, StoreConfig)
        assert_type(await other.client(), DynamoDBClient)
        assert_type(store.users, UserDao)
        assert_type(store.wikis, WikiDao)
        assert_type(store.acls, AclDao)
        assert_type(store.admin, AdminDao)
    async with local_store() as store, local_store(config) as other:
        assert_type((store, other), tuple[WikibotStore, WikibotStore])
    with local_engine() as url:
        assert_type(url, str)
    async with WikibotStore.open(session=local_session()), WikibotStore.open(session=other_session):
        pass
    WikibotStore.open(config, session)  # type: ignore[call-arg]


def config(outputs: Mapping[str, Any]) -> None:
    """Settings are typed and can be read from two places. A plain HTTP endpoint on a network is a warning."""
    warnings.simplefilter("error", InsecureEndpointWarning)
    settings = StoreConfig(region="eu-central-1", grantee_index=True, deadline=3)
    assert_type(StoreConfig.from_env(), StoreConfig)
    assert_type(StoreConfig.from_env({"WIKIBOT_REGION": "eu-central-1"}), StoreConfig)
    assert_type(StoreConfig.from_stack_outputs(outputs), StoreConfig)
    assert_type(settings.table_name("users"), str)
    assert_type(settings.region, str | None)
    assert_type(settings.endpoint_url, str | None)
    assert_type(settings.users_table, str)
    assert_type(settings.grantee_index, bool)
    assert_type(settings.max_attempts, int | None)
    assert_type(settings.deadline, float)
    assert_type(settings.cursor_secret, str | tuple[str, ...] | None)
    StoreConfig("eu-central-1")  # type: ignore[call-arg]
    StoreConfig(max_attempts="5")  # type: ignore[arg-type]
    settings.deadline = 5.0  # type: ignore[misc]


async def users(store: WikibotStore) -> None:
    """Users: None where there may be none, plain values where there must be one."""
    user = await store.users.create(oauth_provider="github", oauth_provider_sub="4711", id="u-1", username="ada")
    assert_type(user, User)
    assert_type(await store.users.get("u-1", consistent=True), User | None)
    assert_type(await store.users.require("u-1", consistent=True), User)
    assert_type(await store.users.get_many(["u-1", "u-2"]), dict[str, User])
    assert_type(await store.users.get_many(id_ for id_ in ("u-1", "u-2")), dict[str, User])
    assert_type(await store.users.get_by_oauth("github", "4711", consistent=True), User | None)
    assert_type(await store.users.get_by_username("ada"), User | None)
    assert_type(await store.users.get_or_create_by_oauth("github", "4711", email=None), tuple[User, bool])
    assert_type(await store.users.update("u-1", email=None, tier="pro", status="suspended"), User)
    assert_type(await store.users.update("u-1", expected_version=3, status=UserStatus.ACTIVE), User)
    assert_type(await store.users.set_username("u-1", "ada"), User)
    assert_type(await store.users.set_username("u-1", None), User)
    assert_type(await store.users.record_login("u-1"), User)
    assert_type(await store.users.link_identity("u-1", "google", "42"), User)
    assert_type(await store.users.unlink_identity("u-1", "google", "42"), User)
    identities = await store.users.get_identities("u-1")
    assert_type(identities[0].provider, str)
    assert_type(identities[0].sub, str)
    await store.users.create("github", "4711")  # type: ignore[call-arg]
    await store.users.get("u-1", True)  # type: ignore[call-arg]
    await store.users.update("u-1", tier=None)  # type: ignore[arg-type]
    await store.users.update("u-1", wiki_count=3)  # type: ignore[call-arg]


def a_user(user: User) -> None:
    """A user's attributes have their types, and cannot be assigned."""
    assert_type(user.id, str)
    assert_type(user.username, str | None)
    assert_type(user.tier, str)
    assert_type(user.status, UserStatus)
    assert_type(user.wiki_count, int)
    assert_type(user.created_at, datetime)
    assert_type(user.last_login_at, datetime | None)
    assert_type(user.version, int)
    assert_type(user.public(), PublicUser)
    user.tier = "pro"  # type: ignore[misc]


async def wikis(store: WikibotStore, measured_at: datetime) -> None:
    """Wikis: key values positional, everything else by keyword."""
    wiki = await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes", is_public=True)
    assert_type(wiki, Wiki)
    assert_type(await store.wikis.get("u-1", "notes", consistent=True), Wiki | None)
    assert_type(await store.wikis.require("u-1", "notes", consistent=True), Wiki)
    assert_type(await store.wikis.get_many([WikiKey("u-1", "notes"), wiki.key]), dict[WikiKey, Wiki])
    assert_type(await store.wikis.update("u-1", "notes", mcp_token_hash=None, is_public=False), Wiki)
    assert_type(await store.wikis.update("u-1", "notes", expected_version=3, uid=wiki.uid, is_public=True), Wiki)
    assert_type(await store.wikis.set_mcp_token("u-1", "notes"), tuple[Wiki, str])
    assert_type(await store.wikis.touch("u-1", "notes", min_interval=0.5), bool)
    noted = await store.wikis.record_usage(
        "u-1", "notes", uid=wiki.uid, page_count=3, disk_usage_bytes=4096, measured_at=measured_at
    )
    assert_type(noted, bool)
    await store.wikis.create("u-1", "notes", "Notes", "/srv/notes")  # type: ignore[call-arg]
    await store.wikis.update("u-1", "notes", display_name=None)  # type: ignore[arg-type]
    await store.wikis.get_many([("u-1", "notes")])  # type: ignore[list-item]


async def listings(store: WikibotStore) -> None:
    """A page is typed by its items; a stream is an async iterator and no coroutine."""
    page = await store.wikis.list_by_owner("u-1", limit=10, cursor=None, prefix="a", descending=True, consistent=True)
    assert_type(page, Page[Wiki])
    assert_type(page.items, list[Wiki])
    assert_type(page.cursor, str | None)
    assert_type(len(page), int)
    for wiki in page:
        assert_type(wiki, Wiki)
    assert_type(store.wikis.iter_by_owner("u-1", prefix="a", page_size=10), AsyncGenerator[Wiki, None])
    async for streamed in store.wikis.iter_by_owner("u-1"):
        assert_type(streamed, Wiki)
    assert_type(await store.wikis.list_public_by_owner("u-1", limit=10, cursor=None), Page[Wiki])
    assert_type(await store.acls.list_by_wiki("u-1:notes", limit=10, cursor=page.cursor), Page[Acl])
    assert_type(await store.acls.list_by_grantee("u-2", limit=10, cursor=None), Page[Acl])
    async for acl in store.acls.iter_by_wiki("u-1:notes"):
        assert_type(acl, Acl)
    await store.wikis.iter_by_owner("u-1")  # type: ignore[misc]


def a_wiki(wiki: Wiki) -> None:
    """A wiki's attributes have their types, and cannot be assigned."""
    assert_type(wiki.key, WikiKey)
    assert_type(wiki.uid, str)
    assert_type(wiki.mcp_token_hash, str | None)
    assert_type(wiki.is_public, bool)
    assert_type(wiki.status, WikiStatus)
    assert_type(wiki.page_count, int)
    assert_type(wiki.last_accessed, datetime | None)
    assert_type(wiki.public(), PublicWiki)
    assert_type(wiki.is_live, bool)
    wiki.is_public = True  # type: ignore[misc]


async def acls(store: WikibotStore, expires_at: datetime) -> None:
    """Grants: a role is a member or its value."""
    acl = await store.acls.create("u-1:notes", "u-2", Role.EDITOR, granted_by="u-1", expires_at=expires_at)
    assert_type(acl, Acl)
    assert_type(await store.acls.create("u-1:notes", "u-2", "viewer", granted_by="u-1"), Acl)
    assert_type(await store.acls.get("u-1:notes", "u-2", consistent=True), Acl | None)
    assert_type(await store.acls.delete("u-1:notes", "u-2"), bool)
    assert_type(acl.role, Role)
    assert_type(acl.granted_at, datetime)
    assert_type(acl.expires_at, datetime | None)
    await store.acls.create("u-1:notes", "u-2", Role.EDITOR)  # type: ignore[call-arg]


async def sharing(store: WikibotStore, wiki: Wiki, expires_at: datetime) -> None:
    """Pages of pairs: a grant with its user, a grant with its wiki; an invitation comes with its token."""
    members = await store.acls.list_members(wiki.key, limit=10, cursor=None)
    assert_type(members, Page[Member])
    for acl, user in members:
        assert_type(acl, Acl)
        assert_type(user, User | None)
    shares = await store.acls.list_shared_with("u-2", limit=10, cursor=None)
    assert_type(shares, Page[Share])
    assert_type(shares.items[0].wiki, Wiki | None)
    invitation, token = await store.acls.invite(
        "u-1:notes", "bob@example.org", "editor", invited_by="u-1", expires_at=expires_at
    )
    assert_type((invitation, token), tuple[Acl, str])
    assert_type(invitation.invited_email, str | None)
    assert_type(await store.acls.accept_invite(token, "u-2"), Acl)
    assert_type(await store.acls.list_invitations("u-1:notes", limit=10, cursor=None), Page[Acl])
    await store.acls.invite("u-1:notes", "bob@example.org", "editor", invited_by="u-1")  # type: ignore[call-arg]


async def moving_and_deleting(store: WikibotStore) -> None:
    """A move returns the wiki under its new key, a deletion whether there was something to delete."""
    assert_type(await store.wikis.rename("u-1", "notes", "diary"), Wiki)
    assert_type(await store.wikis.transfer("u-1", "notes", "u-2", limit=None), Wiki)
    assert_type(await store.wikis.delete("u-1", "notes"), bool)
    assert_type(await store.users.delete("u-1"), bool)
    assert_type(await store.users.delete("u-1", wikis="delete"), bool)
    await store.users.delete("u-1", wikis="keep")  # type: ignore[arg-type]


async def misspelt(store: WikibotStore, access: Access, make_grant: MakeGrant, expires_at: datetime) -> None:
    """A misspelt role or status is rejected wherever one is given."""
    role: RoleName = "editor"
    access.allows(role)
    role = "editer"  # type: ignore[assignment]
    access.allows("reader")  # type: ignore[arg-type]
    access.wiki_for("Editor")  # type: ignore[arg-type]
    await make_grant(role="admin")  # type: ignore[arg-type]
    await store.authorize_token("u-1", "notes", "a token", role="write")  # type: ignore[arg-type]
    await store.acls.create("u-1:notes", "u-2", "editer", granted_by="u-1")  # type: ignore[arg-type]
    await store.acls.invite("u-1:notes", "b@x.org", "views", invited_by="u-1", expires_at=expires_at)  # type: ignore[arg-type]
    await store.users.update("u-1", status="suspendet")  # type: ignore[arg-type]
    await store.users.update("u-1", status="deleting")  # type: ignore[arg-type]
    await store.users.update("u-1", status=UserStatus.DELETING)  # type: ignore[arg-type]


async def operating(store: WikibotStore) -> None:
    """A sweep is an async iterator of pages, whose findings say what is wrong with which item."""
    assert_type(await store.admin.reconcile_wiki_count("u-1"), int)
    assert_type(store.admin.sweep(), AsyncGenerator[SweepPage, None])
    async for page in store.admin.sweep(apply=True, max_rcu=50, resume=None):
        assert_type(page, SweepPage)
        assert_type(page.table, str)
        assert_type(page.scanned, int)
        assert_type(page.resume, str | None)
        for finding in page.findings:
            assert_type(finding, Finding)
            assert_type(finding.kind, FindingKind)
            assert_type(finding.key, dict[str, str])
            assert_type(finding.repaired, bool)
            assert_type(finding.problem, str | None)
    await store.admin.sweep()  # type: ignore[misc]


async def adopting(store: WikibotStore) -> None:
    """An adoption is an async iterator of pages, which say what a person has to decide."""
    assert_type(store.admin.adopt(), AsyncGenerator[AdoptPage, None])
    async for page in store.admin.adopt(apply=True, max_rcu=50, max_wcu=50, resume=None):
        assert_type(page, AdoptPage)
        assert_type(page.completed, int)
        assert_type(page.resume, str | None)
        for undecided in page.undecided:
            assert_type(undecided, Undecided)
            assert_type(undecided.kind, UndecidedKind)
            assert_type(undecided.key, dict[str, str])
            assert_type(undecided.problem, str)


async def everything(store: WikibotStore) -> None:
    """All items of a table come from a typed iterator, which says where to continue."""
    users = store.admin.iter_users(segments=8, max_rcu=50, resume=None)
    assert_type(users, Scan[User])
    assert_type(users.resume, str | None)
    assert_type([user async for user in users], list[User])
    assert_type([wiki async for wiki in store.admin.iter_wikis()], list[Wiki])
    assert_type([acl async for acl in store.admin.iter_acls()], list[Acl])
    await users.aclose()
    await store.admin.iter_wikis()  # type: ignore[misc]


def keys() -> None:
    """A wiki's key and its joined form."""
    assert_type(WikiKey("u-1", "notes").wiki_id, str)
    assert_type(WikiKey.parse("u-1:notes"), WikiKey)
    assert_type(sorted([WikiKey("u-1", "b"), WikiKey("u-1", "a")]), list[WikiKey])
    WikiKey("u-1")  # type: ignore[call-arg]


async def errors(store: WikibotStore) -> None:
    """Errors carry fields."""
    try:
        await store.users.require("u-1")
    except AlreadyExistsError as error:
        assert_type(error.table, str)
        assert_type(error.key, dict[str, str])
        assert_type(error.field, str)
    except ConflictError as error:
        assert_type(error.current, Any)
    except BackupError as error:
        assert_type(error.resume, str | None)
    except CorruptItemError as error:
        assert_type(error.reason, str)
    except ThrottledError as error:
        unavailable: UnavailableError = error
        assert_type(unavailable.attempts, int)
    except RequestFailedError as error:
        assert_type(error.code, str)
        assert_type(error.request_id, str | None)
    except (InvalidKeyError, InvalidCursorError) as error:
        also_a_value_error: ValueError = error
        raise also_a_value_error from error


async def more_errors(store: WikibotStore) -> None:
    """All of them have one root."""
    try:
        await store.wikis.delete("u-1", "notes")
    except QuotaExceededError as error:
        assert_type(error.limit, int)
    except NotActiveError as error:
        assert_type(error.status, str)
    except IndexNotConfiguredError as error:
        assert_type((error.index, error.setting), tuple[str, str])
    except WriteOutcomeUnknownError as error:
        assert_type(error.operation, str)
    except (NotFoundError, ProtectedOwnerError) as error:
        assert_type(error.table, str)
    except UserOwnsWikisError as error:
        assert_type(error.count, int)
    except (LastIdentityError, InvalidInviteError, ConfigurationError) as error:
        root: WikibotStoreError = error
        raise root from error


async def access(store: WikibotStore) -> None:
    """Access is a role or none; the wiki is there for those who may do something in it."""
    access = await store.authorize("u-2", "u-1", "notes", consistent=False)
    assert_type(access, Access)
    assert_type(await store.authorize(None, "u-1", "notes"), Access)
    assert_type(await store.authorize_token("u-1", "notes", "a token", role="viewer"), Access)
    assert_type(access.role, Role | None)
    assert_type(access.wiki, Wiki | None)
    assert_type(access.user, User | None)
    assert_type(access.allows("editor"), bool)
    assert_type(access.wiki_for(Role.EDITOR), Wiki | None)


async def identities(store: WikibotStore) -> None:
    """A user may have several identities."""
    assert_type(await store.users.get_identities("u-1"), list[Identity])
    assert_type(await store.users.link_identity("u-1", "github", "4711"), User)
    assert_type(await store.users.unlink_identity("u-1", "github", "4711"), User)


def costs(store: WikibotStore) -> None:
    """What was sent: by a store, or in a block."""
    stats = store.stats()
    assert_type(stats, Stats)
    assert_type(stats.requests, dict[str, int])
    with collect() as usage:
        assert_type(usage, Usage)
        assert_type((usage.requests, usage.read_units), tuple[int, float])


def tokens() -> None:
    """Tokens are stored as their hashes."""
    assert_type(hash_token("secret"), str)
    assert_type(token_matches("secret", None), bool)


async def tables(store: WikibotStore) -> None:
    """Making, comparing and deleting the tables."""
    assert_type(await create_tables(store, environment="dev", deletion_protection=True), list[ProvisionedTable])
    assert_type(await verify_tables(store, environment="dev"), list[Drift])
    await delete_tables(store)
    assert_type(await export_tables(store, "backup", tables=["users"], max_rcu=100), list[ExportedTable])
    assert_type(await import_tables(store, Path("backup"), mode="if_absent", report=print), list[WrittenTable])
    assert_type(await copy_tables(store, store, mode=ImportMode.OVERWRITE, segments=2), list[WrittenTable])
    await import_tables(store, "backup", mode="merge")  # type: ignore[arg-type]
    async with WikibotStore.open(verify=True) as verified:
        assert_type(verified, WikibotStore)


async def factories(make_user: MakeUser, make_wiki: MakeWiki, make_grant: MakeGrant) -> None:
    """Factories for tests: everything may be left out."""
    assert_type(await make_user(username="ada"), User)
    assert_type(await make_wiki(await make_user(), wiki_slug="notes"), Wiki)
    assert_type(await make_grant(role="editor"), Acl)
    await make_user("ada")  # type: ignore[call-arg]
