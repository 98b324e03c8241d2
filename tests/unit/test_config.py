"""The store's settings: which values are rejected, and how they are read from variables and stack outputs."""

import json
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import pytest

from wikibot_store import StoreConfig
from wikibot_store.schema import TABLES

SECRET = "correct horse battery"
OUTPUTS = {
    "region": "eu-central-1",
    "users_table": "prod-users",
    "wikis_table": "prod-wikis",
    "acls_table": "prod-acls",
    "grantee_index": True,
    "bucket": "none of the store's business",
}
VARIABLES = {
    "WIKIBOT_REGION": ("eu-west-1", "eu-west-1"),
    "WIKIBOT_ENDPOINT_URL": ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    "WIKIBOT_TABLE_PREFIX": ("dev", "dev"),
    **{f"WIKIBOT_{schema.name.upper()}_TABLE": (f"dev-{schema.name}",) * 2 for schema in TABLES},
    "WIKIBOT_GRANTEE_INDEX": ("true", True),
    "WIKIBOT_WIKI_LIMIT": ("25", 25),
    "WIKIBOT_MAX_POOL_CONNECTIONS": ("7", 7),
    "WIKIBOT_CONNECT_TIMEOUT": ("0.5", 0.5),
    "WIKIBOT_READ_TIMEOUT": ("1e1", 10.0),
    "WIKIBOT_IDLE_TIMEOUT": ("30", 30.0),
    "WIKIBOT_MAX_ATTEMPTS": ("3", 3),
    "WIKIBOT_DEADLINE": ("12", 12.0),
    "WIKIBOT_COALESCE_READS": ("off", False),
    "WIKIBOT_HEDGE_READS": ("on", True),
    "WIKIBOT_HEDGE_BUDGET": ("0.1", 0.1),
    "WIKIBOT_CURSOR_SECRET": (SECRET, SECRET),
}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(
            (f"{schema.name}_table", name)
            for schema in TABLES
            for name in ("", "ab", "a" * 256, "a b", "a/b", "häuser", "users\n", "arn:users")
        ),
        *(("table_prefix", prefix) for prefix in ("", "a b", "a/b", "häuser", "dev\n", 5)),
        ("users_table", 5),
        *(("wiki_limit", limit) for limit in (-1, 1.5, True, "5")),
        *((setting, value) for setting in ("max_pool_connections", "max_attempts") for value in (0, -1, 1.5, True)),
        *(
            (setting, value)
            for setting in ("connect_timeout", "read_timeout", "idle_timeout", "deadline")
            for value in (0, -1, 3601, float("nan"), float("inf"), float("-inf"))
        ),
        *(("hedge_budget", share) for share in (0, -0.1, 0.6, float("nan"), "5 %", None)),
        ("endpoint_url", ""),
        ("endpoint_url", "localhost:8000"),
        ("endpoint_url", "127.0.0.1:8000"),
        ("endpoint_url", "ftp://127.0.0.1"),
        ("endpoint_url", "http://"),
        ("endpoint_url", "http:///tables"),
        ("endpoint_url", "http://[::1"),
        ("endpoint_url", "http://127.0.0.1:port"),
        ("endpoint_url", "http://127.0.0.1:65536"),
        ("cursor_secret", ""),
        ("cursor_secret", "fifteen letters"),
        ("cursor_secret", 5),
        ("cursor_secret", ()),
        ("cursor_secret", (SECRET, "")),
        ("cursor_secret", (SECRET, "fifteen letters")),
        ("cursor_secret", (SECRET, 5)),
        ("cursor_secret", [SECRET, SECRET]),
    ],
)
def test_settings_that_cannot_work_are_refused(setting: str, value: Any) -> None:  # noqa: ANN401 - any setting's
    """The error names the setting."""
    with pytest.raises(ValueError, match=f"^{setting} must "):
        StoreConfig(**{setting: value})


