"""The page in a real Chromium: what people see of what the graph says."""

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
pytest.importorskip('aiohttp', reason='needs aiohttp (extra `web`)')
pytest.importorskip('playwright', reason='needs Playwright (extra `browser`)')

import rclpy
from builders.dashboard import Publisher, crowd, face
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from playwright.sync_api import sync_playwright
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage

from affect_perception.core.agent.policy import Behaviour
from affect_perception.graph.run import with_dashboard
from affect_perception.nodes.dashboard_node import DashboardNode
from affect_perception.ros import qos
from affect_perception.ros.executors import Spinner
from affect_perception.ros.inputs import on_demand

pytestmark = [pytest.mark.ros, pytest.mark.browser, pytest.mark.slow]

CHROMIUM = Path(os.environ.get('CHROMIUM', '/usr/bin/chromium'))


@pytest.fixture(scope='module')
def browser():
    if not CHROMIUM.exists():
        pytest.skip(f'needs {CHROMIUM} (apt-get install chromium)')
    with sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=str(CHROMIUM), args=['--no-sandbox'])
        yield chromium
        chromium.close()


class Shown:
    """A dashboard, a publisher of people and an open page: one for all tests, which take less time than opening it."""

    def __init__(self, browser):
        self.people = Publisher()
        self.errors = []
        self.start(0)
        self.page = browser.new_page(viewport={'width': 1200, 'height': 800})
        self.page.on('pageerror', lambda error: self.errors.append(str(error)))

    def begin(self):
        """The page as at the first visit."""
        if self.page.url.startswith(self.node.address):
            self.page.evaluate('localStorage.clear()')
        self.page.set_viewport_size({'width': 1200, 'height': 800})
        self.node.set_parameters([Parameter('dashboard_pictures', value=True)])
        self.page.goto(self.node.address)

    def start(self, port):
        self.node = DashboardNode({'dashboard_port': port})
        self._spinner = Spinner([self.node, self.people])

    def stop(self):
        self.node.close()
        self._spinner.close()
        self.node.destroy_node()

    def until(self, script: str, *faces, **more):
        """Publishes `faces` until `script` is true in the page."""

        def asked():
            self.people.send(*faces, **more)
            self.page.wait_for_timeout(20)
            return self.page.evaluate(script)

        return wait_until(asked)

    def centre(self, track_id=1) -> float:
        box = self.page.locator(f'[data-id="{track_id}"]').bounding_box()
        return box['x'] + box['width'] / 2


@pytest.fixture(scope='module')
def opened(browser):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_demand, '_PERIOD_S', 0.05)  # or half of the time would be waiting for subscriptions
        rclpy.init()
        shown = Shown(browser)
        yield shown
        shown.page.close()
        shown.stop()
        shown.people.destroy_node()
        rclpy.try_shutdown()


@pytest.fixture
def shown(opened):
    opened.begin()
    yield opened
    assert opened.errors == []


FACES = "document.querySelectorAll('[data-id]').length"


def test_emojis_appear_change_with_smiles_and_disappear(shown):
    shown.until(f'{FACES} == 2', face(1, 200), face(2, 440))
    shown.until("document.querySelector('[data-id=\"1\"]').dataset.level == 'neutral'", face(1, 200, smile=0.05))
    before = shown.page.locator('[data-id="1"] svg').inner_html()
    shown.until("document.querySelector('[data-id=\"1\"]').dataset.level == 'high'", face(1, 200, smile=0.92))
    assert shown.page.locator('[data-id="1"] svg').inner_html() != before
    assert shown.page.get_by_role('img', name='Person 1, broad smile, 92 %').count() == 1
    assert shown.page.locator('#people li').inner_text().split()[:2] == ['1', 'broad']
    shown.until(f'{FACES} == 0')
    assert shown.page.locator('#empty').inner_text() == 'Nobody in view'


def test_emojis_move_mirrored_and_the_far_are_smaller(shown):
    shown.until(f'{FACES} == 1', face(1, 500))
    at_right = shown.centre()
    wait_until(lambda: shown.until('true', face(1, 140)) and shown.centre() > at_right + 200)
    near = shown.page.locator('[data-id="1"]').bounding_box()['width']
    shown.until(f'document.querySelector(\'[data-id="1"]\').clientWidth < {near * 0.7}', face(1, 140, width=40))


def test_numbers_agent_and_mood_are_shown(shown):
    status = DiagnosticStatus(name='affect_perception: affect_node: inference', level=DiagnosticStatus.OK)
    status.values = [KeyValue(key='frames_dropped', value='12')]
    diagnostics = shown.people.create_publisher(DiagnosticArray, '/diagnostics', 10)
    does = Behaviour('mirror_smile', 1, 0.9, 'person 1 smiles <b>now</b>')

    def all_there():
        diagnostics.publish(DiagnosticArray(status=[status]))
        shown.people.send(face(1, smile=0.8, valence=0.5), behaviour=does)
        shown.page.wait_for_timeout(20)
        dropped = shown.page.locator('#dropped').inner_text() == '12'
        return dropped and 'Mirrors a smile · person 1' in shown.page.locator('#action').inner_text()

    wait_until(all_there)
    assert shown.page.locator('#reason').inner_text() == 'because person 1 smiles <b>now</b>', 'text, never HTML'
    assert shown.page.locator('#mood').inner_text() == 'Cheerful'
    assert shown.page.locator('#count').inner_text() == '1'
    assert shown.page.locator('.face.target').count() == 1
    assert shown.page.locator('#dots .dot').count() == 1


