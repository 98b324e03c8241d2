"""`wikibot-store tables` creates, verifies and deletes the tables."""

from typing import Any

import pytest

from tests.cli.runner import Run, on_store
from wikibot_store import WikibotStore
from wikibot_store.schema import TABLES, USERS, WIKIS, create_table_request

NAMES = [schema.name for schema in TABLES]


async def _tags(store: WikibotStore) -> dict[str, str]:
    arn = (await (await store.client()).describe_table(TableName="users"))["Table"]["TableArn"]
    reply = await (await store.client()).list_tags_of_resource(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for tag in reply["Tags"]}


async def _names(store: WikibotStore) -> list[str]:
    return sorted((await (await store.client()).list_tables())["TableNames"])


def test_create_works_out_of_the_box(endpoint: str, run: Run) -> None:
    """An endpoint on this machine needs no credentials and no region; a second run reports that the tables exist."""
    first = run("tables", "create", "--endpoint-url", endpoint)
    second = run("tables", "create", "--endpoint-url", endpoint)

    assert (first.status, first.stdout.splitlines()) == (0, [f"{name}: created" for name in NAMES])
    assert (second.status, second.stdout.splitlines()) == (0, [f"{name}: exists" for name in NAMES])


@pytest.mark.usefixtures("configured")
def test_create_as_json(run: Run) -> None:
    """With --json, the result is one document."""
    outcome = run("tables", "create", "--json")

    assert outcome.json == [
        {"name": name, "created": True, "changes": [], "left": [], "unsupported": []} for name in NAMES
    ]


def test_create_tags_the_environment(configured: str, run: Run) -> None:
    """--environment sets the tag of that name."""
    run("tables", "create", "--environment", "staging")

    assert on_store(configured, _tags) == {"project": "wikibot-io", "environment": "staging"}


def test_create_keeps_the_environment(configured: str, run: Run) -> None:
    """Without --environment, further runs keep the tag that the first one set, and verify works after ten of them."""
    run("tables", "create", "--environment", "prod")
    for _ in range(10):
        assert run("tables", "create").stdout.splitlines() == [f"{name}: exists" for name in NAMES]

    assert on_store(configured, _tags) == {"project": "wikibot-io", "environment": "prod"}
    assert run("tables", "verify", "--environment", "prod").status == 0


