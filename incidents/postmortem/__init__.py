"""The postmortem: `collect` turns the log into a document, `markdown` writes it."""
