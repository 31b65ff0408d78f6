"""A Discord on loopback: REST, gateway and people, for the real discord.py to talk to."""
