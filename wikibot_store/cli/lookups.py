"""`wikibot-store user`, `wiki` and `acl`: show items as they are now, and the changes that operators make."""

import shlex
from collections.abc import Awaitable, Callable, Mapping
from functools import update_wrapper
from typing import Annotated, Any, TypeVar

import typer

from wikibot_store._dynamo.checks import check_limit
from wikibot_store.cli._app import Options, UsageError, acl, fail, user, wiki, with_options
from wikibot_store.cli._output import cell, note, print_json, print_table, view
from wikibot_store.errors import CorruptItemError, NotFoundError
from wikibot_store.keys import WikiKey
from wikibot_store.models import Acl, Page, User, Wiki
from wikibot_store.schema import ACLS, USERS, WIKIS, TableSchema
from wikibot_store.store import WikibotStore
from wikibot_store.workflows.scans import Scan

M = TypeVar("M", User, Wiki)

Found = User | Wiki | Acl | Page[User] | Page[Wiki] | Page[Acl]
Find = Callable[..., Awaitable[Found | None]]
"""An access pattern: takes the store, and a command's arguments by name."""

# Attributes by heading: with ids of 32 characters, a line has at most 80.
_COLUMNS: Mapping[TableSchema, Mapping[str, str]] = {
    USERS: {"id": "id", "username": "username", "status": "status", "wikis": "wiki_count", "created": "created_at"},
    WIKIS: {
        "wiki_slug": "wiki_slug",
        "display_name": "display_name",
        "status": "status",
        "public": "is_public",
        "pages": "page_count",
        "bytes": "disk_usage_bytes",
        "updated": "updated_at",
    },
    ACLS: {"grantee_id": "grantee_id", "role": "role", "granted": "granted_at", "expires": "expires_at"},
}
_ALL_WIKIS = {
    "owner_id": "owner_id",
    "wiki_slug": "wiki_slug",
    "public": "is_public",
    "pages": "page_count",
    "updated": "updated_at",
}
_DAY = len("2026-01-02")

Limit = Annotated[int, typer.Option(metavar="NUMBER", help="The most items to show, 1 to 10,000.")]
Cursor = Annotated[str | None, typer.Option(metavar="CURSOR", help="The cursor that the last page printed.")]
Owner = Annotated[str, typer.Argument(metavar="OWNER", help="The id of the user who owns it.")]
UserId = Annotated[str, typer.Argument(metavar="ID", help="The user's id.")]
GranteeId = Annotated[str, typer.Argument(metavar="GRANTEE", help="The id of the user who has the grant.")]
WikiId = Annotated[str, typer.Argument(metavar="WIKI_ID", help="The wiki, as OWNER:SLUG.")]


def _lookup(group: typer.Typer, name: str, table: TableSchema, example: str) -> Callable[[Find], Find]:
    """Make a command of an access pattern: it prints what the pattern finds, or fails if the pattern finds nothing."""

    def register(find: Find) -> Find:
        def command(options: Options, /, **arguments: Any) -> None:  # noqa: ANN401 - whatever the pattern takes
            async def found(store: WikibotStore) -> Found:
                item = await find(store, **arguments)
                if item is None:
                    raise NotFoundError(store.config.table_name(table.name), arguments)
                return item

            _show(options, options.run(found), _ALL_WIKIS if arguments.get("everything") else _COLUMNS[table])

        update_wrapper(command, find)  # name, help and arguments, as `with_options` and typer read them
        group.command(name, epilog=f"Example: wikibot-store {example}")(with_options(command))
        return find

    return register


def _show(options: Options, found: Found, columns: Mapping[str, str]) -> None:
    if isinstance(found, Page):
        _show_page(options, [view(item) for item in found], found.cursor, columns)
        if found.corrupt:
            for error in found.corrupt:
                about = error.help if options.json else None  # not a second line for each item
                fail(str(error), 1, as_json=options.json, kind=type(error).__name__, about=about)
            raise typer.Exit(1)
    elif options.json:
        print_json(view(found))
    else:
        for name, value in view(found).items():
            print(f"{name:<20}{cell(value)}")


def _show_page(options: Options, views: list[dict[str, Any]], cursor: str | None, columns: Mapping[str, str]) -> None:
    if options.json:
        print_json({"items": views, "cursor": cursor})
        return
    print_table(list(columns), [[_short(name, view[name]) for name in columns.values()] for view in views])
    if cursor is not None:
        note(f"next page: --cursor {shlex.quote(cursor)}")


def _short(attribute: str, value: Any) -> Any:  # noqa: ANN401 - whatever the attribute holds
    """Return the day of a time."""
    return value[:_DAY] if attribute.endswith("_at") and value is not None else value


async def _first(iterate: Callable[..., Scan[M]], limit: int, cursor: str | None) -> Page[M]:
    """Return the first items of an iteration over a table, and the cursor of the others."""
    check_limit("limit", limit)
    corrupt: list[CorruptItemError] = []
    try:
        items = iterate(segments=1, resume=cursor).reporting(corrupt.append)
    except ValueError as error:
        raise UsageError("the cursor is damaged or belongs to another listing: start again without one") from error
    page: list[M] = []
    following, passed = cursor, 0
    async for item in items:
        if len(page) == limit:
            await items.aclose()
            return Page(page, following, tuple(corrupt[:passed]))
        page.append(item)
        following, passed = items.resume, len(corrupt)
    return Page(page, corrupt=tuple(corrupt))


