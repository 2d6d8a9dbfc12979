"""What looks on while a generator is trained: checkpoints, health, the monitor, validation."""
