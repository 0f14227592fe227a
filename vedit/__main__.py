"""``python -m vedit``: the same as the ``vedit`` command."""

from __future__ import annotations

import sys

from vedit.cli import main

if __name__ == "__main__":
    sys.exit(main())
