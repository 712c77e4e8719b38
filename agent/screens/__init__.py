"""Pictures of desktops: the newest one of a running bot's, its recording, and what people look at live.

png          a Frame as a PNG file
difference   which rectangle of a picture changed
animation    a recording: one PNG that moves
"""
