"""``python -m rdexplain``."""

import sys

from rdexplain.cli import main

if __name__ == "__main__":
    sys.exit(main())
