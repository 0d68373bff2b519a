"""``python -m redrop`` is the ``redrop`` command."""

from redrop.cli import main

if __name__ == "__main__":
    main()
