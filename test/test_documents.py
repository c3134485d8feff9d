"""Every extra, flag, file, launch argument and make target that README, docs and error texts name exists."""

import argparse
import configparser
import re
from pathlib import Path

import pytest
from conftest import ROOT

DOCUMENTS = [
    ROOT / 'README.md',
    ROOT / 'CONTRIBUTING.md',
    ROOT / 'benchmarks' / 'README.md',
    *ROOT.glob('docs/**/*.md'),
]
CODE = [*ROOT.glob('affect_perception/**/*.py'), *ROOT.glob('launch/*.py'), ROOT / 'Makefile', ROOT / '.ci' / 'run']
# Flags of other programs that documents show: git, pip, colcon, cmake, torchrun, ros2, docker, apt.
FOREIGN_FLAGS = {
    '--packages-select', '--cmake-args', '--system-site-packages', '--nproc-per-node', '--extra-index-url',
    '--ctest-args', '--rounds', '--ros-args', '--params-file', '--remap', '--merge-install', '--base-paths', '--once',
    '--no-arr',
}  # fmt: skip


def text_of(files: list[Path]) -> dict[str, str]:
    return {str(file.relative_to(ROOT)): file.read_text() for file in files}


def extras() -> set[str]:
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    return set(config['options.extras_require'])


def known_flags() -> set[str]:
    """Option strings of `affect-perception` and all its commands, and those that other entry points read themselves."""
    from affect_perception.cli import parser

    flags, parsers = set(), [parser()]
    while parsers:
        for action in parsers.pop()._actions:
            flags.update(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                parsers.extend(action.choices.values())
    folders = 'bench', 'graph', 'training/proposals'
    for file in [file for folder in folders for file in ROOT.glob(f'affect_perception/{folder}/*.py')]:
        flags.update(re.findall(r"'(--[a-z][a-z-]+)'", file.read_text()))
    return flags


def test_named_extras_exist():
    for name, text in text_of(DOCUMENTS + CODE).items():
        named = re.findall(r'affect-perception\[([a-z,]+)\]', text) + re.findall(
            r"-e '(?:src/affect_perception|\.)\[([a-z,]+)\]", text
        )
        named += re.findall(r'extras? `([a-z]+)`', text)
        for extra in (extra for group in named for extra in group.split(',')):
            assert extra in extras(), f'{name} names the extra {extra!r}; setup.cfg has {sorted(extras())}'


def test_named_flags_exist():
    pytest.importorskip('torch', reason='benchmarks read their flags from settings of the models')
    known = known_flags() | FOREIGN_FLAGS
    for name, text in text_of(DOCUMENTS).items():
        code = '\n'.join(re.findall(r'```.*?```', text, flags=re.S) + re.findall(r'`[^`\n]+`', text))
        for flag in re.findall(r'(?<![\w-])(--[a-z][a-z-]+)', code):
            assert flag in known or flag.replace('--no-', '--') in known, (
                f'{name} names the flag {flag}, which no command has'
            )


def test_linked_files_exist():
    for name, text in text_of(DOCUMENTS).items():
        for target in re.findall(r'\]\(([^)#\s]+)[^)]*\)', text):
            if '://' not in target:
                assert ((ROOT / name).parent / target).exists(), f'{name} links to {target}, which does not exist'


def test_named_files_of_the_repository_exist():
    places = [
        ROOT,
        ROOT / 'affect_perception',
        ROOT / 'test',
        ROOT / 'config',
        ROOT / 'docs',
        ROOT / 'benchmarks' / 'results',
    ]
    suffixes = r'\.(?:py|yaml|md|rviz|msg|cfg|toml|txt|rst)'
    for name, text in text_of(DOCUMENTS + CODE).items():
        for path in re.findall(rf'`([\w./-]+/[\w.-]+{suffixes})`', text):
            if path.startswith(('/', '../shared', '~', 'runs/', 'EmoLabel/')):  # outside the repository
                continue
            here = (ROOT / name).parent
            assert any((place / path).exists() for place in [*places, here]), (
                f'{name} names {path}, which does not exist'
            )


def test_named_launch_arguments_exist():
    launch = (ROOT / 'launch' / 'smile.launch.py').read_text()
    from affect_perception.settings import EVERY_NODE, GROUPS

    settings = {declared.name for group in [*GROUPS.values(), EVERY_NODE] for declared in group.declared()}
    for name, text in text_of(DOCUMENTS).items():
        for argument in re.findall(r'(?<![\w:/.])([a-z][a-z_]+):=', text):
            known = argument in settings or f"'{argument}'" in launch
            assert known, f'{name} names {argument}:=, which is neither a launch argument nor a setting'


def test_named_make_targets_exist():
    makefile = (ROOT / 'Makefile').read_text()
    targets = set(re.findall(r'^([a-z][a-z-]*):', makefile, flags=re.M))
    for name, text in text_of([*DOCUMENTS, ROOT / '.ci' / 'run']).items():
        code = '\n'.join(re.findall(r'```.*?```', text, flags=re.S) + re.findall(r'`[^`\n]+`', text))
        for target in re.findall(r'(?<![\w-])make ([a-z][a-z-]+)', code):
            assert target in targets, f'{name} names make {target}, which the Makefile does not have'
