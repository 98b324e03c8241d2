"""The Pulumi program: reads the settings, creates the tables, and exports what the store and IAM need."""

from functools import partial

import pulumi
import pulumi_aws as aws
from components.dynamodb import DynamoDbComponent
from config import Settings

from wikibot_store.policies import backend_policy, operator_policy
from wikibot_store.schema import optional_indexes

settings = Settings.read()
component = DynamoDbComponent("wikibot", settings.tables, pulumi.ResourceOptions(protect=settings.protect))
arns = pulumi.Output.all(**{name: table.arn for name, table in component.tables.items()})

backend = arns.apply(partial(backend_policy, optional_indexes=optional_indexes(settings.tables)))

pulumi.export("region", aws.get_region_output().region)
for name, value in component.outputs.items():
    pulumi.export(name, value)
pulumi.export("backend_policy", pulumi.Output.json_dumps(backend))
pulumi.export("operator_policy", pulumi.Output.json_dumps(arns.apply(operator_policy)))
