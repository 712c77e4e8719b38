"""BotCity's API under ``/api/v2``, an adapter on services: for bots, SDKs and tools made for BotCity Maestro.

The contract is `contracts/maestro.md`; its §2 is `routes.py` here, one row a call, and each resource is one file.
Answers are what the vendor's own clients read: exact statuses, dates with offset, errors with a ``message``, never a
redirect.

| file | what it is |
|---|---|
| `routes` | the table: method, path, role, handler |
| `serving` | one call: who, may he, body, handler, errors in shape |
| `call` | what a handler is given; a forwarded call is carried out once |
| `pages` | BotCity's pages, counted from 0 |
| `version`, `workspace`, `tasks` | the resources |
| `task_shape` | our task as BotCity's task object |

Who calls: an access token of a login, a key, or a runner's ticket that speaks for one of its bots.
"""

from hub.maestro.serving import mount

__all__ = ["mount"]
