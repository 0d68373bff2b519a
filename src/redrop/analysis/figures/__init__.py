"""The figures: one file each, found by its name; see docs/add-a-figure.md.

No pyplot is used, so there is no backend to choose and no state to leak.
"""
