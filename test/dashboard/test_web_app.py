"""Access to the web server: files, hosts and origins, tokens."""

import pytest

pytest.importorskip('aiohttp', reason='needs aiohttp (extra `web`)')
import aiohttp
from builders.web import TOKEN, ask, closing, servers, status, talk

from affect_perception.dashboard.connection import page_options
from affect_perception.dashboard.security import check_host, check_origin, is_token, known_hosts
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.settings import DashboardSettings


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


def test_page_and_its_files_are_served_with_headers_that_forbid_the_rest(serve):
    server = serve()
    assert 'Affect perception' in ask(server)
    assert "default-src 'none'" in ask(server)
    assert 'nosniff' in ask(server, '/app.js')
    for name in ('app.js', 'face.js', 'stage.js', 'charts.js', 'style.css', 'favicon.svg'):
        assert status(server, f'/{name}') == 200
    assert '://' not in ask(server), 'no outside resources'


@pytest.mark.parametrize(
    'path', ['/../server.py', '/..%2fserver.py', '/%2e%2e/server.py', '//etc/passwd', '/page/../../setup.cfg', '/%00']
)
def test_no_path_leads_out_of_the_page(serve, path):
    answer = ask(serve(), path)
    assert int(answer.split()[1]) in (400, 404)
    assert 'import' not in answer
    assert 'root:' not in answer


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
    assert answer.split()[1] == '302'
    assert TOKEN not in answer.partition('\r\n\r\n')[0]
    cookie = next(line for line in answer.splitlines() if line.startswith('Set-Cookie')).partition(': ')[2]
    assert 'HttpOnly' in cookie
    assert 'SameSite=Strict' in cookie
    assert status(server, headers={'Cookie': cookie.partition(';')[0]}) == 200
    assert status(server, headers={'Authorization': f'Bearer {TOKEN}'}) == 200
    assert server.bad == ['token']


@pytest.mark.parametrize('headers', [{'Authorization': 'Bearer wrong'}, {'Cookie': 'affect_dashboard=wrong'}])
def test_wrong_token_is_counted_and_delayed_in_a_header_too(serve, headers):
    server = serve(TOKEN)
    assert status(server, headers=headers) == 403
    assert server.bad == ['token']


def test_tokens_of_any_bytes_are_wrong_and_no_mistake_of_ours():
    assert not is_token('\udcff', TOKEN)
    assert is_token(TOKEN, TOKEN)


@pytest.fixture
def serve():
    """Starts servers on free ports; `.bad` has the kinds of what they refused."""
    with servers() as start:
        yield start
