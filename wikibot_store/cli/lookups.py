"""`wikibot-store user`, `wiki` and `acl`: show items as they are now, by consistent reads."""

from collections.abc import Awaitable, Callable
from functools import update_wrapper
from typing import Annotated, Any

import typer

from wikibot_store.cli._app import Options, acl, user, wiki, with_options
from wikibot_store.cli._output import cell, note, print_json, print_table, view
from wikibot_store.errors import NotFoundError
from wikibot_store.keys import WikiKey
from wikibot_store.models import Acl, Page, User, Wiki
from wikibot_store.schema import ACLS, USERS, WIKIS, TableSchema
from wikibot_store.store import WikibotStore

Found = User | Wiki | Acl | Page[Wiki] | Page[Acl]
Find = Callable[..., Awaitable[Found | None]]
"""An access pattern: takes the store, and a command's arguments by name."""

_COLUMNS = {
    WIKIS: ("wiki_slug", "display_name", "status", "is_public", "page_count", "disk_usage_bytes", "updated_at"),
    ACLS: ("grantee_id", "role", "granted_by", "granted_at", "expires_at"),
}

Limit = Annotated[int, typer.Option(metavar="NUMBER", help="The most items to show, 1 to 10,000.")]
Cursor = Annotated[str | None, typer.Option(metavar="CURSOR", help="The cursor that the last page printed.")]
Owner = Annotated[str, typer.Argument(metavar="OWNER", help="The id of the user who owns it.")]
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

            _show(options, options.run(found), table)

        update_wrapper(command, find)  # name, help and arguments, as `with_options` and typer read them
        group.command(name, epilog=f"Example: wikibot-store {example}")(with_options(command))
        return find

    return register


def _show(options: Options, found: Found, table: TableSchema) -> None:
    if isinstance(found, Page):
        _show_page(options, [view(item) for item in found], found.cursor, _COLUMNS[table])
    elif options.json:
        print_json(view(found))
    else:
        for name, value in view(found).items():
            print(f"{name:<20}{cell(value)}")


def _show_page(options: Options, views: list[dict[str, Any]], cursor: str | None, columns: tuple[str, ...]) -> None:
    if options.json:
        print_json({"items": views, "cursor": cursor})
        return
    print_table(columns, [[view[name] for name in columns] for view in views])
    if cursor is not None:
        note(f"next page: --cursor {cursor}")


@_lookup(user, "get", USERS, "user get 3f0c --json")
async def get_user(
    store: WikibotStore, user_id: Annotated[str, typer.Argument(metavar="ID", help="The user's id.")]
) -> User:
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
    owner_id: Owner,
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
    prefix: Annotated[str | None, typer.Option(metavar="TEXT", help="Only slugs that start with this.")] = None,
) -> Page[Wiki]:
    """Show a page of an owner's wikis."""
    page = await store.wikis.list_by_owner(owner_id, limit=limit, cursor=cursor, prefix=prefix, consistent=True)
    if not page:
        await store.users.require(owner_id, consistent=True)  # no wikis, or nobody to have them?
    return page


@_lookup(acl, "get", ACLS, "acl get 3f0c:notes 81ab")
async def get_acl(
    store: WikibotStore,
    wiki_id: WikiId,
    grantee_id: Annotated[str, typer.Argument(metavar="GRANTEE", help="The id of the user who has the grant.")],
) -> Acl | None:
    """Show the grant of a user in a wiki; WIKI_ID is OWNER:SLUG."""
    return await store.acls.get(wiki_id, grantee_id, consistent=True)


@_lookup(acl, "list", ACLS, "acl list 3f0c:notes --limit 20")
async def list_acls(store: WikibotStore, wiki_id: WikiId, *, limit: Limit = 50, cursor: Cursor = None) -> Page[Acl]:
    """Show a page of a wiki's grants; WIKI_ID is OWNER:SLUG."""
    page = await store.acls.list_by_wiki(wiki_id, limit=limit, cursor=cursor, consistent=True)
    if not page:
        key = WikiKey.parse(wiki_id)
        await store.wikis.require(key.owner_id, key.wiki_slug, consistent=True)
    return page
