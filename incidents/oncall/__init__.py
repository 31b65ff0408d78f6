"""Who is on call: pure calculators over a schedule and an instant. docs/oncall.md has the rules in words.

`schedule` is the shape, `reading` reads it from YAML, `resolve` answers; nothing here reads a clock or a store.
"""
