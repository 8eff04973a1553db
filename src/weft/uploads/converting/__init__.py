"""Recipes carried out: inspect, wait for a place and for memory, make, keep."""
