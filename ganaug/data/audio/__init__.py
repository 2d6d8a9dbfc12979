"""Labelled sounds, as images of their spectrograms, and sounds made of spectrograms, to be listened to."""
