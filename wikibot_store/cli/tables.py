"""`wikibot-store tables`: create, delete and verify."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from wikibot_store._wire import client_errors
from wikibot_store.cli._app import CommandError, Options, tables, with_options
from wikibot_store.cli._output import console, note, print_json, print_table
from wikibot_store.provision import create_tables, delete_tables
from wikibot_store.schema import TABLES
from wikibot_store.store import WikibotStore
from wikibot_store.verify import NONE, TTL, Drift, verify_tables

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.type_defs import TableDescriptionTypeDef


@tables.command("create", epilog="Example: wikibot-store tables create --endpoint-url http://127.0.0.1:8000")
@with_options
def create(
    options: Options,
    *,
    environment: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The tag `environment`; if left out, new tables get dev, and existing tables keep theirs.",
        ),
    ] = None,
    deletion_protection: Annotated[
        bool, typer.Option("--deletion-protection", help="Protect them from deletion.")
    ] = False,
) -> None:
    """Create the missing tables, and change what differs from the schema in the others."""
    with console().status("Waiting until the tables are ACTIVE"):
        made = options.run(
            lambda store: create_tables(store, environment=environment, deletion_protection=deletion_protection)
        )
    if options.json:
        print_json(made)
        return
    for table in made:
        lacks = f" (this engine does not support {', '.join(table.unsupported)})" if table.unsupported else ""
        print(f"{table.name}: {'created' if table.created else 'exists'}{lacks}")
        for change in table.changes:
            print(f"  changed {change.setting} from {change.found} to {change.expected}")
        for difference in table.left:
            print(f"  left: {difference.setting} is {difference.found}, not {difference.expected}{_advice(difference)}")


def _advice(difference: Drift) -> str:
    """Return how to remove a difference that `create` leaves."""
    if difference.setting == TTL:
        return "; DynamoDB refuses to change it now: run this command again in an hour"
    if difference.expected == NONE:
        return "; delete the index if nothing else uses it"
    return "; delete the index and run this command again, which creates it"


@tables.command("delete", epilog="Example: wikibot-store tables delete --endpoint-url http://127.0.0.1:8000")
@with_options
def delete(
    options: Options,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Show the tables, ask for confirmation, and delete them with all their items."""
    found = options.run(existing_tables)
    for table in found:
        if table.get("DeletionProtectionEnabled"):
            raise CommandError(
                f"table {table['TableName']!r} has deletion protection, so nothing was deleted. Switch it off first: "
                f"aws dynamodb update-table --table-name {table['TableName']} --no-deletion-protection-enabled"
            )
    if found and not yes:
        for table in found:
            note(f"{table['TableArn']} with about {table['ItemCount']} items")
        note("Delete these tables permanently? [y/N]")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CommandError("not confirmed, so nothing was deleted; use --yes in a script")
    options.run(delete_tables)
    deleted = [table["TableName"] for table in found]
    if options.json:
        print_json({"deleted": deleted})
        return
    print("\n".join(f"{name}: deleted" for name in deleted) or "there are no tables to delete")


@tables.command("verify", epilog="Example: wikibot-store tables verify --environment prod --deletion-protection")
@with_options
def verify(
    options: Options,
    *,
    environment: Annotated[
        str | None, typer.Option(metavar="NAME", help="The expected tag `environment`; if left out, any.")
    ] = None,
    deletion_protection: Annotated[
        bool | None, typer.Option(help="Whether deletion protection should be on; if left out, either.")
    ] = None,
) -> None:
    """Compare the tables with the schema; the exit status is 1 if anything differs."""
    drift = options.run(
        lambda store: verify_tables(store, environment=environment, deletion_protection=deletion_protection)
    )
    if options.json:
        print_json(drift)
    elif drift:
        columns = ("table", "setting", "expected", "found")
        print_table(columns, [[getattr(difference, column) for column in columns] for difference in drift])
    else:
        print("the tables match the schema")
    if drift:
        raise typer.Exit(1)


async def existing_tables(store: WikibotStore) -> list["TableDescriptionTypeDef"]:
    """Return DynamoDB's descriptions of those tables that exist."""
    found = []
    client = await store.client()
    with client_errors():
        for schema in TABLES:
            try:
                reply = await client.describe_table(TableName=store.config.table_name(schema.name))
            except client.exceptions.ResourceNotFoundException:
                continue
            found.append(reply["Table"])
    return found
