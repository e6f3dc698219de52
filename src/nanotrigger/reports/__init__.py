"""Parsers of what tools report: one per report, each raising on what it does not understand."""
