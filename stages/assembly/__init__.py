"""How stage files put the rooms together: models, training, sampled rows.

This is part of the stage files, not a room: it is the only other place that imports several rooms.
"""
