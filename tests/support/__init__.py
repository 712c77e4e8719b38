"""What tests share: waiting, clocks, ports, servers, leak checks. `docs` of each stand in its module."""
