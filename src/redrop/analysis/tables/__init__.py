"""The tables: one file each, found by its name; see docs/add-a-table.md."""
