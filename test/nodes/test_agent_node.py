"""The agent as a node: live thresholds, a policy of the user's own, and what happens when that one fails."""

import math

import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.parameter import Parameter

from affect_perception.core.agent.group_affect import GroupAffect, group_affect
from affect_perception.core.agent.policy import Behaviour
from affect_perception.core.agent.social_policy import SocialPolicy
from affect_perception.errors import ConfigError
from affect_perception.msg import AgentBehaviour, FaceAffectArray
from affect_perception.nodes.agent_node import AgentNode
from affect_perception.ros import conversions as convert
from affect_perception.ros import qos
from affect_perception.ros.executors import Spinner
from affect_perception.ros.startup.policy_loader import PolicyRunner, find_policy
from affect_perception.settings import AgentSettings
from affect_perception.types import Affect, AffectFrame, Box

pytestmark = pytest.mark.ros

T0 = 1_795_000_000_000_000_000
POLICY = """
from affect_perception.core.agent.policy import Behaviour

class Waver:
    def __init__(self, settings):
        self.hello = settings.smile_on

    def decide(self, state, people, stamp_ns):
        count = (state or 0) + 1
        if count == 3:
            raise KeyError('the third time')
        return count, Behaviour('wave', -1, 0.5, f'image {count}, smiles from {self.hello:.2f}')

class Mute:
    pass

class Shy(Waver):
    def __init__(self):
        pass

class Wild(Waver):
    def decide(self, state, people, stamp_ns):
        return None, people[0]

class Loud(Waver):
    def decide(self, state, people, stamp_ns):
        return None, Behaviour('wave', -1, float('nan'))
"""


@pytest.fixture
def policy(tmp_path):
    """The name of a class in a file."""
    (tmp_path / 'mine.py').write_text(POLICY)
    return lambda name: f'{tmp_path}/mine.py:{name}'


def faces(count=1, smile=0.1) -> list[Affect]:
    return [
        Affect(i + 1, Box(100.0 * i, 50, 60, 60), 0.9, (0.7, 0.1, 0.1, 0.1), smile, valence=0.2 * i)
        for i in range(count)
    ]


class Listener(Node):
    def __init__(self):
        super().__init__('listener')
        self.behaviours, self.diagnostics = [], []
        self.affect = self.create_publisher(FaceAffectArray, 'face_affect', qos.RESULTS)
        self.create_subscription(DiagnosticArray, '/diagnostics', self.diagnostics.append, 10)
        self.listening = self.listen()

    def listen(self):
        return self.create_subscription(AgentBehaviour, 'agent_behaviour', self.behaviours.append, qos.RESULTS)

    def send(self, second, people) -> AgentBehaviour:
        """Answer of the agent."""
        before = len(self.behaviours)
        frame = AffectFrame(T0 + round(second * 1e9), 'optical', 'first', tuple(people))
        self.affect.publish(convert.affect_to_msg(frame))
        wait_until(lambda: len(self.behaviours) > before)
        return self.behaviours[-1]


@pytest.fixture
def agent(ros):
    """Starts an agent with settings; gives the node and its listener."""
    started = []

    def start(**settings):
        node, listener = AgentNode(settings), Listener()
        started.append((node, listener, Spinner([node, listener])))
        wait_until(lambda: listener.affect.get_subscription_count())
        return node, listener

    yield start
    for node, listener, spinner in started:
        spinner.close()
        node.close()
        node.destroy_node()
        listener.destroy_node()


def test_behaviour_message_goes_there_and_back():
    behaviour, group = Behaviour('greet', 4_000_000_000, 0.5, 'new here'), GroupAffect(0.5, -0.25, 0.75, 3)
    msg = convert.behaviour_to_msg(behaviour, group, convert.header_to_msg(T0, 'optical'))
    assert convert.behaviour_from_msg(msg) == (behaviour, group)
    assert math.isnan(convert.behaviour_to_msg(behaviour, GroupAffect(), msg.header).group_valence)


