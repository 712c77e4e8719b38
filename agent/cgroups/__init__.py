"""The bot's cgroups: made by the daemon, entered by the bot's child, never by its shim (core.md §2). v2, v1 or none.

    choice    chosen() -> Hierarchies              once: what this machine lets us do, `mode` for people
    groups    make_group(id, wanted) -> Group      empty where none may be made: the tree is then ended by descent alone
              hold(group, wanted, {}) -> held      write the limits; which of them the kernel keeps from here on
              open_procs(group.kill)               handed to the shim with the order (role `cgroup`)
              remove_group(group)
    killing   kill_cgroup(path), members(path)     the shim's too
    readings  what the kernel counted              the shim's too

v2: a folder below the daemon's own group, killed by `cgroup.kill` (Linux 5.14), with memory, pids and cpu where these
may be handed down. v1: a folder in each hierarchy that a limit needs, killed by signals until it is empty. Hybrid
machines have both: killed by v2, limited by v1. What the kernel does not keep, the shim watches (`agent.shim.bounds`).
"""
