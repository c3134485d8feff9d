"""`python -m affect_perception.settings > docs/settings.md`: the reference of all settings for users."""

from __future__ import annotations

import sys

from affect_perception.settings import EVERY_NODE, GROUPS, Settings


def document() -> str:
    """Text of `docs/settings.md`: one Markdown table per node."""
    lines = [
        '# Settings',
        '',
        'Made from `affect_perception/settings/` by `python -m affect_perception.settings > docs/settings.md`.',
        '',
        'Each is a ROS parameter of its node (`ros2 param describe /affect_node device`), a flag of',
        '`affect-perception run` (`--device cpu`), and may stand in `config/smile.yaml`. "Live" ones can be changed',
        'while the node runs. The section `graph` holds flags only, the section `every node` parameters only.',
        '',
        'The quality of service of every topic can be overridden from YAML too, as `qos_overrides.TOPIC.KIND.POLICY`:',
        'TOPIC the resolved name, KIND `publisher` or `subscription`, POLICY `history`, `depth` or `reliability`, for',
        'instance `qos_overrides./image.subscription.reliability: reliable`.',
    ]
    groups: dict[str, type[Settings]] = {**GROUPS, 'every node': EVERY_NODE}
    for node, group in groups.items():
        lines += ['', f'## {node}', '', '| setting | default | allowed | meaning | live |', '|---|---|---|---|---|']
        for s in group.declared():
            default = str(s.default).lower() if s.type is bool else s.default
            unit = f' {s.unit}' if s.unit else ''
            default = f'`{default}`{unit}' if default != '' else 'empty'
            meaning = f'{s.meaning} (earlier name: `{s.alias}`)' if s.alias else s.meaning
            lines.append(f'| `{s.name}` | {default} | {s.allowed} | {meaning} | {"yes" if s.live else ""} |')
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    sys.stdout.write(document())
