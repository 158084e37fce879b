"""The tuning catalogue: every setting that the sources name, as data.

`rows.ROWS` is the whole table. Rendered files, docs/tuning.md (`python -m cloudinit.catalogue`), the checks made
inside a guest and the errors about refused keys all come from it.
"""
