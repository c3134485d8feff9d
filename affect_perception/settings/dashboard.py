"""Settings of `dashboard_node`, the web page and its server."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declaration import Settings, setting


@dataclass(frozen=True)
class DashboardSettings(Settings):
    """Settings of the web page (`dashboard_node`); docs/dashboard.md describes its security."""

    dashboard_address: str = setting(
        '127.0.0.1',
        'address to listen on: this machine only; another address, or 0.0.0.0 for all networks, needs dashboard_token',
    )
    dashboard_port: int = setting(8080, 'port of the web server; 0: any free port', low=0, high=65535, common=True)
    dashboard_port_tries: int = setting(
        1, 'number of ports tried, from dashboard_port on, if it is taken (`run`: 10)', unit='ports', low=1, high=100
    )
    dashboard_token: str = setting(
        '',
        'access token of browsers, 12 characters or more; empty: environment variable '
        'AFFECT_PERCEPTION_DASHBOARD_TOKEN, which cannot be read over ROS or in the process list',
    )
    dashboard_hosts: str = setting(
        '', 'further host names of this machine that browsers use, separated by commas (a reverse proxy, a DNS name)'
    )
    dashboard_rate: float = setting(20.0, 'maximum update rate of a page', unit='1/s', low=1.0, high=60.0)
    dashboard_pictures: bool = setting(
        True, 'pages may show the camera image; false: privacy mode for all pages', live=True
    )
    dashboard_picture_rate: float = setting(
        10.0, 'maximum rate of camera images', unit='1/s', low=0.1, high=60.0, live=True
    )
    dashboard_clients: int = setting(100, 'maximum number of open pages', unit='pages', low=1, high=1000)
    stage_view_deg: float = setting(
        60.0,
        'horizontal field of view assumed for the camera, for positions on the stage',
        unit='deg',
        low=10.0,
        high=170.0,
    )
