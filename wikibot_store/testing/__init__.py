"""Help for the tests of those who use the library."""