@pytest.mark.parametrize(
    "names",
    [
        {"users_table": "wikis"},
        {"wikis_table": "acls"},
        {"acls_table": "users"},
        {"users_table": "one", "wikis_table": "one", "acls_table": "one"},
    ],
)
def test_two_tables_of_one_name_are_refused(names: dict[str, Any]) -> None:
    """Each table needs a name of its own."""
    with pytest.raises(ValueError, match=r"^users_table, wikis_table, acls_table.* must be different tables$"):
        StoreConfig(**names)


@pytest.mark.parametrize(
    "settings",
    [
        {"users_table": "a" * 255, "wikis_table": "A.b", "acls_table": "_-9"},
        {"table_prefix": "_", "wiki_limit": 0},
        {"max_pool_connections": 1, "max_attempts": 1},
        {"connect_timeout": 0.001, "read_timeout": 3600, "deadline": 3600.0},
        {"endpoint_url": "https://dynamodb.eu-central-1.amazonaws.com"},
        {"endpoint_url": "http://[::1]:8000/tables"},
        {"cursor_secret": "sixteen letters!"},
        {"cursor_secret": ("sixteen letters!", "another 16 chars")},
    ],
)
def test_settings_at_their_limits_are_accepted(settings: dict[str, Any]) -> None:
    """Values at the limits of their rules are accepted unchanged."""
    config = StoreConfig(**settings)

    assert {name: getattr(config, name) for name in settings} == settings


def test_a_config_is_immutable() -> None:
    """A setting cannot be changed after it was validated."""
    with pytest.raises(FrozenInstanceError):
        StoreConfig().max_attempts = 0  # type: ignore[misc]


def test_table_name() -> None:
    """The schema's tables are found under their configured names."""
    config = StoreConfig(users_table="u-1", wikis_table="w-1", acls_table="a-1")

    assert [config.table_name(table) for table in ("users", "wikis", "acls")] == ["u-1", "w-1", "a-1"]


def test_a_prefix_names_all_tables() -> None:
    """The prefix is put before the name of every table."""
    config = StoreConfig(table_prefix="dev")

    assert [config.table_name(schema.name) for schema in TABLES] == [f"dev-{schema.name}" for schema in TABLES]


def test_a_table_with_a_name_of_its_own_keeps_it_beside_a_prefix() -> None:
    """A prefix changes only the tables that have their default name, also in a copy of the settings."""
    config = StoreConfig(table_prefix="dev", wikis_table="shared-wikis")

    assert (config.users_table, config.wikis_table, config.acls_table) == ("dev-users", "shared-wikis", "dev-acls")
    assert replace(config, max_attempts=1).users_table == "dev-users"


def test_a_prefix_that_makes_a_name_too_long() -> None:
    """The names that a prefix makes must be valid table names."""
    with pytest.raises(ValueError, match=r"^users_table must be 3 to 255 characters"):
        StoreConfig(table_prefix="a" * 250)


@pytest.mark.parametrize("setting", ["grantee_index", "coalesce_reads", "hedge_reads"])
@pytest.mark.parametrize("value", [1, None, "true"])
def test_a_switch_is_true_or_false(setting: str, value: Any) -> None:  # noqa: ANN401 - any setting's
    """A switch accepts only True and False, no other truthy value."""
    with pytest.raises(TypeError, match=f"^{setting} must be True or False"):
        StoreConfig(**{setting: value})


def test_the_secret_stays_out_of_the_repr() -> None:
    """The repr of a config does not show the cursor secret."""
    assert SECRET not in repr(StoreConfig(cursor_secret=SECRET))
    assert SECRET not in repr(StoreConfig(cursor_secret=(SECRET, SECRET)))


def test_a_refused_secret_stays_out_of_the_message() -> None:
    """The error for an invalid cursor secret does not show it."""
    with pytest.raises(ValueError, match="cursor_secret") as caught:
        StoreConfig(cursor_secret="hunter2")

    assert "hunter2" not in str(caught.value)


