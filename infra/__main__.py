"""The Pulumi program: reads the settings, creates the tables, and exports what the store and IAM need."""

import pulumi
import pulumi_aws as aws
from components.dynamodb import DynamoDbComponent
from config import Settings

settings = Settings.read()
component = DynamoDbComponent("wikibot", settings.tables, pulumi.ResourceOptions(protect=settings.protect))

pulumi.export("region", aws.get_region_output().region)
for name, value in component.outputs.items():
    pulumi.export(name, value)
pulumi.export("backend_policy", component.backend_policy)
pulumi.export("operator_policy", component.operator_policy)
