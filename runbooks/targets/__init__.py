"""Other machines: how an attempt gets there, runs there, and is asked about when its link is lost."""
