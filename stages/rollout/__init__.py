"""Engines that sample completions from the policy, behind one Protocol."""
