"""Wrong settings end the program with a message that names them."""

import json

import pulumi
import pytest

from tests.infra.program import run_program


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("wikibot:tablePrefix", "my wiki", "'my wiki-users', which is not 3 to 255 of"),
        ("wikibot:tablePrefix", "x" * 250, "which is not 3 to 255 of"),
        ("wikibot:usersTable", "ab", "'ab', which is not 3 to 255 of"),
        ("wikibot:wikisTable", "wikibot-dev-users", "gives two tables the name 'wikibot-dev-users'"),
        ("wikibot:pitrDays", "0", "must be 1 to 35, not 0"),
        ("wikibot:pitrDays", "36", "must be 1 to 35, not 36"),
        ("wikibot:pitrDays", "a week", "is not a valid 'int'"),
        ("wikibot:kmsKeyArn", "alias/wiki", "must be the ARN of a key"),
        ("wikibot:alarmTopicArn", "alerts", "must be the ARN of an SNS topic"),
        ("wikibot:maxReadUnits", "0", "must be at least 1"),
        ("wikibot:maxWriteUnits", "-1", "must be at least 1"),
        ("wikibot:maxWriteUnits", "plenty", "is not a valid 'int'"),
        ("wikibot:granteeIndex", "yes", "is not a valid 'bool'"),
        ("wikibot:deletionProtection", "on", "is not a valid 'bool'"),
        ("wikibot:protect", "1", "is not a valid 'bool'"),
        ("wikibot:tags", "team=wiki", "is not a valid 'JSON object'"),
        ("wikibot:tags", '["team"]', "must be a mapping"),
        ("wikibot:tags", '{"team": 4711}', "must be a mapping of tag names"),
        ("wikibot:tags", '{"AWS:team": "wiki"}', "must be a mapping of tag names, not starting with aws:"),
        ("wikibot:tags", '{"team": "<wiki>"}', "must be a mapping of tag names"),
        ("wikibot:tags", '{"project": "mine"}', "cannot set project"),
        ("wikibot:tags", '{"environment": "prod"}', "cannot set environment"),
        ("wikibot:tags", json.dumps({f"tag-{number}": "" for number in range(49)}), "may have 48 tags, not 49"),
        (
            "wikibot:granteIndex",
            "true",
            "is not a setting of this program; the settings are aclsTable, ",
        ),
    ],
)
def test_wrong_settings_are_rejected(key: str, value: str, rule: str) -> None:
    """The error names a setting that is unknown or invalid, and its rule."""
    with pytest.raises(pulumi.RunError) as refusal:
        run_program("dev", {key: value})

    assert key in str(refusal.value)
    assert rule in str(refusal.value)


@pytest.mark.parametrize("stack", ["production", "Prod", "test"])
def test_unknown_environments_are_rejected(stack: str) -> None:
    """A stack whose name is not an environment is rejected: a misspelt `prod` would be unprotected."""
    with pytest.raises(pulumi.RunError, match=f"stack '{stack}' must be named dev, staging or prod"):
        run_program(stack)
