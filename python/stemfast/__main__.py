"""``python -m stemfast`` is the ``stemfast`` command."""

from stemfast.cli import main

if __name__ == "__main__":
    main()
