"""What a step may use besides programs: one file an action; third parties by the entry point group `howdah.actions`."""
