"""What the harness measures, one module for each family; docs/metrics.md defines every number."""
