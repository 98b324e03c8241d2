"""Typed access to any DynamoDB table and any model: items, expressions, listings, conditional writes, transactions.

Nothing here knows the tables, models or rules of this service.
"""
