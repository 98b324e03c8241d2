"""The settings of a stack: read from `pulumi config` and checked before anything is planned."""

import re
from dataclasses import dataclass
from typing import Any, Self

import pulumi
from components.dynamodb import DynamoDbArgs

from wikibot_store.schema import TABLES
from wikibot_store.schema import tags as fixed_tags

_ENVIRONMENTS = ("dev", "staging", "prod")
"""The permitted names of stacks. A misspelt `prod` is rejected, because it would be an unprotected stack."""


def _camel(name: str) -> str:
    """Return a name of the schema as Pulumi's settings write it, such as apiTokens."""
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)


_TABLE_KEYS = {schema.name: f"{_camel(schema.name)}Table" for schema in TABLES}
_KEYS = {
    *_TABLE_KEYS.values(),
    "alarmTopicArn",
    "deletionProtection",
    "granteeIndex",
    "kmsKeyArn",
    "maxReadUnits",
    "maxWriteUnits",
    "pitrDays",
    "protect",
    "tablePrefix",
    "tags",
}
_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")
_TOPIC_ARN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}")
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Tagging.html
_TAG_KEY = re.compile(r"(?!(?i:aws:))[\w .:/=+@-]{1,128}")
_TAG_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")
_MAX_TAGS = 50
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PointInTimeRecoverySpecification.html
_MAX_PITR_DAYS = 35


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to set up the tables of a stack, and whether Pulumi refuses to delete them."""

    tables: DynamoDbArgs
    protect: bool

    @classmethod
    def read(cls) -> Self:
        """Read the stack's settings; docs/deploy.md describes them.

        Raises:
            pulumi.RunError: A setting is unknown or invalid; the message names its key.

        """
        environment = pulumi.get_stack()
        if environment not in _ENVIRONMENTS:
            raise pulumi.RunError(
                f"stack {environment!r} must be named {', '.join(_ENVIRONMENTS[:-1])} or {_ENVIRONMENTS[-1]}"
            )
        config = pulumi.Config()
        _reject_unknown_keys(config)
        is_prod = environment == "prod"
        tables = DynamoDbArgs(
            environment=environment,
            table_names=_table_names(config, environment),
            grantee_index=config.get_bool("granteeIndex", default=False),
            recovery_days=_pitr_days(config),
            deletion_protection=config.get_bool("deletionProtection", default=is_prod),
            kms_key_arn=_arn(config, "kmsKeyArn", _KEY_ARN, "a key, arn:aws:kms:…:key/…"),
            alarm_topic_arn=_arn(config, "alarmTopicArn", _TOPIC_ARN, "an SNS topic, arn:aws:sns:…"),
            max_read_units=_cap(config, "maxReadUnits"),
            max_write_units=_cap(config, "maxWriteUnits"),
            tags=_tags(config, environment),
        )
        return cls(tables=tables, protect=config.get_bool("protect", default=is_prod))


def _rejection(config: pulumi.Config, key: str, rule: str) -> pulumi.RunError:
    return pulumi.RunError(f"{config.full_key(key)} {rule}")


def _reject_unknown_keys(config: pulumi.Config) -> None:
    prefix = config.full_key("")
    given = {key.removeprefix(prefix) for key in pulumi.runtime.get_config_env() if key.startswith(prefix)}
    for key in sorted(given - _KEYS):
        raise _rejection(config, key, f"is not a setting of this program; the settings are {', '.join(sorted(_KEYS))}")


def _table_names(config: pulumi.Config, environment: str) -> dict[str, str]:
    prefix = config.get("tablePrefix", f"wikibot-{environment}")
    names: dict[str, str] = {}
    for schema in TABLES:
        key = _TABLE_KEYS[schema.name]
        name = config.get(key)
        if name is None:
            key, name = "tablePrefix", f"{prefix}-{schema.name}"
        if not _TABLE_NAME.fullmatch(name):
            raise _rejection(config, key, f"makes the table name {name!r}, which is not 3 to 255 of A-Z a-z 0-9 _ . -")
        if name in names.values():
            raise _rejection(config, key, f"gives two tables the name {name!r}")
        names[schema.name] = name
    return names


def _pitr_days(config: pulumi.Config) -> int:
    days = config.get_int("pitrDays", _MAX_PITR_DAYS)
    if not 1 <= days <= _MAX_PITR_DAYS:
        raise _rejection(config, "pitrDays", f"must be 1 to {_MAX_PITR_DAYS}, not {days}")
    return days


def _arn(config: pulumi.Config, key: str, pattern: re.Pattern[str], rule: str) -> str | None:
    arn = config.get(key)
    if arn is not None and not pattern.fullmatch(arn):
        raise _rejection(config, key, f"must be the ARN of {rule}, not {arn!r}")
    return arn


def _cap(config: pulumi.Config, key: str) -> int | None:
    units = config.get_int(key)
    if units is not None and units < 1:
        raise _rejection(config, key, f"must be at least 1 request unit per second, not {units}")
    return units


def _tags(config: pulumi.Config, environment: str) -> dict[str, str]:
    own = config.get_object("tags", {})
    fixed = fixed_tags(environment)
    if not isinstance(own, dict) or not all(_is_tag(key, value) for key, value in own.items()):
        raise _rejection(config, "tags", "must be a mapping of tag names, not starting with aws:, to strings")
    if taken := own.keys() & fixed.keys():
        raise _rejection(config, "tags", f"cannot set {', '.join(sorted(taken))}, because the program sets it")
    if len(own) + len(fixed) > _MAX_TAGS:
        raise _rejection(config, "tags", f"may have {_MAX_TAGS - len(fixed)} tags, not {len(own)}")
    return own


def _is_tag(key: str, value: Any) -> bool:  # noqa: ANN401 - whatever JSON holds
    return bool(_TAG_KEY.fullmatch(key) and isinstance(value, str) and _TAG_VALUE.fullmatch(value))
