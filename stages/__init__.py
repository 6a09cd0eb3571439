"""The data plane: one short file per stage, and the rooms they bring together."""
