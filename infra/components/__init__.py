"""The parts that the program is built from."""