def test_from_env_reads_every_setting() -> None:
    """Each setting is read from its variable and converted to its type."""
    config = StoreConfig.from_env({variable: text for variable, (text, _) in VARIABLES.items()})

    assert set(VARIABLES) == {f"WIKIBOT_{field.name.upper()}" for field in fields(StoreConfig)}
    for variable, (_, value) in VARIABLES.items():
        actual = getattr(config, variable.removeprefix("WIKIBOT_").lower())
        assert (variable, type(actual), actual) == (variable, type(value), value)


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        (SECRET, (SECRET,)),
        (f"{SECRET},another long secret", (SECRET, "another long secret")),
        (f" {SECRET} , another long secret\n", (SECRET, "another long secret")),
    ],
)
def test_from_env_reads_several_secrets(text: str, secrets: tuple[str, ...]) -> None:
    """A comma separates the secrets; the first one makes cursors."""
    assert StoreConfig.from_env({"WIKIBOT_CURSOR_SECRET": text}).cursor_secrets == secrets


@pytest.mark.parametrize("text", [f"{SECRET},", f",{SECRET}", f"{SECRET},,{SECRET}", f"{SECRET},hunter2"])
def test_from_env_refuses_half_a_rotation(text: str) -> None:
    """A secret that is missing or too short behind a comma is refused, without being shown."""
    with pytest.raises(ValueError, match=r"^cursor_secret must ") as caught:
        StoreConfig.from_env({"WIKIBOT_CURSOR_SECRET": text})

    assert SECRET not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_without_secrets() -> None:
    """There are no secrets unless somebody sets one."""
    assert StoreConfig().cursor_secrets == ()


def test_from_env_takes_the_region_that_botocore_does_not_read() -> None:
    """AWS_REGION is the region unless WIKIBOT_REGION names one."""
    assert StoreConfig.from_env({"AWS_REGION": "eu-west-1"}).region == "eu-west-1"
    assert StoreConfig.from_env({"AWS_REGION": "eu-west-1", "WIKIBOT_REGION": "us-east-1"}).region == "us-east-1"


@pytest.mark.parametrize(
    "environ", [{}, dict.fromkeys(VARIABLES, ""), {"AWS_DEFAULT_REGION": "eu-west-1", "REGION": "x"}]
)
def test_from_env_keeps_the_defaults(environ: dict[str, str]) -> None:
    """A variable that is missing, empty or of another program does not change a setting."""
    assert StoreConfig.from_env(environ) == StoreConfig()


def test_from_env_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument, from_env reads the environment of the process."""
    monkeypatch.setenv("WIKIBOT_USERS_TABLE", "people")

    assert StoreConfig.from_env() == StoreConfig(users_table="people")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, True) for text in ("1", "true", "yes", "on", "TRUE", "On")),
        *((text, False) for text in ("0", "false", "no", "off", "False", "NO")),
    ],
)
def test_from_env_reads_booleans(text: str, *, value: bool) -> None:
    """Booleans are read from the usual words, in upper or lower case."""
    assert StoreConfig.from_env({"WIKIBOT_GRANTEE_INDEX": text}).grantee_index is value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("WIKIBOT_GRANTEE_INDEX", "maybe"),
        ("WIKIBOT_COALESCE_READS", "2"),
        ("WIKIBOT_MAX_POOL_CONNECTIONS", "many"),
        ("WIKIBOT_MAX_ATTEMPTS", "1.5"),
        ("WIKIBOT_CONNECT_TIMEOUT", "2s"),
        ("WIKIBOT_READ_TIMEOUT", "five"),
        ("WIKIBOT_DEADLINE", "1,5"),
    ],
)
def test_from_env_names_the_variable_that_it_cannot_parse(variable: str, text: str) -> None:
    """The error names the variable that does not parse."""
    with pytest.raises(ValueError, match=f"^{variable}: "):
        StoreConfig.from_env({variable: text})


def test_from_env_checks_what_it_reads() -> None:
    """A value that parses must still follow the rule of its setting."""
    with pytest.raises(ValueError, match=r"^max_attempts must "):
        StoreConfig.from_env({"WIKIBOT_MAX_ATTEMPTS": "0"})


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("WIKIBOT_USER_TABLE", "WIKIBOT_USERS_TABLE"),
        ("WIKIBOT_TABLEPREFIX", "WIKIBOT_TABLE_PREFIX"),
        ("WIKIBOT_LIMIT", "WIKIBOT_WIKI_LIMIT"),
        ("WIKIBOT_STACK_OUTPUT", "WIKIBOT_STACK_OUTPUTS"),
        ("WIKIBOT_CURSOR_SECRETS", "WIKIBOT_CURSOR_SECRET"),
    ],
)
@pytest.mark.parametrize("value", ["x", ""])
def test_from_env_rejects_a_variable_that_is_no_setting(variable: str, nearest: str, value: str) -> None:
    """A misspelt variable would leave its setting at the default; the error names the setting that was meant."""
    with pytest.raises(ValueError, match=f"^{variable} is not a setting; did you mean {nearest}\\?$"):
        StoreConfig.from_env({variable: value})


def test_from_env_ignores_the_variables_of_the_tests() -> None:
    """The project's own test suite has variables that are not settings."""
    assert StoreConfig.from_env({"WIKIBOT_TEST_ENGINE": "moto", "WIKIBOTS": "5"}) == StoreConfig()


