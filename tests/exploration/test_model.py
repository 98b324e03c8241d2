"""The explorer's model of DynamoDB answers as DynamoDB Local does."""

import random
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from tests.engines import dynamodb_local, missing_for_dynamodb_local
from tests.exploration import model
from tests.exploration.clients import surroundings
from tests.exploration.explorer import Node
from tests.exploration.model import Database, Reply
from tests.exploration.service import every_action, people, starts
from wikibot_store.schema import GRANTEE_INDEX, TABLES, create_table_request

_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "Authorization": "AWS4-HMAC-SHA256 Credential=model/20260101/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=00",
}
