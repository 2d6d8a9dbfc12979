"""Tables: their containers, their columns as numbers and levels, and their files."""
