"""A lifecycle manager, in the order of nav2's, starts, pauses, resets and ends the graph program over its services."""

import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from builders.peer import Peer
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState

from affect_perception.msg import FaceAffectArray

pytestmark = pytest.mark.ros

NODES = ['face_tracker_node', 'affect_node']  # `node_names` of the manager
PROGRAM = ['-m', 'affect_perception.graph.graph', '--no-agent', '--no-markers', '--ros-args']
SETTINGS = [
    *('camera_node:source:=scene', 'camera_node:width:=320', 'camera_node:height:=240', 'camera_node:fps:=2.0'),
    *('face_tracker_node:detector:=dlib_hog', 'face_tracker_node:reid:=off', 'face_tracker_node:detect_beside:=thread'),
    *('affect_node:device:=cpu', 'affect_node:backend:=torch'),
    *(f'{node}:autostart:=false' for node in NODES),
]
REACHED = {
    Transition.TRANSITION_CONFIGURE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_ACTIVATE: State.PRIMARY_STATE_ACTIVE,
    Transition.TRANSITION_DEACTIVATE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_CLEANUP: State.PRIMARY_STATE_UNCONFIGURED,
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: State.PRIMARY_STATE_FINALIZED,
}
UP = {Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE}  # in the order of NODES, others backwards


class Manager:
    """nav2's calls with `bond_timeout: 0.0`: one transition for all nodes, each answer and state checked.

    A request without an answer is repeated: the middleware drops the answer of a service whose writer has not yet found
    the client's reader, which on a full machine takes longer than `service_is_ready` says.
    """

    def __init__(self, peer: Peer) -> None:
        self._change = {node: peer.create_client(ChangeState, f'{node}/change_state') for node in NODES}
        self._state = {node: peer.create_client(GetState, f'{node}/get_state') for node in NODES}
        wait_until(lambda: all(c.service_is_ready() for c in (*self._change.values(), *self._state.values())), 120)

    @staticmethod
    def _call(client, request):
        answers = []

        def first() -> list:
            if len(answers) <= (time.monotonic() - start) / 15:
                answers.append(client.call_async(request))
            return [answer for answer in answers if answer.done()]

        start = time.monotonic()
        return wait_until(first, 120)[0].result()

    def change(self, node: str, transition: int) -> bool:
        return self._call(self._change[node], ChangeState.Request(transition=Transition(id=transition))).success

    def state(self, node: str) -> int:
        return self._call(self._state[node], GetState.Request()).current_state.id

    def states(self) -> set[int]:
        return {self.state(node) for node in NODES}

    def all(self, *transitions: int) -> None:
        for transition in transitions:
            for node in NODES if transition in UP else reversed(NODES):
                changed = self.change(node, transition) or self.state(node) == REACHED[transition]  # if repeated
                assert changed, (node, transition)
            assert self.states() == {REACHED[transition]}


@pytest.fixture
def program():
    command = [sys.executable, *PROGRAM]
    for setting in SETTINGS:
        command += ['-p', setting]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def test_manager_starts_pauses_resets_and_ends_the_program(spin, program):
    peer = spin(Peer(None, [('face_affect', FaceAffectArray)]))
    manager, configure, activate = Manager(peer), Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
    deactivate, cleanup = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP

    def results_come() -> bool:
        before = len(peer.got['face_affect'])
        return wait_until(lambda: len(peer.got['face_affect']) > before + 1, 120)

    for wrong in (activate, deactivate, cleanup):  # before configure: refused, nothing changes
        assert not any(manager.change(node, wrong) for node in NODES)
    assert manager.states() == {State.PRIMARY_STATE_UNCONFIGURED}
    manager.all(configure, activate)  # startup
    assert results_come()
    for wrong in (configure, activate, cleanup):
        assert not any(manager.change(node, wrong) for node in NODES)
    assert manager.states() == {State.PRIMARY_STATE_ACTIVE}
    assert results_come()
    manager.all(deactivate)  # pause
    manager.all(activate)  # resume
    assert results_come()
    manager.all(deactivate, cleanup)  # reset
    manager.all(configure, activate)
    assert results_come()
    manager.all(deactivate, cleanup, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)  # shutdown
    program.send_signal(signal.SIGINT)
    wait_until(lambda: program.poll() is not None)
    assert program.returncode == 0
    assert 'Traceback' not in program.stderr.read()
