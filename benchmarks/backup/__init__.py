"""The benchmark of exports and imports: `python -m benchmarks.backup`."""
