"""Relativistic adversarial training: the step, its losses, and augmentation in front of the discriminator."""
