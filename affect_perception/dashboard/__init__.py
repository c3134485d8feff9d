"""The web page: messages (`view_model`, `stage_layout`), access (`security`), server (`server`, `web_app`, ...).

Not here: the node that subscribes (`nodes/dashboard_node.py`), images (`ros/rviz/overlay.py`).

`page/` holds the files for browsers: plain HTML, CSS and ES modules, no build step, no outside resources. Only
the server needs aiohttp (extra `web`); the rest is pure, with time as an argument.
"""
