"""Tests mirror the tree; `laws` hold for all inputs, `cases` are files, `crash` kills."""
