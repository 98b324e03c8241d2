"""The DAOs: one per table, and one for operators. A DAO validates the arguments and calls a table or a workflow."""
