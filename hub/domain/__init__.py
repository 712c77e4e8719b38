"""Pure decisions of the hub: no clock, no randomness, no I/O; everything is an argument."""
