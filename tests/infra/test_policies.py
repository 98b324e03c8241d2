"""The IAM policies allow what is sent, and nothing else."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from moto.iam.policy_validation import IAMPolicyDocumentValidator

from tests.access_patterns import BACKEND, PATTERNS, call_all
from tests.engines import patient
from tests.half_done import make_faults
from tests.integration.samples import collect
from tests.legacy import fill, old_items
from tests.permissions import Permission, allowed, permissions
from tests.recording import recording
from tests.world import reset
from wikibot_store import WikibotStore
from wikibot_store.backup import ImportMode, export_tables, import_tables
from wikibot_store.local import local_store
from wikibot_store.policies import backend_policy, operator_policy
from wikibot_store.provision import create_tables, delete_tables
from wikibot_store.schema import GRANTEE_INDEX, TABLES
from wikibot_store.verify import verify_tables

ARNS = {schema.name: f"arn:aws:dynamodb:eu-central-1:123456789012:table/wikibot-dev-{schema.name}" for schema in TABLES}


async def arns_of(store: WikibotStore) -> dict[str, str]:
    """Return the ARN of each table of the schema."""
    names = {schema.name: store.config.table_name(schema.name) for schema in TABLES}
    return {
        table: (await (await store.client()).describe_table(TableName=name))["Table"]["TableArn"]
        for table, name in names.items()
    }


@pytest.mark.parametrize("grantee_index", [False, True])
async def test_backend_policy_is_what_the_store_sends(grantee_index: bool) -> None:  # noqa: FBT001 - a parameter
    """Nothing that the access patterns send is missing from the backend's policy; nothing in it is never sent."""
    query = f"Query ({GRANTEE_INDEX})"
    patterns = [pattern for pattern in BACKEND if grantee_index or query not in pattern.requests]
    async with local_store(replace(patient(), grantee_index=grantee_index)) as store:
        arns = await arns_of(store)
        asked: set[Permission] = set()
        with recording(store, lambda operation, request: asked.update(permissions(operation, request, arns))):
            await call_all(store, patterns)

    assert asked == allowed(backend_policy(arns, optional_indexes={GRANTEE_INDEX} if grantee_index else ()))


async def test_operator_policy_is_what_operators_send(tmp_path: Path) -> None:
    """What operators do sends nothing that the policy lacks, and all that it has."""
    async with local_store(patient()) as store:
        arns = await arns_of(store)
        await reset(store)
        await make_faults(store)
        asked: set[Permission] = set()
        with recording(store, lambda operation, request: asked.update(permissions(operation, request, arns))):
            for pattern in PATTERNS:
                if pattern.operator:
                    await pattern.call(store)
            await fill(store, old_items(Random(1), users=2))  # noqa: S311 - no secret
            await collect(store.admin.adopt(apply=True))
            await export_tables(store, tmp_path)
            for mode in (ImportMode.OVERWRITE, ImportMode.IF_ABSENT):
                await import_tables(store, tmp_path, mode=mode)

        def record(params: Mapping[str, Any], model: Any, **_: Any) -> None:  # noqa: ANN401 - botocore's
            asked.update(permissions(model.name, params, arns))

        for schema in TABLES:
            if schema.ttl_attribute is None:  # which create_tables switches off
                await (await store.client()).update_time_to_live(
                    TableName=schema.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "updated_at"}
                )
        (await store.client()).meta.events.register("before-parameter-build.dynamodb", record)
        await create_tables(store)
        await delete_tables(store)
        await create_tables(store, deletion_protection=True)
        await verify_tables(store)

    assert asked == allowed(operator_policy(arns))


@pytest.mark.parametrize(
    "policy",
    [backend_policy(ARNS), backend_policy(ARNS, optional_indexes={GRANTEE_INDEX}), operator_policy(ARNS)],
    ids=["backend", "backend with by-grantee", "operator"],
)
def test_policies_are_valid_and_exact(policy: dict[str, Any]) -> None:
    """Each policy is a valid document that names tables and indexes in full and fits into a managed policy."""
    document = json.dumps(policy)

    IAMPolicyDocumentValidator(document).validate()
    assert "*" not in document
    assert max(Counter(statement["Sid"] for statement in policy["Statement"]).values()) == 1
    assert {resource.partition("/index/")[0] for _, resource in allowed(policy)} == set(ARNS.values())
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: without white space
    assert len("".join(document.split())) <= 6144


def test_backend_may_not_scan_or_touch_tables() -> None:
    """The backend reads by key or index only, and cannot change or delete a table."""
    actions = {action for action, _ in allowed(backend_policy(ARNS, optional_indexes={GRANTEE_INDEX}))}

    assert not any("Scan" in action or action.endswith(("Table", "TimeToLive", "Backups")) for action in actions)