@_lookup(user, "get", USERS, "user get 3f0c --json")
async def get_user(store: WikibotStore, user_id: UserId) -> User:
    """Show the user with this id."""
    return await store.users.require(user_id, consistent=True)


@_lookup(user, "by-oauth", USERS, "user by-oauth github 4711")
async def get_user_by_oauth(
    store: WikibotStore,
    oauth_provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's name, such as github.")],
    oauth_provider_sub: Annotated[str, typer.Argument(metavar="SUB", help="The provider's id for the user.")],
) -> User | None:
    """Show the user with this OAuth identity, first or linked."""
    return await store.users.get_by_oauth(oauth_provider, oauth_provider_sub, consistent=True)


@_lookup(user, "by-username", USERS, "user by-username ada")
async def get_user_by_username(
    store: WikibotStore, username: Annotated[str, typer.Argument(metavar="NAME", help="The username.")]
) -> User | None:
    """Show the user with this username."""
    return await store.users.get_by_username(username)


@_lookup(user, "list", USERS, "user list --limit 20")
async def list_users(store: WikibotStore, *, limit: Limit = 50, cursor: Cursor = None) -> Page[User]:
    """Show users, in no order. It scans the table."""
    return await _first(store.admin.iter_users, limit, cursor)


@_lookup(user, "suspend", USERS, "user suspend 3f0c")
async def suspend_user(store: WikibotStore, user_id: UserId) -> User:
    """Suspend a user: no access for the user, and the user's wikis are closed to everybody. Nothing is deleted."""
    return await store.users.update(user_id, status="suspended")


@_lookup(user, "activate", USERS, "user activate 3f0c")
async def activate_user(store: WikibotStore, user_id: UserId) -> User:
    """Make a suspended user active again; everything is then as it was."""
    return await store.users.update(user_id, status="active")


@_lookup(wiki, "get", WIKIS, "wiki get 3f0c notes")
async def get_wiki(
    store: WikibotStore,
    owner_id: Owner,
    wiki_slug: Annotated[str, typer.Argument(metavar="SLUG", help="The slug, as in the wiki's address.")],
) -> Wiki:
    """Show one wiki of an owner."""
    return await store.wikis.require(owner_id, wiki_slug, consistent=True)


@_lookup(wiki, "list", WIKIS, "wiki list 3f0c --prefix no --limit 20")
async def list_wikis(
    store: WikibotStore,
    owner_id: Annotated[str | None, typer.Argument(metavar="OWNER", help="The id of the user who owns them.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="The live wikis of all owners, in no order.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
    prefix: Annotated[str | None, typer.Option(metavar="TEXT", help="Only slugs that start with this.")] = None,
) -> Page[Wiki]:
    """Show a page of an owner's wikis. With --all, scan the table for the wikis of all owners."""
    if (owner_id is None) != everything or (everything and prefix is not None):
        raise UsageError("give either OWNER, with or without --prefix, or --all")
    if owner_id is None:
        return await _first(store.admin.iter_wikis, limit, cursor)
    page = await store.wikis.list_by_owner(owner_id, limit=limit, cursor=cursor, prefix=prefix, consistent=True)
    if not page and not page.corrupt:
        await store.users.require(owner_id, consistent=True)  # no wikis, or nobody to have them?
    return page


@_lookup(acl, "get", ACLS, "acl get 3f0c:notes 81ab")
async def get_acl(store: WikibotStore, wiki_id: WikiId, grantee_id: GranteeId) -> Acl | None:
    """Show the grant of a user in a wiki; WIKI_ID is OWNER:SLUG."""
    return await store.acls.get(wiki_id, grantee_id, consistent=True)


@_lookup(acl, "list", ACLS, "acl list 3f0c:notes --limit 20")
async def list_acls(store: WikibotStore, wiki_id: WikiId, *, limit: Limit = 50, cursor: Cursor = None) -> Page[Acl]:
    """Show a page of a wiki's grants; WIKI_ID is OWNER:SLUG."""
    page = await store.acls.list_by_wiki(wiki_id, limit=limit, cursor=cursor, consistent=True)
    if not page and not page.corrupt:
        key = WikiKey.parse(wiki_id)
        await store.wikis.require(key.owner_id, key.wiki_slug, consistent=True)
    return page


@acl.command("revoke", epilog="Example: wikibot-store acl revoke 3f0c:notes 81ab")
@with_options
def revoke_acl(options: Options, wiki_id: WikiId, grantee_id: GranteeId) -> None:
    """Revoke the grant of a user in a wiki; it is no error if there is none. WIKI_ID is OWNER:SLUG."""
    revoked = options.run(lambda store: store.acls.delete(wiki_id, grantee_id))
    if options.json:
        print_json({"wiki_id": wiki_id, "grantee_id": grantee_id, "revoked": revoked})
    else:
        print(f"{cell(wiki_id)} {cell(grantee_id)}: {'revoked' if revoked else 'had no grant'}")
