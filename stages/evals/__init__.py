"""Figures computed from graded answers: accuracy, pass@k, consensus, intervals, reflective words."""
