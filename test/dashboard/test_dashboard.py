"""The dashboard without a browser: what pages are told, where people stand, and what the server refuses."""

import asyncio
import json
import math
import socket
import threading
import time

import pytest
from conftest import wait_until

pytest.importorskip('aiohttp', reason='needs aiohttp (extra `web`)')

import aiohttp

from affect_perception.core.agent.group_affect import GroupAffect
from affect_perception.core.agent.policy import Behaviour
from affect_perception.core.display.markers import assumed_intrinsics
from affect_perception.dashboard.connection import page_options
from affect_perception.dashboard.security import check_host, check_origin, known_hosts
from affect_perception.dashboard.server import Server
from affect_perception.dashboard.stage_layout import stage_position
from affect_perception.dashboard.view_model import NodeState, ViewModel
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.settings import DashboardSettings
from affect_perception.types import NAN3, Affect, AffectFrame, Box

CAMERA = assumed_intrinsics(640, 480, 60.0)
TOKEN = 'a-token-of-some-length'


def face(track_id=1, x=320.0, width=80.0, smile=0.5, valence=0.2, position=NAN3) -> Affect:
    box = Box.around((x, 240.0), width, width)
    return Affect(track_id, box, 0.9, (0.1, 0.2, 0.6, 0.1), smile, position, valence, 0.1, evidence_frames=1)


def told(*faces, now_s=10.0, at_s=10.0, view_model=None) -> dict:
    view_model = view_model or ViewModel(60.0)
    view_model.set_size((640, 480))
    view_model.put_affect(AffectFrame(5_000_000_000, 'optical', 'first', faces), at_s, 0.04)
    return view_model.message(now_s, pictures=True)


def test_stage_is_a_mirror_and_the_far_are_smaller_and_higher():
    left, right = stage_position(face(x=100), CAMERA), stage_position(face(x=540), CAMERA)
    assert left.x > 0.5 > right.x
    near, far = stage_position(face(width=160), CAMERA), stage_position(face(width=40), CAMERA)
    assert near.size > far.size and near.y > far.y and near.distance_m < far.distance_m


def test_perspective_is_corrected_so_that_equal_steps_in_the_room_near_and_far_are_closer_to_equal():
    near = 0.5 - stage_position(face(position=(0.3, 0.0, 0.8)), CAMERA).x
    far = 0.5 - stage_position(face(position=(0.3, 0.0, 3.2)), CAMERA).x
    in_picture = 3.2 / 0.8
    assert 1 < near / far < in_picture


@pytest.mark.parametrize('position', [(math.nan, 0, 1), (math.inf, 0.0, 1.0), (0.0, 0.0, -1.0), (50.0, -50.0, 0.1)])
def test_places_are_inside_the_stage_whatever_comes(position):
    where = stage_position(face(position=position, width=0.0), CAMERA)
    assert 0 <= where.x <= 1 and 0 <= where.y <= 1 and 0 < where.size < 0.5


def test_message_is_plain_json_also_with_what_is_not_known():
    message = told(face(smile=math.nan, valence=math.nan))
    text = json.dumps(message, allow_nan=False)
    person = json.loads(text)['people'][0]
    assert person['smile'] is None and person['valence'] is None and person['level'] == 'medium'
    assert message['group']['valence'] is None and message['status']['latency_ms'] == 40.0


def test_people_are_not_shown_for_ever_when_images_stop():
    view_model = ViewModel(60.0)
    assert len(told(face(), now_s=11.0, view_model=view_model)['people']) == 1
    late = view_model.message(20.0, pictures=True)
    assert late['people'] == [] and late['status']['silent_s'] == 10.0
    assert told()['people'] == []


def test_mood_is_the_agents_while_it_speaks_of_this_image():
    view_model = ViewModel(60.0)
    view_model.put_behaviour(5_000_000_000, Behaviour('greet', 1, 1.0, 'is new'), GroupAffect(0.7, 0.1, 0.9, 1))
    message = told(face(), view_model=view_model)
    assert message['agent'] == {'action': 'greet', 'target': 1, 'strength': 1.0, 'reason': 'is new'}
    assert message['group']['valence'] == 0.7
    view_model.put_behaviour(1, Behaviour('greet', 1), GroupAffect(0.7))
    assert view_model.message(10.0, True)['agent'] is None


