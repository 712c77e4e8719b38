"""Whether this machine, and each desktop of it, can be worked on now: looked at every two seconds, told on change.

    look (desktops, disk, memory, clock, programs) > judge > standing (since when) > condition to the hub
                                                                  '--> slots closed or open       hand-over looks again

| file | what it does |
|---|---|
| `facts` | what is looked at, and what is wished for |
| `judge` | pure: what is wrong with what was found |
| `standing` | pure: since when; what must be seen twice |
| `clock` | pure: the hub's time, as far as heartbeats tell it |
| `programs` | applications and browsers on this machine |
| `senses` | the machine's readings |
| `watch` | the loop, the gate, the condition |
"""
