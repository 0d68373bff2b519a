"""One page for readers: did it replicate, on what evidence, at what scale, at what cost.

Built from any folder of finished runs, outside of the workflow, and complete in itself: it needs no
network and no other file. See ``redrop.report.page``.
"""
