"""A deterministic simulator of one hub and several runners (reliability.md T1).

One process, one asyncio loop with virtual time. The product's own code runs unchanged above its ports; sockets,
threads, processes and disks are replaced below them. A world is made from a seed: same seed, same trace, to the byte.
"""
