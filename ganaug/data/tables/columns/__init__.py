"""Columns of tables as numbers and levels, and back."""
