"""The daemon: everything that `session.py` and `execution.py` decide is performed here (`design.md` §3).

    run ── home, spool, folders ── adoption ── loops of one TaskGroup ── end

| file | its loop, or what it does |
|---|---|
| `root` | composition, start, signals, end and exit code |
| `house` | what the others share |
| `uplink` | dials, one connection at a time, performs a session's effects |
| `desk` | what the hub says: orders, questions, stops, wishes |
| `keeper` | one loop an execution: events in, effects done, in order |
| `handover` | from an order to a shim's verdict |
| `watch` | a running shim: doorbells, masks, stop, its end |
| `conclusion` | result file, artifacts, the final fact |
| `adoption` | at start: what the folders and the spool hold |
| `benches` | slots made ready: idle shim, empty work folder; the zygote's life |
| `bots` | the gateway's view of executions (`agent/gateway_port.py`) |
| `control` | `botyard-agent status, drain, stop` from beside |
"""
