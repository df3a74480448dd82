"""Let ``python -m coexist`` be the ``coexist`` program."""

from coexist.cli import main

main()
