"""What a run leaves: its records, and what made them."""
