"""A Discord on loopback: REST, gateway and people, for the real discord.py to talk to.

server        the front: what a test says, sees and breaks        person, typed   people at their clients
gateway       sessions, dispatch, resume                          rest, routes    a request from bytes to answer
rest_*        the handlers                                        posting         how messages come and change
judge         published schema and overlay                        overlay_*, specs    the limits written by hand
limits        buckets, 429, the ban                               faults          what goes wrong, by rule
state, shapes what is known, and as JSON                          errors, permissions   Discord's codes and bits
real          the real client, for the tests of all this          echo            a bare bot, for comparing latency

An import order: errors, permissions, state, shapes, routes, specs, overlay_*, overlay, posting, rest_*,
limits, faults, judge, rest, gateway, typed, person, server.
"""