def test_reactions_and_expressions_are_shown_by_the_names_of_the_model(shown):
    felt = replace(
        face(1), smile_probabilities=(math.nan,) * 4, smile_intensity=math.nan, valence=math.nan, arousal=math.nan
    )
    reacting = replace(felt, reaction_intensities=(0.1, 0.62))
    labels = ('empathic_pain', 'surprise')
    shown.until("document.querySelectorAll('.values div').length == 2", reacting, reactions=labels)
    assert shown.page.locator('#people li').inner_text().split() == (
        ['1', 'surprise', '62', '%', 'about', '1.1', 'm', 'empathic', 'pain', '10', '%', 'surprise', '62', '%']
    )
    assert shown.page.get_by_role('img', name='Person 1, surprise 62 %').count() == 1
    assert shown.page.locator('#no-plane').is_visible()
    happy = replace(felt, expression_probabilities=(0.2, 0.8), valence=0.5, arousal=0.1)
    there = "document.querySelector('[data-id=\"1\"]').ariaLabel == 'Person 1, happiness 80 %'"
    shown.until(there, happy, expressions=('anger', 'happiness'))
    assert shown.page.locator('#people .values').inner_text().split() == ['happiness', '80', '%', 'anger', '20', '%']


def test_page_comes_back_when_the_server_does(shown):
    shown.until(f'{FACES} == 1', face())
    port = shown.node.port
    shown.stop()
    wait_until(lambda: shown.page.evaluate("document.getElementById('link').dataset.state == 'lost'"))
    shown.start(port)
    shown.until(f"document.getElementById('link').dataset.state == 'live' && {FACES} == 3", *crowd(3))


def test_twenty_people_have_an_emoji_and_a_line_each_inside_the_stage(shown):
    shown.until(f'{FACES} == 20', *crowd(20))
    assert shown.page.locator('#people li').count() == 20
    outside = """[...document.querySelectorAll('[data-id]')].filter((emoji) => {
        const [box, stage] = [emoji, document.getElementById('stage')].map((e) => e.getBoundingClientRect());
        return box.left < stage.left || box.right > stage.right + 1 || box.bottom > stage.bottom + 1;
    }).length"""
    assert shown.page.evaluate(outside) == 0


def test_pictures_come_only_while_wanted_and_never_in_privacy(shown):
    import cv2
    import numpy as np

    jpeg = cv2.imencode('.jpg', np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    overlay = shown.people.create_publisher(CompressedImage, 'overlay/compressed', qos.RELIABLE_IMAGES)

    def picture():
        overlay.publish(CompressedImage(format='jpeg', data=jpeg))
        shown.page.wait_for_timeout(20)
        return shown.page.evaluate("document.getElementById('picture').naturalWidth == 64")

    shown.until(f'{FACES} == 1', face())
    assert overlay.get_subscription_count() == 0
    shown.page.keyboard.press('c')
    wait_until(picture)
    shown.page.keyboard.press('v')
    wait_until(lambda: overlay.get_subscription_count() == 0)
    assert shown.page.locator('#picture').is_hidden()
    assert shown.page.locator('#camera').is_disabled()
    shown.page.keyboard.press('v')
    wait_until(picture)
    assert shown.node.set_parameters([Parameter('dashboard_pictures', value=False)])[0].successful
    wait_until(lambda: overlay.get_subscription_count() == 0)
    wait_until(shown.page.locator('#picture').is_hidden)  # wait_for_function needs eval, which the page forbids
    assert 'privacy mode' in shown.page.locator('#no-picture').inner_text()


def test_pause_holds_the_page_and_nothing_is_subscribed_without_pages(shown):
    shown.until(f'{FACES} == 1', face())
    shown.page.get_by_role('button', name='Pause').click()
    held = shown.page.evaluate(FACES)  # 0 where the click came so late that the only person was gone again
    assert held < 2
    for _ in range(5):
        shown.people.send(face(1), face(2))
        shown.page.wait_for_timeout(40)
    assert shown.page.evaluate(FACES) == held
    shown.page.get_by_role('button', name='Pause').click()
    shown.until(f'{FACES} == 2', face(1), face(2))
    shown.page.goto('about:blank')
    wait_until(lambda: shown.people.affect.get_subscription_count() == 0)


def test_theme_and_phone(shown):
    shown.page.set_viewport_size({'width': 390, 'height': 844})
    shown.until(f'{FACES} == 5', *crowd(5))
    assert shown.page.evaluate('document.documentElement.scrollWidth') <= 390, 'nothing sticks out'
    before = shown.page.evaluate('getComputedStyle(document.body).backgroundColor')
    shown.page.keyboard.press('t')
    assert shown.page.evaluate('getComputedStyle(document.body).backgroundColor') != before


def test_run_has_the_dashboard_unless_told_otherwise():
    assert with_dashboard({})['graph'] == {'dashboard': True}
    assert with_dashboard({'graph': {'dashboard': False}})['graph'] == {'dashboard': False}
    assert with_dashboard({})['dashboard_node'] == {'dashboard_port_tries': 10}
    assert with_dashboard({'dashboard_node': {'dashboard_port': 9000}})['dashboard_node'] == {'dashboard_port': 9000}