def test_drops_are_those_of_tracker_and_network():
    view_model = ViewModel(60.0)
    for name in ('face_tracker_node', 'affect_node', 'marker_node'):
        view_model.put_node(NodeState(name, 'OK', '30 frames per second', {'frames_dropped': '7'}), 10.0)
    assert told(view_model=view_model)['status']['dropped'] == 14


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"pause": 1}', '{"x": true}', '[' * 1000, '\x00', '{"pause": NaN}'])
def test_wishes_that_are_none_are_refused(text):
    with pytest.raises(BadInputError, match='a page sent'):
        page_options(text)


def test_hosts_are_ips_and_our_names_and_origins_are_the_host():
    known = known_hosts(DashboardSettings(dashboard_hosts='Robot.example, other'))
    for host in ('localhost:8080', '127.0.0.1', '[::1]:8080', '10.0.0.7:80', 'robot.example'):
        check_host(host, known)
    for host in ('', 'evil.com', 'localhost.evil.com', 'robot.example@evil.com:x', '[::1', '127.0.0.1.evil.com'):
        with pytest.raises(BadInputError):
            check_host(host, known)
    check_origin(None, 'localhost:8080')
    check_origin('http://localhost:8080', 'localhost:8080')
    for origin in ('null', '', 'http://evil.com', 'http://localhost:8081', 'http://localhost', 'file://localhost:8080'):
        with pytest.raises(BadInputError):
            check_origin(origin, 'localhost:8080')


@pytest.fixture
def serve():
    """Starts servers on free ports; `.bad` has the kinds of what they refused."""
    servers = []

    def start(token='', compose=lambda: {'type': 'state'}, **settings):
        bad = []
        settings = {'dashboard_port': 0, **settings}
        server = Server(DashboardSettings(**settings), compose, lambda error: bad.append(error.kind), token)
        server.bad = bad
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


def ask(server, path='/', headers=None, raw=None) -> str:
    """The answer to one request, as text; nothing between us and the socket mends the path."""
    lines = {'Host': f'localhost:{server.port}', 'Connection': 'close', **(headers or {})}
    request = raw or f'GET {path} HTTP/1.1\r\n' + ''.join(f'{k}: {v}\r\n' for k, v in lines.items()) + '\r\n'
    with socket.create_connection(('127.0.0.1', server.port), timeout=5) as connection:
        connection.sendall(request.encode())
        answer = b''
        while data := connection.recv(65536):
            answer += data
    return answer.decode(errors='replace')


def status(server, *args, **kwargs) -> int:
    return int(ask(server, *args, **kwargs).split()[1])


def talk(server, use, headers=None):
    """Runs `use(socket)` on a WebSocket."""

    async def main():
        async with aiohttp.ClientSession() as session:
            url = f'http://127.0.0.1:{server.port}/ws'
            async with session.ws_connect(url, headers=headers or {}) as page:
                return await asyncio.wait_for(use(page), 10)

    return asyncio.run(main())


async def closing(page) -> int:
    """The code that the server closes with, after what it has still to say."""
    while (await page.receive()).type not in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
        pass
    return page.close_code


def test_page_and_its_files_are_served_with_headers_that_forbid_the_rest(serve):
    server = serve()
    assert 'Affect perception' in ask(server)
    assert "default-src 'none'" in ask(server) and 'nosniff' in ask(server, '/app.js')
    for name in ('app.js', 'face.js', 'stage.js', 'charts.js', 'style.css', 'favicon.svg'):
        assert status(server, f'/{name}') == 200
    assert '://' not in ask(server), 'no outside resources'


@pytest.mark.parametrize(
    'path', ['/../server.py', '/..%2fserver.py', '/%2e%2e/server.py', '//etc/passwd', '/page/../../setup.cfg', '/%00']
)
def test_no_path_leads_out_of_the_page(serve, path):
    answer = ask(serve(), path)
    assert int(answer.split()[1]) in (400, 404) and 'import' not in answer and 'root:' not in answer


def test_other_methods_and_nonsense_are_refused(serve):
    server = serve()
    assert status(server, raw=f'POST / HTTP/1.1\r\nHost: localhost:{server.port}\r\nConnection: close\r\n\r\n') == 405
    assert status(server, raw='\x16\x03\x01 nonsense\r\n\r\n') == 400
    assert status(server) == 200


def test_other_sites_get_nothing(serve):
    server = serve()
    assert status(server, headers={'Host': 'evil.com'}) == 403
    with pytest.raises(aiohttp.WSServerHandshakeError, match='403'):
        talk(server, closing, {'Origin': 'http://evil.com'})
    assert server.bad == ['host', 'origin']


@pytest.mark.parametrize(('text', 'code'), [('nonsense', 1008), ('{"pause": 3}', 1008), ('x' * 5000, 1009)])
def test_bad_messages_end_that_page_only(serve, text, code):
    server = serve()

    async def send(page):
        await page.send_str(text)
        return await closing(page)

    async def listen(page):
        return (await page.receive()).type

    assert talk(server, send) == code
    wait_until(lambda: server.bad == ['message'])  # told a moment after the page is closed
    assert talk(server, listen) == aiohttp.WSMsgType.TEXT


def test_flood_of_messages_ends_the_page(serve):
    server = serve()

    async def send(page):
        for _ in range(30):
            await page.send_str('{"pause": false}')
        return await closing(page)

    assert talk(server, send) == 1008
    assert server.bad == ['flood']


def test_another_address_needs_a_token(serve):
    for token in ('', 'short'):
        with pytest.raises(ConfigError, match='dashboard_token'):
            serve(token, dashboard_address='0.0.0.0')
    assert status(serve(TOKEN, dashboard_address='0.0.0.0')) == 401
    with pytest.raises(ConfigError, match='no address of this machine'):
        serve(dashboard_address='not.a.host.invalid')


def test_token_opens_the_page_once_and_the_cookie_from_then_on(serve):
    server = serve(TOKEN)
    assert status(server) == status(server, '/app.js') == status(server, '/ws') == 401
    assert status(server, '/?token=wrong') == 403
    answer = ask(server, f'/?token={TOKEN}')
    assert answer.split()[1] == '302' and TOKEN not in answer.partition('\r\n\r\n')[0]
    cookie = next(line for line in answer.splitlines() if line.startswith('Set-Cookie')).partition(': ')[2]
    assert 'HttpOnly' in cookie and 'SameSite=Strict' in cookie
    assert status(server, headers={'Cookie': cookie.partition(';')[0]}) == 200
    assert status(server, headers={'Authorization': f'Bearer {TOKEN}'}) == 200
    assert server.bad == ['token']


def test_taken_port_is_named_and_the_next_ones_are_tried_if_wanted(serve):
    first = serve()
    with pytest.raises(ConfigError, match=rf'port {first.port} .* is taken .*dashboard_port'):
        serve(dashboard_port=first.port)
    assert first.port < serve(dashboard_port=first.port, dashboard_port_tries=20).port < first.port + 20


def test_more_pages_than_allowed_are_refused_and_others_go_on(serve):
    server = serve(dashboard_clients=1)

    async def second(page):
        with pytest.raises(aiohttp.WSServerHandshakeError, match='503'):
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(f'http://127.0.0.1:{server.port}/ws'),
            ):
                pass
        return (await page.receive()).type

    assert talk(server, second) == aiohttp.WSMsgType.TEXT