def test_behaviour_has_the_stamp_of_its_image_and_the_mood_of_the_group(agent):
    _, listener = agent()
    msg = listener.send(1.5, faces(2, 0.3))
    assert convert.stamp_from_msg(msg.header.stamp) == T0 + 1_500_000_000
    assert msg.header.frame_id == 'optical'
    assert msg.people == 2
    assert msg.group_valence == pytest.approx(group_affect(faces(2, 0.3)).valence)
    assert msg.group_smile_intensity == pytest.approx(0.3)


def test_newcomer_is_greeted_and_the_reason_is_said(agent):
    _, listener = agent()
    said = [listener.send(i / 10, faces()) for i in range(10)]
    assert 'greet' in [msg.action for msg in said]
    assert next(msg.reason for msg in said if msg.action == 'greet') == 'person 1 is new here'


def test_faces_with_unknown_values_are_answered(agent):
    _, listener = agent()
    nan = math.nan
    nobody_knows = Affect(7, Box(0, 0, 0, 0), 0.0, (nan, nan, nan, nan), nan)
    assert math.isnan(listener.send(0, [nobody_knows]).group_smile_intensity)


def test_threshold_changes_while_running(agent):
    node, listener = agent()
    assert node.set_parameters([Parameter('newcomer_s', value=5.0)])[0].successful
    said = [listener.send(i / 10, faces()).action for i in range(12)]
    assert 'greet' not in said
    assert not node.set_parameters([Parameter('newcomer_s', value=-1.0)])[0].successful
    assert not node.set_parameters([Parameter('policy', value='a:B')])[0].successful


def test_agent_does_not_even_subscribe_while_nobody_listens(agent):
    node, listener = agent()
    listener.destroy_subscription(listener.listening)
    wait_until(lambda: node.demand.idle_reason() == 'nobody is subscribed')
    wait_until(lambda: listener.affect.get_subscription_count() == 0)
    listener.listening = listener.listen()
    wait_until(lambda: listener.affect.get_subscription_count() == 1)
    assert listener.send(0, faces()).people == 1


def test_policy_of_the_user_decides_until_it_raises_and_then_the_default_does(agent, policy):
    _, listener = agent(policy=policy('Waver'))
    said = [listener.send(i / 10, faces()) for i in range(4)]
    assert [msg.action for msg in said[:2]] == ['wave', 'wave']
    assert said[0].reason == 'image 1, smiles from 0.45'
    assert said[2].action in ('idle', 'attend')
    assert said[3].action != 'wave'

    def error():
        statuses = [s for array in listener.diagnostics for s in array.status]
        return [s for s in statuses if s.name == 'affect_perception: agent_node: behaviour' and 'Waver' in s.message]

    status = wait_until(error)[0]
    assert status.level == DiagnosticStatus.ERROR
    assert 'KeyError' in status.message
    assert 'default' in status.message


@pytest.mark.parametrize(
    ('name', 'says'),
    [
        ('no.such.module:Policy', r'no\.such\.module'),
        ('affect_perception.core.agent:Policy99', r'no class Policy99 .*SocialPolicy'),
        ('affect_perception.core.agent.social_policy', 'names no class'),
        ('/no/such/file.py:Mine', 'there is no file /no/such/file.py'),
    ],
)
def test_policy_that_does_not_exist_is_refused_at_start_and_named(ros, name, says):
    with pytest.raises(ConfigError, match=says):
        AgentNode({'policy': name})


@pytest.mark.parametrize(('name', 'says'), [('Mute', 'no method decide'), ('Shy', 'cannot be made: TypeError')])
def test_class_that_is_no_policy_is_refused_at_start(policy, name, says):
    with pytest.raises(ConfigError, match=says):
        PolicyRunner(AgentSettings(policy=policy(name)), print)


@pytest.mark.parametrize(('name', 'says'), [('Wild', 'returned Affect'), ('Loud', 'strength nan')])
def test_policy_that_returns_nonsense_is_replaced(policy, name, says):
    told = []
    decider = PolicyRunner(AgentSettings(policy=policy(name)), told.append)
    assert [decider.decide(faces(), T0 + i).action for i in range(3)] == ['idle'] * 3
    assert len(told) == 1
    assert says in told[0]
    assert says in decider.failure


def test_default_policy_is_found_by_the_name_in_the_settings():
    assert find_policy(AgentSettings().policy) is SocialPolicy
