"""Measuring: benchmarks and offline evaluation. Each command prints a table, then one JSON object as its last line."""
