"""What nanotrigger takes: `python -m bench [TOPIC ...]` measures and writes docs/benchmarks.md.

A topic is a module of this folder, found by its name, with `measure(options)` (see `base`): one more topic is one more
file. No time is ever a test: what the project asks for stands beside what was measured.

pytest-benchmark, asv and pyperf were looked at: they repeat calls of microseconds, compare commits, or hold times alone.
Here a row takes minutes once or three times, may count LUTs or bytes, and is set against another of the same run and against
what was asked; of those tools the arithmetic of a median would remain.
"""
