"""The report of a run: one HTML file, made from its tables, manifests, records and figures. Nothing is computed again.

A page is a module with `TITLE`, its name in the navigation, and `content(source)`, what templates/<module>.html.j2 shows, or
None where a run has nothing for it; `write.PAGES` is their order. Source is all that a page may read: a file that is not in
it does not exist for the report, even if an earlier run left one.
"""
