"""What IAM asks for before DynamoDB does something, and what a policy allows."""

from collections.abc import Iterator, Mapping
from typing import Any

Permission = tuple[str, str]
"""An action and the ARN of what it is done to."""


def permissions(operation: str, request: Mapping[str, Any], arns: Mapping[str, str]) -> Iterator[Permission]:
    """Return what IAM asks for before it lets a request pass; `arns` has the ARN of each table's name.

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


def allowed(policy: Mapping[str, Any]) -> set[Permission]:
    """Return every action on every resource that a policy allows."""
    return {
        (action, resource)
        for statement in policy["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }
