"""ROS domains of the tests: processes of tests that run at once on a machine do not hear each other."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

# A process of tests that begins its search for a domain where others do.
PROCESS = """
import os, sys
os.getpid = os.getppid = lambda: 1234
sys.path.insert(0, 'test')
import conftest
conftest.hold_domain()
print(os.environ['ROS_DOMAIN_ID'], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize('worker', [{}, {'PYTEST_XDIST_WORKER': 'gw0', 'ROS_DOMAIN_ID': '30'}])
def test_runs_of_tests_at_once_have_different_domains(worker):
    env = {k: v for k, v in os.environ.items() if k not in ('PYTEST_XDIST_WORKER', 'ROS_DOMAIN_ID')} | worker
    command, pipe = [sys.executable, '-c', PROCESS], subprocess.PIPE
    runs = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env, cwd=ROOT) for _ in range(3)]
    domains = {int(run.stdout.readline()) for run in runs}
    for run in runs:
        run.communicate()
    assert len(domains) == 3
    assert all(30 <= domain < 90 for domain in domains)
