"""What stands on a robot machine: the runner's daemon, its shims, and the wire that the hub shares with it."""