def test_thousand_connections_are_cut_down_and_the_page_goes_on(serve):
    server = serve(dashboard_clients=8)
    many = [socket.create_connection(('127.0.0.1', server.port), timeout=5) for _ in range(1000)]
    wait_until(lambda: 'connections' in server.bad)
    for connection in many:
        connection.close()
    wait_until(lambda: status_or_none(server) == 200)


def status_or_none(server):
    try:
        return status(server)
    except (OSError, IndexError):
        return None


def test_page_that_never_reads_is_dropped_and_not_waited_for(serve, monkeypatch):
    monkeypatch.setattr('affect_perception.dashboard.server._STUCK_S', 0.3)
    server = serve(compose=lambda: {'type': 'state', 'much': 'x' * 400_000}, dashboard_rate=60.0)
    upgrade = (
        f'GET /ws HTTP/1.1\r\nHost: localhost:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
    )
    with socket.create_connection(('127.0.0.1', server.port), timeout=5) as deaf:
        deaf.sendall(upgrade.encode())

        async def listen(page):
            got = 0
            while server.dropped == 0:
                server.changed()
                got += (await page.receive()).type == aiohttp.WSMsgType.TEXT
            return got

        assert talk(server, listen) > 3
    assert 'slow' in server.bad
    wait_until(lambda: server.clients == 0)


def test_pictures_go_to_those_who_ask_and_states_not_to_those_who_pause(serve):
    server = serve()

    async def look(page):
        await page.send_str('{"pictures": true}')
        while server.viewers == 0:
            await asyncio.sleep(0.01)
        server.show(b'jpeg')
        while (message := await page.receive()).type != aiohttp.WSMsgType.BINARY:
            pass
        await page.send_str('{"pause": true}')
        while server.viewers:
            await asyncio.sleep(0.01)
        return message.data

    assert talk(server, look) == b'jpeg'


def test_every_page_gets_the_same_bytes_made_once(serve):
    made = []

    def compose():
        made.append(threading.current_thread().name)
        return {'type': 'state', 'n': len(made)}

    server = serve(compose=compose)

    async def two(page):
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f'http://127.0.0.1:{server.port}/ws') as other,
        ):
            await asyncio.sleep(0.1)
            server.changed()
            seen = [set(), set()]
            while not seen[0] & seen[1]:
                for index, one in enumerate((page, other)):
                    seen[index].add((await one.receive()).data)
                server.changed()

    talk(server, two)
    assert set(made) == {'dashboard'}


def test_of_many_pages_told_in_groups_none_is_left_out(serve):
    told = threading.Event()
    server = serve(compose=lambda: {'type': 'state', 'told': told.is_set()})

    async def many(page):
        async with aiohttp.ClientSession() as session:
            pages = [page] + [await session.ws_connect(f'http://127.0.0.1:{server.port}/ws') for _ in range(24)]
            told.set()
            server.changed()
            for one in pages:
                while not json.loads((await one.receive()).data)['told']:
                    pass
            return len(pages)

    assert talk(server, many) == 25


def test_closing_does_not_wait_for_pages(serve):
    server = serve()
    closed = []

    async def stay(page):
        await page.receive()
        threading.Thread(target=lambda: (server.close(), closed.append(time.monotonic()))).start()
        await closing(page)

    talk(server, stay)
    wait_until(lambda: closed)
    assert not server.running
