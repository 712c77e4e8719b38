"""A bot's call that takes items, and that its bot no longer waits for: said by the gateway, obeyed by the hub.

The gateway sends the very same call once more, with the same key and this header. The hub then takes nothing for it,
neither now nor when the first one comes late; what the first one had taken already goes back unspent.
"""

WITHDRAW_HEADER = "Botyard-Withdraw"
