"""The host of the component package: `pulumi package add` runs this folder and asks it for the schema."""

import sys
from pathlib import Path

from pulumi.provider.experimental import component_provider_host

sys.path.insert(0, str(Path(__file__).parents[1]))  # Pulumi runs this folder without the one above it

from components.dynamodb import DynamoDbComponent

component_provider_host([DynamoDbComponent], "wikibot")