def test_from_env_reads_the_stack_outputs(tmp_path: Path) -> None:
    """The stack outputs in a file replace the defaults; a variable overrides them."""
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(OUTPUTS))
    environ = {"WIKIBOT_STACK_OUTPUTS": str(file), "WIKIBOT_REGION": "us-east-1", "WIKIBOT_DEADLINE": "3"}

    expected = replace(StoreConfig.from_stack_outputs(OUTPUTS), region="us-east-1", deadline=3.0)
    assert StoreConfig.from_env(environ) == expected


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"region": "us-east-1"}'])
def test_from_env_refuses_what_are_no_stack_outputs(content: str, tmp_path: Path) -> None:
    """The error names the variable that points to the file."""
    file = tmp_path / "outputs.json"
    file.write_text(content)

    with pytest.raises(ValueError, match=r"^WIKIBOT_STACK_OUTPUTS: "):
        StoreConfig.from_env({"WIKIBOT_STACK_OUTPUTS": str(file)})


def test_from_env_refuses_a_file_that_is_missing(tmp_path: Path) -> None:
    """The error for an unreadable file names the file and its variable."""
    with pytest.raises(ValueError, match=r"^WIKIBOT_STACK_OUTPUTS: .*outputs\.json"):
        StoreConfig.from_env({"WIKIBOT_STACK_OUTPUTS": str(tmp_path / "outputs.json")})


def test_from_stack_outputs() -> None:
    """The table names are read from the stack outputs; other outputs are ignored."""
    assert StoreConfig.from_stack_outputs(OUTPUTS) == StoreConfig(
        region="eu-central-1",
        users_table="prod-users",
        wikis_table="prod-wikis",
        acls_table="prod-acls",
        grantee_index=True,
    )


def test_from_stack_outputs_of_an_older_stack() -> None:
    """A table or an index that is not in the outputs keeps its default."""
    older = {"users_table": "prod-users", "wikis_table": "prod-wikis"}

    assert StoreConfig.from_stack_outputs(older) == StoreConfig(users_table="prod-users", wikis_table="prod-wikis")


@pytest.mark.parametrize("outputs", [{}, {"region": "eu-central-1", "grantee_index": True}, {"bucket": "files"}])
def test_from_stack_outputs_of_another_stack(outputs: dict[str, object]) -> None:
    """Outputs that name no table of the library are rejected: they would leave every table at its default."""
    with pytest.raises(ValueError, match=r"have none of users_table, .*: is this the wikibot stack"):
        StoreConfig.from_stack_outputs(outputs)


@pytest.mark.parametrize(("output", "value"), [("users_table", None), ("users_table", 5), ("grantee_index", "false")])
def test_from_stack_outputs_refuses_what_is_of_another_type(output: str, value: object) -> None:
    """Values of another type are rejected: the text "false" does not switch an index on."""
    with pytest.raises((TypeError, ValueError), match=f"^{output} must "):
        StoreConfig.from_stack_outputs(OUTPUTS | {output: value})
