"""Images that another process publishes: they arrive, whatever is offered, and what is lost is told."""

import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from builders.other_process import Cameras
from builtin_interfaces.msg import Time
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from affect_perception.ros import qos
from affect_perception.ros.inputs.adaptive_subscription import AdaptiveSubscription
from affect_perception.ros.inputs.image_input import ImageInput
from affect_perception.ros.topics import image_topics, subscribe
from affect_perception.settings import TrackerSettings

pytestmark = pytest.mark.ros


@pytest.fixture(scope='module')
def cameras():
    other = Cameras()
    yield other
    other.close()


class Reader(Node):
    """A node that reads images as the tracker does; keeps what it `got` and was `told` (`all_told`: ever)."""

    def __init__(self, spin, settings=None, **options):
        super().__init__('reader', **options)
        self.got, self.told, self.all_told = [], {}, []
        self.images = ImageInput(self, TrackerSettings(**settings or {}), self.got.append, self.tell)
        spin(self)

    def close(self):
        self.images.close()

    def tell(self, name: str, text: str) -> None:
        self.told[name] = text
        self.all_told.append(text)

    def matched(self, reliable: bool = True) -> bool:
        return self.images.matched > 0 and self.images.is_reliable == reliable

    def numbers(self) -> list[int]:
        return [int(m.header.frame_id) for m in self.got]


@pytest.mark.parametrize(('width', 'height'), [pytest.param(640, 480, id='vga'), pytest.param(1280, 720, id='720p')])
def test_images_of_a_reliable_publisher_arrive(spin, cameras, width, height):
    reader = Reader(spin)
    cameras.play(10, reader.matched, lambda: len(reader.got) == 10, width=width, height=height)
    assert reader.numbers() == list(range(10))
    assert reader.images.lost == 0


def test_images_that_were_lost_are_counted_and_told_with_what_to_do(spin, cameras):
    reader = Reader(spin)
    camera = {'width': 1280, 'height': 720, 'reliability': 'best_effort', 'fps': 10.0}
    cameras.play(30, lambda: reader.matched(reliable=False), lambda: 'losses' in reader.told, **camera)
    if numbers := reader.numbers():
        missing = numbers[-1] - numbers[0] + 1 - len(numbers)
        wait_until(lambda: missing <= reader.images.lost <= 30 - len(numbers))  # of the last ones little is known
    if reader.images.lost > 5:
        wait_until(lambda: any('LARGE_DATA' in text for text in reader.all_told))


def test_publisher_that_comes_back_as_best_effort_is_heard_and_a_reliable_one_read_reliably_again(spin, cameras):
    reader = Reader(spin)
    assert reader.images.is_reliable
    camera = {'width': 64, 'height': 48}
    cameras.play(5, lambda: reader.matched(reliable=False), lambda: reader.got, reliability='best_effort', **camera)
    wait_until(lambda: reader.images.is_reliable)
    before = len(reader.got)
    cameras.play(5, reader.matched, lambda: len(reader.got) >= before + 5, **camera)
    assert reader.numbers()[before:] == list(range(5))


def test_images_are_read_best_effort_as_soon_as_one_publisher_is_and_two_are_told(spin, cameras):
    reader = Reader(spin)
    cameras.open('first', width=64, height=48)
    cameras.open('second', width=64, height=48, reliability='best_effort')
    wait_until(lambda: not reader.images.is_reliable)
    wait_until(lambda: '/first, /second' in reader.told.get('publishers', ''))
    cameras.shut('second')
    wait_until(lambda: reader.images.is_reliable)
    wait_until(lambda: reader.told['publishers'] == '')
    cameras.shut('first')


def test_quality_of_service_that_is_given_is_kept_and_stays_with_its_topic(spin, cameras):
    given = Parameter('qos_overrides./image.subscription.reliability', value='best_effort')
    reader = Reader(spin, parameter_overrides=[given])
    cameras.play(5, lambda: reader.images.matched, lambda: reader.got, width=64, height=48)
    assert reader.get_subscriptions_info_by_topic('/image')[0].qos_profile.reliability.name == 'BEST_EFFORT'
    subscribe(reader, Image, 'other', print)
    assert qos.RESULTS.reliability.name == 'RELIABLE'


def test_first_message_on_clock_is_no_silence_of_the_camera(spin):
    simulated = Parameter('use_sim_time', value=True)
    reader, clock = Reader(spin, parameter_overrides=[simulated]), Node('clock')
    spin(clock)
    sent = clock.create_publisher(Clock, '/clock', 10)
    now = Clock(clock=Time(sec=1_800_000_000))
    wait_until(lambda: sent.publish(now) or reader.get_clock().now().nanoseconds)  # a jump of decades
    assert [timer.clock.clock_type for timer in reader.timers].count(ClockType.ROS_TIME) == 0


def test_camera_info_that_was_sent_once_before_is_heard(spin, cameras):
    cameras.open('latched', topic='camera_info', info=True, latched=True)
    node, got = Node('reader'), []
    info = AdaptiveSubscription(node, lambda: ('camera_info', CameraInfo), got.append, latched=True)
    spin(node)
    wait_until(lambda: got)
    assert got[0].width == 640
    cameras.shut('latched')
    wait_until(lambda: not info.request.latched)
    cameras.play(3, lambda: info.matched, lambda: len(got) > 1, topic='camera_info', info=True)
    info.close()


@pytest.mark.parametrize(
    ('settings', 'remap', 'topic', 'compressed'),
    [
        pytest.param({'image_transport': 'compressed'}, [], '/image/compressed', True, id='by transport, base topic'),
        pytest.param({'image_transport': 'compressed', 'image_topic': 'jpeg'}, [], '/jpeg', True, id='by type'),
        pytest.param({'image_topic': 'pictures'}, [], '/pictures', True, id='by what is published'),
        pytest.param({}, ['-r', 'image:=/cam/image_raw/compressed'], '/cam/image_raw/compressed', True, id='remapped'),
        pytest.param({'image_topic': 'odd/compressed'}, [], '/odd/compressed', False, id='raw in spite of its name'),
    ],
)
def test_compressed_images_are_read_by_name_transport_and_type(spin, cameras, settings, remap, topic, compressed):
    reader = Reader(spin, settings, cli_args=['--ros-args', *remap])
    camera = {'topic': topic, 'compressed': compressed, 'width': 64, 'height': 48}
    kind = CompressedImage if compressed else Image
    cameras.open('driver', **camera)
    wait_until(lambda: (reader.images.topic_name, reader.images.image_type) == (topic, kind))
    cameras.shut('driver')
    cameras.play(5, reader.matched, lambda: reader.got and isinstance(reader.got[-1], kind), **camera)


def test_only_topics_with_a_publisher_are_named_as_image_topics(spin, cameras):
    reader = Reader(spin, {'image_topic': 'nobody'})
    cameras.open('driver', topic='/cam/image_raw', width=64, height=48)
    wait_until(lambda: image_topics(reader) == ['/cam/image_raw'])
    cameras.shut('driver')
