"""`python -m tunesmith` is the command line."""

from tunesmith.interfaces.cli import main

main()
