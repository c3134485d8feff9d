"""Help of the commands: short by default, complete with --help-all, and true of what each command does."""

import pytest

from affect_perception.cli import main, parser
from affect_perception.settings import GROUPS, GraphSettings, TrackerSettings

LONG = [['run'], ['evaluate'], ['prepare'], *(['bench', what] for what in ('pipeline', 'dashboard', 'faults', 'soak'))]


@pytest.fixture
def shown(capsys, monkeypatch):
    """Function: what a command prints at 80 columns, with one space for all white space."""
    monkeypatch.setenv('COLUMNS', '80')

    def show(*argv: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(list(argv))
        assert ended.value.code == 0
        return capsys.readouterr().out

    return lambda *argv: ' '.join(show(*argv).split())


def default_of(text: str, flag: str) -> str:
    """Default that a help text states for a flag."""
    _, found, after = text.partition(f' {flag} ')
    assert found, f'{flag} is not in: {text[:500]}'
    return after.partition('default: ')[2].partition(')')[0]


@pytest.mark.parametrize('command', LONG, ids=' '.join)
def test_help_shows_own_flags_and_common_settings_and_names_help_all(capsys, monkeypatch, command):
    monkeypatch.setenv('COLUMNS', '80')
    with pytest.raises(SystemExit):
        main([*command, '--help'])
    text = capsys.readouterr().out
    assert '--detector' in text
    assert '--help-all' in text
    assert '--flow-width' not in text
    assert len(text.splitlines()) <= 120


def test_help_all_shows_every_setting_of_the_graph(shown):
    text = shown('run', '--help-all')
    for group in GROUPS.values():
        for declared in group.declared():
            assert f' {declared.flag} ' in text or f' {declared.flag}, ' in text, declared.flag


def test_help_of_a_command_with_few_settings_shows_them_all(shown):
    text = shown('scene', '--help')
    assert '--scene-portraits' in text
    assert '--help-all' not in text


@pytest.mark.parametrize(
    ('flags', 'name', 'value'),
    [
        (['--watch-beside', 'thread'], 'viewer_process', 'thread'),
        (['--flow-width', '320'], 'flow_width', 320),
        (['--no-agent'], 'agent', False),
    ],
)
def test_flags_that_help_does_not_show_are_still_taken(flags, name, value):
    assert getattr(parser().parse_args(['run', *flags]), name) == value


def test_flags_without_effect_in_evaluate_are_taken_and_told_apart_in_help(shown):
    args = parser().parse_args(['evaluate', 'clip.mp4', '--out', 'x', '--detect-inline', '--image-topic', '/image'])
    assert (args.detect_inline, args.bag_topic) == (True, '/image')
    text = shown('evaluate', '--help-all')
    offered, _, without_effect = text.partition('Accepted, but without effect')
    for flag in ('--detect-inline', '--detect-sweep', '--depth-topic', '--tracks-topics', '--audio-file'):
        assert flag not in offered
        assert flag in without_effect


def test_earlier_names_are_not_shown(shown):
    assert 'watch-beside' not in shown('run', '--help-all')
    assert 'image-topic' not in shown('evaluate', '--help-all')


def given_to(monkeypatch, module: str, name: str, argv: list[str]) -> tuple:
    """Arguments that a command without further flags calls the function `name` of `module` with."""
    calls: list[tuple] = []

    class CalledError(Exception):
        pass

    def called(*args, **_):
        calls.append(args)
        raise CalledError

    monkeypatch.setattr(f'{module}.{name}', called)
    with pytest.raises(CalledError):
        main(argv)
    return calls[0]


def test_help_of_evaluate_states_the_defaults_that_evaluate_takes(shown, monkeypatch, tmp_path):
    from affect_perception.inference.engine import reproducible_settings

    text = shown('evaluate', '--help-all')
    assert default_of(text, '--detect-exhaustive,') == 'on'
    assert default_of(text, '--backend') == 'fixed, also in place of auto'
    assert default_of(text, '--audio') == 'no sound'
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / '1.png').write_bytes(b'no picture')
    argv = ['evaluate', str(tmp_path / 'in'), '--out', str(tmp_path / 'out'), '--detector', 'dlib_hog']
    _, _, _, tracker, affect = given_to(monkeypatch, 'affect_perception.evaluation.offline.runner', 'evaluate', argv)
    assert tracker.detect_exhaustive
    assert reproducible_settings(affect).backend == 'fixed'


def test_help_of_prepare_states_the_defaults_that_prepare_takes(shown, monkeypatch, tmp_path):
    text = shown('prepare', '--help-all')
    assert default_of(text, '--detect-exhaustive,') == 'on'
    assert default_of(text, '--reid') == 'off'
    argv = ['prepare', 'csv', str(tmp_path), str(tmp_path / 'out')]
    _, _, _, tracker, _ = given_to(monkeypatch, 'affect_perception.datasets.prepare', 'prepare', argv)
    assert tracker == TrackerSettings(detect_exhaustive=True, reid='off')


@pytest.mark.ros
def test_help_of_run_states_the_defaults_that_run_takes(shown):
    pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
    from affect_perception.graph.graph import has_sound
    from affect_perception.graph.run import with_dashboard

    text = shown('run', '--help-all')
    assert 'topic:NAME' in text.partition('--source STR')[2].partition('default: ')[0]
    assert default_of(text, '--audio STR') == 'no sound'
    assert not has_sound({})
    assert default_of(text, '--dashboard,') == 'on, where aiohttp is installed'
    pytest.importorskip('aiohttp', reason='the page needs the extra web')
    assert GraphSettings.from_mapping(with_dashboard({})['graph']).dashboard


def test_no_default_is_shown_as_an_empty_text(shown):
    for command in LONG:
        text = shown(*command, '--help-all')
        assert 'default: )' not in text
        assert 'default )' not in text
