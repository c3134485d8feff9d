"""Functions of a module, as worker processes need them, for the tests of `runtime/processes/parallel.py`."""

import os
import time


def square(number, report):
    report(number)
    return number * number


def die_at_three(number, report):
    if number == 3:
        os._exit(1)
    return number


def sleep_with_pid(path, report):
    path.with_name(str(os.getpid())).touch()
    time.sleep(600)
