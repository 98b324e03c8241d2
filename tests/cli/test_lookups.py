"""`wikibot-store user`, `wiki` and `acl` show items to operators."""

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from rich.console import Console

from tests.cli.runner import Run, on_store
from tests.integration.samples import a_wiki_item, an_acl_item, an_item, put
from wikibot_store import Role, WikibotStore, hash_token
from wikibot_store.cli import _output
from wikibot_store.local import local_engine
from wikibot_store.provision import create_tables

SECRET = hash_token("the wiki's token")
SLUGS = ["drafts", "notes", "notes-old"]
EXPIRY = datetime(2100, 1, 1, tzinfo=UTC)
EVIL = "[red]\x1b[2Jx\ny\u202e"


async def _seed(store: WikibotStore) -> None:
    await create_tables(store)
    await store.users.create(
        id="u-1", oauth_provider="github", oauth_provider_sub="4711", username="ada", display_name="Ada"
    )
    for other in ("u-2", "u-3"):
        await store.users.create(id=other, oauth_provider="github", oauth_provider_sub=other)
    for slug in SLUGS:
        await store.wikis.create("u-1", slug, display_name=slug.title(), repo_path=f"/srv/{slug}")
    await store.wikis.update("u-1", "notes", mcp_token_hash=SECRET)
    await store.acls.create("u-1:notes", "u-2", Role.EDITOR, granted_by="u-1", expires_at=EXPIRY)
    await store.acls.create("u-1:notes", "u-3", Role.VIEWER, granted_by="u-1")
    await store.wikis.create("u-2", "evil", display_name=EVIL, repo_path="/srv/evil")
    await store.wikis.create("u-2", "wide", display_name=500 * "x", repo_path="/srv/wide")


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """Serve an engine with a user, wikis and grants."""
    with local_engine() as url:
        on_store(url, _seed)
        yield url


