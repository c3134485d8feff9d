"""Run the tests that failed last once more, one after the other; exit status 0 only where all of them pass.

Used by `make test` after its run in two processes. More than MOST failures are no matter of load and are not run again.
"""

import json
import subprocess
import sys
from pathlib import Path

MOST = 3


def main() -> int:
    """Exit status of pytest over `.pytest_cache`'s failed tests, or 1 where there are more than MOST of them."""
    failed = sorted(json.loads(Path('.pytest_cache/v/cache/lastfailed').read_text()))
    if not 0 < len(failed) <= MOST:
        print(f'{len(failed)} tests failed; up to {MOST} would be run again, alone')
        return 1
    print('Run again, alone:', *failed, sep='\n  ', flush=True)
    status = subprocess.call([sys.executable, '-m', 'pytest', '--last-failed', '--last-failed-no-failures', 'none'])
    if status == 0:
        print('FAILED BESIDE OTHER TESTS, PASSED ALONE (depends on load; please report it):', *failed, sep='\n  ')
    return status


if __name__ == '__main__':
    sys.exit(main())