def test_create_reports_what_it_changed_and_what_it_left(configured: str, run: Run) -> None:
    """Below a table, each change is a line, and so is each difference that stays, with what to do about it."""

    async def sabotage(store: WikibotStore) -> None:
        client = await store.client()
        await client.update_time_to_live(
            TableName="acls", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"}
        )
        request: Any = create_table_request(WIKIS, "wikis")
        request["GlobalSecondaryIndexes"] = [
            {
                "IndexName": "by-slug",
                "KeySchema": [{"AttributeName": "wiki_slug", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ]
        await client.delete_table(TableName="wikis")
        await client.create_table(**request)
        request = create_table_request(USERS, "users")
        request["GlobalSecondaryIndexes"][0]["Projection"] = {"ProjectionType": "KEYS_ONLY"}
        await client.delete_table(TableName="users")
        await client.create_table(**request)

    run("tables", "create")
    on_store(configured, sabotage)

    outcome = run("tables", "create", "--deletion-protection")

    key = "oauth_provider (S) + oauth_provider_sub (S)"
    made_anew = [
        "  changed point-in-time recovery from DISABLED to ENABLED",
        "  changed deletion protection from off to on",
        "  changed tag project from none to wikibot-io",
    ]
    assert outcome.status == 0
    assert outcome.stdout.splitlines()[:13] == [
        "users: exists",
        *made_anew,
        (
            f"  left: index by-oauth is {key}, KEYS_ONLY, not {key}, ALL; "
            "delete the index and run this command again, which creates it"
        ),
        "wikis: exists",
        *made_anew,
        "  left: index by-slug is wiki_slug (S), ALL, not none; delete the index if nothing else uses it",
        "acls: exists",
        "  changed TTL from none to expires_at",
        "  changed deletion protection from off to on",
    ]


def test_create_reports_ttl_that_cannot_be_changed_yet(
    configured: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If DynamoDB refuses a second change of TTL within an hour, the output says when to try again."""
    from moto.dynamodb.exceptions import MockValidationException  # noqa: PLC0415
    from moto.dynamodb.responses import DynamoHandler  # noqa: PLC0415 - takes a second

    def refuse(_handler: DynamoHandler) -> Any:  # noqa: ANN401 - never returns
        raise MockValidationException("Time to live has been modified multiple times within a fixed interval")

    async def stop_ttl(store: WikibotStore) -> None:
        await (await store.client()).update_time_to_live(
            TableName="acls", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"}
        )

    run("tables", "create")
    on_store(configured, stop_ttl)
    monkeypatch.setattr(DynamoHandler, "update_time_to_live", refuse)

    left = "  left: TTL is none, not expires_at; DynamoDB refuses to change it now: run this command again in an hour"
    assert left in run("tables", "create").stdout.splitlines()


@pytest.mark.usefixtures("configured")
def test_create_says_what_the_engine_lacks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output names a setting that the engine does not support."""
    from moto.core.exceptions import JsonRESTError  # noqa: PLC0415
    from moto.dynamodb.responses import DynamoHandler  # noqa: PLC0415 - takes a second

    def refuse(_handler: DynamoHandler) -> Any:  # noqa: ANN401 - never returns
        raise JsonRESTError("UnknownOperationException", "unknown")

    monkeypatch.setattr(DynamoHandler, "tag_resource", refuse)

    assert "users: created (this engine does not support tags)" in run("tables", "create").stdout


@pytest.mark.parametrize("answer", ["y", " YES "])
def test_delete_shows_asks_and_deletes(configured: str, run: Run, answer: str) -> None:
    """The command shows the tables with region and account, and deletes them if the answer is yes."""
    run("tables", "create", "--region", "us-east-1")

    outcome = run("tables", "delete", stdin=f"{answer}\n")

    *shown, question = outcome.stderr.splitlines()
    assert [line.partition(":table/")[2] for line in shown] == [f"{name} with about 0 items" for name in NAMES]
    assert all(line.startswith("arn:aws:dynamodb:us-east-1:") for line in shown)
    assert question == "Delete these tables permanently? [y/N]"
    assert (outcome.status, outcome.stdout.splitlines()) == (0, [f"{name}: deleted" for name in NAMES])
    assert on_store(configured, _names) == []


@pytest.mark.parametrize("answer", ["n\n", "yesterday\n", ""])
def test_delete_deletes_nothing_without_a_yes(configured: str, run: Run, answer: str) -> None:
    """With any other answer, and with none, the tables stay."""
    run("tables", "create")

    outcome = run("tables", "delete", stdin=answer)

    assert (outcome.status, outcome.stdout) == (1, "")
    last = outcome.stderr.splitlines()[-1]
    assert last == "error: not confirmed, so nothing was deleted; use --yes in a script"
    assert on_store(configured, _names) == sorted(NAMES)


def test_delete_does_not_ask_with_yes(configured: str, run: Run) -> None:
    """With --yes the command does not ask; the document names the deleted tables."""
    run("tables", "create")

    outcome = run("tables", "delete", "--yes", "--json")

    assert (outcome.json, outcome.stderr) == ({"deleted": NAMES}, "")
    assert on_store(configured, _names) == []


@pytest.mark.usefixtures("configured")
def test_delete_has_nothing_to_ask_where_nothing_is(run: Run) -> None:
    """Without tables there is no question and no error."""
    outcome = run("tables", "delete")

    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "there are no tables to delete\n", "")


def test_delete_refuses_protected_tables(configured: str, run: Run) -> None:
    """The command checks deletion protection first, also with --yes; the error says how to switch it off."""
    run("tables", "create", "--deletion-protection")

    error = run("tables", "delete", "--yes").error

    assert error.startswith(
        "error: table 'users' has deletion protection, so nothing was deleted. Switch it off first: "
    )
    assert error.endswith("aws dynamodb update-table --table-name users --no-deletion-protection-enabled")
    assert on_store(configured, _names) == sorted(NAMES)


def test_tables_have_their_configured_names(configured: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table names come from the environment."""
    monkeypatch.setenv("WIKIBOT_USERS_TABLE", "people")

    assert run("tables", "create").stdout.startswith("people: created\n")
    assert on_store(configured, _names) == sorted({*NAMES, "people"} - {"users"})


@pytest.mark.usefixtures("configured")
def test_verify_finds_nothing_in_what_create_made(run: Run) -> None:
    """If the tables match the schema, the command prints one line and its status is 0."""
    run("tables", "create", "--environment", "prod", "--deletion-protection")

    outcome = run("tables", "verify", "--environment", "prod", "--deletion-protection")

    assert (outcome.status, outcome.stdout) == (0, "the tables match the schema\n")
    assert run("tables", "verify", "--json").json == []


@pytest.mark.usefixtures("configured")
def test_verify_shows_what_differs(run: Run) -> None:
    """Each difference is a line of a table, and the status is 1."""
    run("tables", "create")

    outcome = run("tables", "verify", "--environment", "prod")

    assert (outcome.status, outcome.stderr) == (1, "")
    header, *lines = [line.split() for line in outcome.stdout.splitlines()]
    assert header == ["table", "setting", "expected", "found"]
    assert lines == [[name, "tag", "environment", "prod", "dev"] for name in NAMES]


@pytest.mark.usefixtures("configured")
def test_verify_as_json(run: Run) -> None:
    """With --json, the differences are one document, and the status is 1 too."""
    outcome = run("tables", "verify", "--json")

    assert outcome.status == 1
    assert outcome.json == [
        {"table": name, "setting": "status", "expected": "ACTIVE", "found": "MISSING"} for name in NAMES
    ]
