"""Files that commands read and write: CSV, the journal of a run, the rows that were refused, templates."""
