"""THE contract between hub and runner: messages, records, codec, limits and versions.

``README.md`` beside this file tells the protocol on two pages. Everything here is pure: no I/O, clock, randomness.
"""
