"""``python -m tumorscope``: the command line without a script on the path."""

from __future__ import annotations

from tumorscope.cli.main import main

if __name__ == "__main__":
    main()
