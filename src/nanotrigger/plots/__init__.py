"""Figures: one module each, found by listing this package.

A figure is a module with `needs`, the kinds of input it reads (see workflow/rules/report.smk); `applies(available)`, whether
a run has what it shows, given a set of `data`, `generated`, `hardware`, `trained` and the files that its stanzas make; and
`plot(plan, inputs)`, which returns a matplotlib figure and a table of the numbers in it. Its docstring, from the second
paragraph on, is its caption in the report. Snakemake imports them all whenever it starts: `_style.subplots` makes the figure,
and what takes long to load is imported in `plot`.
"""
