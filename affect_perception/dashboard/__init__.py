"""The web page: what it is told (`board`, `stage`), who may ask (`security`), and the server (`server`, `client`).

`page/` holds the files that browsers get: plain HTML, CSS and ES modules, no build step, nothing from elsewhere. Only
`server` and `client` need aiohttp (extra `web`); the rest is pure, with time as an argument.
"""
