"""The figures: one function each, named in ``redrop.analysis.names``.

A function takes (results, study, protocol, task, reported, sweep) and returns a matplotlib figure
with the text of its caption and the numbers that it plots (``drawn.Drawn``). No pyplot is used, so
there is no backend to choose and no state to leak.
"""
