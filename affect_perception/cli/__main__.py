"""`python -m affect_perception.cli`: the command `affect-perception`."""

import sys

from affect_perception.cli import main

if __name__ == '__main__':
    sys.exit(main())
