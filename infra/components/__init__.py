"""The parts that the program is built from, and a Pulumi component package of them."""
