"""The IAM permissions that a request needs, and those that a policy grants."""

from collections.abc import Iterator, Mapping
from typing import Any

Permission = tuple[str, str]
"""An action and the ARN of its resource."""


def permissions(operation: str, request: Mapping[str, Any], arns: Mapping[str, str]) -> Iterator[Permission]:
    """Yield the permissions that a request needs; `arns` maps table names to ARNs.

    For transactions, see https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html.
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


def allowed(policy: Mapping[str, Any]) -> set[Permission]:
    """Return the permissions that a policy grants: every action on every resource."""
    return {
        (action, resource)
        for statement in policy["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }
