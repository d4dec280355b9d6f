"""Figures that sum up runs, computed in one way everywhere."""
