"""How fast howdah is, as ratios to something else measured in the same minute: `make bench`."""
