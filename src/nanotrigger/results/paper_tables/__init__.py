"""The tables that the papers print: one module each, found by listing this package.

A table is a module with `PAPER`, its arXiv number; `ROWS`, the rows as printed, each with the ids of its published figures in
resources/published_results.csv; `COLUMNS`, see `_fill`; and `models(plan)`, which names the model that fills each row unless
`tables.<table>.rows` in the config names another. Optional: `HIDDEN`, the units of the paper's hidden layers, and
`layout(lines)`, where the paper does not print a row per model. The first line of its docstring is its title, the rest its
caption. It applies to a run that has a model of any of its rows.
"""
