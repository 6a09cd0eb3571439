"""Reinforcement learning: the GRPO objective, and the loop around it."""
