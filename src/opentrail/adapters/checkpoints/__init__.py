"""Checkpoints of those who follow a bucket (port: checkpoints)."""
