"""Observers of a training: checkpoints, health, the monitor, validation."""
