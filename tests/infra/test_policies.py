"""The IAM policies allow what is sent, and nothing else."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from moto.iam.policy_validation import IAMPolicyDocumentValidator

from tests.infra.access_patterns import CALLS, call_all, public_methods
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_store
from wikibot_store.policies import backend_policy, operator_policy
from wikibot_store.provision import create_tables, delete_tables
from wikibot_store.schema import TABLES
from wikibot_store.verify import verify_tables

Permission = tuple[str, str]
ARNS = {schema.name: f"arn:aws:dynamodb:eu-central-1:123456789012:table/wikibot-dev-{schema.name}" for schema in TABLES}


def allowed(policy: Mapping[str, Any]) -> set[Permission]:
    """Return every action on every resource that a policy allows."""
    return {
        (action, resource)
        for statement in policy["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


async def arns_of(store: WikibotStore) -> dict[str, str]:
    """Return the ARN of each table of the schema."""
    names = {schema.name: store.config.table_name(schema.name) for schema in TABLES}
    return {
        table: (await (await store.client()).describe_table(TableName=name))["Table"]["TableArn"]
        for table, name in names.items()
    }


def permissions(operation: str, request: Mapping[str, Any], arns: Mapping[str, str]) -> Iterator[Permission]:
    """Return what IAM asks for before it lets a request pass.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html has it for transactions.
    """
    match request:
        case {"TransactItems": actions}:
            for action in actions:
                ((kind, member),) = action.items()
                yield from permissions(f"{kind}Item", member, arns)
        case {"RequestItems": tables}:
            yield from ((f"dynamodb:{operation}", arns[table]) for table in tables)
        case {"ResourceArn": arn}:
            yield f"dynamodb:{operation}", arn
        case {"TableName": table, "IndexName": index}:
            yield f"dynamodb:{operation}", f"{arns[table]}/index/{index}"
        case {"TableName": table}:
            yield f"dynamodb:{operation}", arns[table]


def test_every_access_pattern_is_called() -> None:
    """What a user of the store can call is called here, so that the policies are compared with all that is sent."""
    assert set(CALLS) == set(public_methods())


@pytest.mark.parametrize("grantee_index", [False, True])
async def test_backend_policy_is_what_the_store_sends(grantee_index: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a parameter
    """Nothing that the access patterns send is missing from the backend's policy; nothing in it is never sent."""
    sent: set[Permission] = set()
    async with local_store(StoreConfig(grantee_index=grantee_index)) as store:
        arns = await arns_of(store)
        call = store._wire.call

        async def record(
            operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
        ) -> Any:  # noqa: ANN401 - what `decode` returns
            sent.update(permissions(operation, request, arns))
            return await call(operation, request, decode, deadline=deadline)

        monkeypatch.setattr(store._wire, "call", record)
        await call_all(store)

    assert sent == allowed(backend_policy(arns, optional_indexes=grantee_index))


async def test_operator_policy_is_what_provisioning_sends() -> None:
    """Making, verifying and deleting the tables sends nothing that the operator's policy lacks, and all that it has."""
    sent: set[Permission] = set()
    async with local_store() as store:
        arns = await arns_of(store)

        def record(params: Mapping[str, Any], model: Any, **_: Any) -> None:  # noqa: ANN401 - botocore's
            sent.update(permissions(model.name, params, arns))

        (await store.client()).meta.events.register("before-parameter-build.dynamodb", record)
        await delete_tables(store)
        await create_tables(store, deletion_protection=True)
        await verify_tables(store)

    assert sent == allowed(operator_policy(arns))


@pytest.mark.parametrize(
    "policy",
    [backend_policy(ARNS), backend_policy(ARNS, optional_indexes=True), operator_policy(ARNS)],
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
    actions = {action for action, _ in allowed(backend_policy(ARNS, optional_indexes=True))}

    assert not any("Scan" in action or action.endswith(("Table", "TimeToLive", "Backups")) for action in actions)
    assert not actions & {action for action, _ in allowed(operator_policy(ARNS))}
