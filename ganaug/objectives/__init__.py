"""What is minimised, each objective in a package of its own."""
