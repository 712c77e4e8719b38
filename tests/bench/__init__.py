"""How fast it is: real processes, everything durable, loopback, warm-up, medians, the machine's own limits beside.

`python -m tests.bench [--quick] [--json]`. Nothing here is a test: no figure is asserted anywhere.
"""
