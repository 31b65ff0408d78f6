"""The sections of howdah.yaml by name. `config` has each read by its owner; a file of schedules may hold the others."""

SECTIONS = (
    "people",
    "permissions",
    "discord",
    "updates",
    "hosts",
    "schedules",
    "escalation",
    "paging",
    "limits",
)
