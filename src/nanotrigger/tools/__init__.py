"""External programs: found, run with a time limit, and asked for their versions."""
