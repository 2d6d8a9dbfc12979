"""``python -m ganaug``."""

from ganaug.cli import main

main()