@pytest.fixture(autouse=True)
def _configured(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the commands' endpoint in the environment, as an operator does."""
    monkeypatch.setenv("WIKIBOT_ENDPOINT_URL", engine)


def _attributes(text: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in text.splitlines())


USER_LOOKUPS = [("get", "u-1"), ("by-oauth", "github", "4711"), ("by-username", "ada")]


@pytest.mark.parametrize("lookup", USER_LOOKUPS)
def test_user_is_found_every_way(run: Run, lookup: tuple[str, ...]) -> None:
    """A user is found by id, identity and username, with times in ISO 8601."""
    document = run("user", *lookup, "--json").json

    assert document["id"] == "u-1"
    assert document["status"] == "active"
    assert document["email"] is None
    assert datetime.fromisoformat(document["created_at"]).tzinfo is UTC


def test_attributes_are_lines(run: Run) -> None:
    """Without --json each attribute is a line; a hyphen stands for no value."""
    outcome = run("user", "get", "u-1")

    attributes = _attributes(outcome.stdout)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert attributes["username"] == "ada"
    assert attributes["email"] == "-"


@pytest.mark.parametrize(
    ("lookup", "key"),
    [
        (("user", "get", "u-9"), "table 'users', key id='u-9'"),
        (("user", "by-oauth", "github", "9"), "table 'users', oauth_provider='github', oauth_provider_sub='9'"),
        (("user", "by-username", "bob"), "table 'users', username='bob'"),
        (("wiki", "get", "u-1", "x"), "table 'wikis', key owner_id='u-1', wiki_slug='x'"),
        (("acl", "get", "u-1:notes", "u-9"), "table 'acls', key wiki_id='u-1:notes', grantee_id='u-9'"),
    ],
)
def test_what_is_not_there_is_named(run: Run, lookup: tuple[str, ...], key: str) -> None:
    """A look-up that finds nothing is an error that names table and key."""
    assert run(*lookup).error == f"error: not found: {key}"


@pytest.mark.parametrize(
    ("lookup", "missing"),
    [
        (("wiki", "list", "ghost"), "table 'users', key id='ghost'"),
        (("acl", "list", "u-1:ghost"), "table 'wikis', key owner_id='u-1', wiki_slug='ghost'"),
    ],
)
def test_listing_of_nobody_is_an_error(run: Run, lookup: tuple[str, ...], missing: str) -> None:
    """A listing says that there is no such user or wiki; one that is only empty is not an error."""
    assert run(*lookup).error == f"error: not found: {missing}"
    assert run("wiki", "list", "u-1", "--prefix", "zzz").status == 0


@pytest.mark.parametrize(
    ("lookup", "error"),
    [
        (("user", "get", "a b"), "ID must be 1 to 256 characters"),
        (("wiki", "get", "u-1", "Notes"), "SLUG must be 1 to 63 of a-z"),
        (("wiki", "list", "u-1", "--limit", "0"), "--limit must be 1 to 10000"),
        (("wiki", "list", "--all", "--limit", "0"), "--limit must be 1 to 10000"),
        (("wiki", "list", "u-1", "--cursor", "x"), "the cursor is damaged"),
        (("acl", "get", "notes", "u-2"), "WIKI_ID must be '<owner_id>:<wiki_slug>'"),
    ],
)
def test_bad_input_is_named(run: Run, lookup: tuple[str, ...], error: str) -> None:
    """Input that breaks a rule is rejected, and the error states the rule."""
    assert run(*lookup).usage_error.startswith(f"error: {error}")


@pytest.mark.parametrize("as_json", [(), ("--json",)])
@pytest.mark.parametrize("lookup", [("wiki", "get", "u-1", "notes"), ("wiki", "list", "u-1")])
def test_secrets_are_never_shown(run: Run, lookup: tuple[str, ...], as_json: tuple[str, ...]) -> None:
    """The hash of a wiki's token is never printed."""
    outcome = run(*lookup, *as_json)

    assert outcome.status == 0
    assert "notes" in outcome.stdout
    assert SECRET not in outcome.stdout + outcome.stderr
    assert "mcp_token_hash" not in outcome.stdout


@pytest.mark.parametrize(("slug", "is_set"), [("notes", True), ("drafts", False)])
def test_secret_is_said_to_be_set(run: Run, slug: str, is_set: bool) -> None:  # noqa: FBT001 - a parameter
    """The output says only whether a token is set."""
    assert run("wiki", "get", "u-1", slug, "--json").json["mcp_token_set"] is is_set
    assert _attributes(run("wiki", "get", "u-1", slug).stdout)["mcp_token_set"] == str(is_set)


def test_wikis_are_paged_by_cursor(run: Run) -> None:
    """A page has the cursor of the next page: on stderr for people, in the document for programs."""
    page = run("wiki", "list", "u-1", "--limit", "2")
    cursor = run("wiki", "list", "u-1", "--limit", "2", "--json").json["cursor"]
    rest = run("wiki", "list", "u-1", "--limit", "2", "--cursor", cursor)

    header, *wikis = page.stdout.splitlines()
    assert header.split()[:3] == ["wiki_slug", "display_name", "status"]
    assert [line.split()[0] for line in wikis] == SLUGS[:2]
    assert page.stderr == f"next page: --cursor {cursor}\n"
    assert [line.split()[0] for line in rest.stdout.splitlines()[1:]] == SLUGS[2:]
    assert rest.stderr == ""


def test_wikis_are_listed_by_prefix(run: Run) -> None:
    """--prefix narrows the listing; the last page has no cursor."""
    document = run("wiki", "list", "u-1", "--prefix", "notes", "--json").json

    assert [wiki["wiki_slug"] for wiki in document["items"]] == SLUGS[1:]
    assert document["cursor"] is None


def test_all_users_and_wikis_are_paged(run: Run) -> None:
    """`user list` and `wiki list --all` give everything once, page by page; the last page has no cursor."""
    for command, attribute, expected in (
        (("user", "list"), "id", ["u-1", "u-2", "u-3"]),
        (("wiki", "list", "--all"), "wiki_slug", sorted([*SLUGS, "evil", "wide"])),
    ):
        found: list[str] = []
        cursor: tuple[str, ...] = ()
        for _ in range(len(expected)):
            page = run(*command, "--limit", "1", *cursor, "--json").json
            found += [item[attribute] for item in page["items"]]
            cursor = ("--cursor", page["cursor"])

        assert sorted(found) == expected
        assert page["cursor"] is None
        first = run(*command, "--limit", "1")
        _, option, text = shlex.split(first.stderr)[-3:]
        rest = run(*command, option, text)
        assert len(first.stdout.splitlines()) == 2
        assert len(rest.stdout.splitlines()) == len(expected)


@pytest.mark.parametrize(
    "line", ["wiki list", "wiki list u-1 --all", "wiki list --all --prefix a", "wiki list u-1 --all --prefix a"]
)
def test_a_list_is_of_one_owner_or_of_all(run: Run, line: str) -> None:
    """`wiki list` takes an owner or --all."""
    assert run(*line.split()).usage_error == "error: give either OWNER, with or without --prefix, or --all"


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_items_that_do_not_decode_are_reported(run: Run, as_json: tuple[str, ...]) -> None:
    """A listing prints what decodes, and an error with the key of each other item; the exit status is then 1."""

    async def damage(store: WikibotStore) -> None:
        await create_tables(store)
        await store.users.create(id="u-1", oauth_provider="github", oauth_provider_sub="1")
        await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes")
        await put(store, "users", an_item(id="u-2", oauth_provider=3))
        await put(store, "wikis", a_wiki_item(owner_id="u-1", wiki_slug="odd", page_count="three"))
        await put(store, "acls", an_acl_item(wiki_id="u-1:x", grantee_id="u-2", role="emperor"))

    with local_engine() as url:
        on_store(url, damage)
        for line, key, shown in (
            ("user list", "id='u-2'", 1),
            ("wiki list u-1", "wiki_slug='odd'", 1),
            ("wiki list u-1 --prefix od", "wiki_slug='odd'", 0),
            ("wiki list --all", "wiki_slug='odd'", 1),
            ("acl list u-1:x", "grantee_id='u-2'", 0),
        ):
            outcome = run(*line.split(), "--endpoint-url", url, *as_json)

            (error,) = outcome.stderr.splitlines()
            assert (outcome.status, key in error, "corrupt item" in error) == (1, True, True)
            if as_json:
                assert json.loads(error)["error"]["type"] == "CorruptItemError"
                assert len(outcome.json["items"]) == shown
            else:
                assert len(outcome.stdout.splitlines()) == 1 + shown


@pytest.mark.parametrize(
    ("option", "error"),
    [
        (("--limit", "0"), "--limit must be 1 to 10000"),
        (("--cursor", "x"), "the cursor is damaged or belongs to another listing"),
        (("--cursor", '{"table":"acls","after":[null]}'), "the cursor is damaged or belongs to another listing"),
    ],
)
def test_bad_options_of_lists_are_named(run: Run, option: tuple[str, ...], error: str) -> None:
    """A limit that is out of range and a cursor of another listing are rejected."""
    assert run("user", "list", *option).usage_error.startswith(f"error: {error}")


def test_a_user_is_suspended_and_active_again(run: Run) -> None:
    """`user suspend` and `user activate` change the status and show the user."""
    suspended = run("user", "suspend", "u-3", "--json").json
    shown = _attributes(run("user", "activate", "u-3").stdout)

    assert (suspended["id"], suspended["status"]) == ("u-3", "suspended")
    assert shown["status"] == "active"
    assert run("user", "suspend", "u-9").error == "error: not found: table 'users', key id='u-9'"


def test_a_grant_is_revoked_once(run: Run, engine: str) -> None:
    """`acl revoke` says whether there was a grant; that there was none is not an error."""

    async def share(store: WikibotStore) -> None:
        await store.acls.create("u-1:drafts", "u-3", "viewer", granted_by="u-1")

    on_store(engine, share)
    assert run("acl", "revoke", "u-1:drafts", "u-3").stdout == "u-1:drafts u-3: revoked\n"
    assert run("acl", "revoke", "u-1:drafts", "u-3").stdout == "u-1:drafts u-3: had no grant\n"
    on_store(engine, share)
    document = {"wiki_id": "u-1:drafts", "grantee_id": "u-3", "revoked": True}
    assert run("acl", "revoke", "u-1:drafts", "u-3", "--json").json == document


def test_tables_fit_80_columns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal of 80 columns, rows with generated ids are single lines and nothing is cut off."""
    owner, names = 32 * "a", {"username": "somebody", "display_name": "Somebody"}

    async def fill(store: WikibotStore) -> None:
        await store.users.create(id=owner, oauth_provider="github", oauth_provider_sub="80", **names)
        await store.wikis.create(owner, "field-notes", display_name="Notes", repo_path="/srv/n", is_public=True)
        await store.acls.create(f"{owner}:field-notes", 32 * "b", "editor", granted_by=owner, check_grantee=False)

    with local_engine() as url:
        monkeypatch.setenv("WIKIBOT_ENDPOINT_URL", url)
        on_store(url, create_tables)
        on_store(url, fill)
        narrow = Console(width=80, force_terminal=True, color_system=None, markup=False, emoji=False, highlight=False)
        monkeypatch.setattr(_output, "console", lambda: narrow)
        for command in ("user list", f"wiki list {owner}", "wiki list --all", f"acl list {owner}:field-notes"):
            lines = [line for line in run(*command.split()).stdout.splitlines() if line.strip()]
            assert len(lines) == 3, lines  # heading, rule, row
            assert max(map(len, lines)) <= 80
            assert lines[-1].split()[0] in {owner, 32 * "b", "field-notes"}


def test_grant_is_shown(run: Run) -> None:
    """A grant is found by wiki and grantee."""
    document = run("acl", "get", "u-1:notes", "u-2", "--json").json

    assert (document["role"], document["granted_by"]) == ("editor", "u-1")
    assert datetime.fromisoformat(document["expires_at"]) == EXPIRY


def test_grants_are_paged_by_cursor(run: Run) -> None:
    """Grants are listed by wiki, in the order of grantees, page by page."""
    first = run("acl", "list", "u-1:notes", "--limit", "1", "--json").json
    rest = run("acl", "list", "u-1:notes", "--cursor", first["cursor"])

    assert [acl["grantee_id"] for acl in first["items"]] == ["u-2"]
    assert [line.split()[:2] for line in rest.stdout.splitlines()] == [["grantee_id", "role"], ["u-3", "viewer"]]


@pytest.mark.parametrize("lookup", [("wiki", "get", "u-2", "evil"), ("wiki", "list", "u-2")])
def test_text_cannot_command_the_terminal(run: Run, lookup: tuple[str, ...]) -> None:
    """Control characters in a name are escaped and not sent to the terminal; brackets are not markup."""
    assert repr(EVIL) in run(*lookup).stdout


def test_json_keeps_text_as_it_is(run: Run) -> None:
    """In a document, text is escaped as JSON does it, and reads back the same."""
    outcome = run("wiki", "get", "u-2", "evil", "--json")

    assert outcome.json["display_name"] == EVIL
    assert "\x1b" not in outcome.stdout


def test_items_of_a_listing_are_lines(run: Run) -> None:
    """If stdout is not a terminal, each item is one line of any length."""
    assert len(run("wiki", "list", "u-2").stdout.splitlines()) == 3


@pytest.mark.parametrize(
    "line", ["--json user get u-1", "user --json get u-1", "user get --json u-1", "user get u-1 --json"]
)
def test_options_may_stand_anywhere(run: Run, line: str) -> None:
    """A common option may stand before, between and after the command's words."""
    assert run(*line.split()).json["id"] == "u-1"
