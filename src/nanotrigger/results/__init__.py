"""What the pipeline found: records, tables and comparisons with published figures."""
