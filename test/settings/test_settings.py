"""Settings are declared once, checked when made, and the document of them is what the code says."""

import pytest
from conftest import ROOT

from affect_perception.errors import ConfigError
from affect_perception.settings import GROUPS, AgentSettings, SourceSettings, TrackerSettings
from affect_perception.settings.__main__ import document
from affect_perception.settings.audio import AudioSettings


def test_value_out_of_range_is_refused_with_name_value_and_range():
    with pytest.raises(ConfigError, match=r'detect_every = 0 .*1 to 300'):
        TrackerSettings(detect_every=0)


def test_value_that_is_not_a_number_is_out_of_range():
    with pytest.raises(ConfigError, match=r'rate = nan'):
        SourceSettings(rate=float('nan'))


@pytest.mark.parametrize('kind', ['smile', 'laugh'])
def test_end_of_a_smile_above_its_start_is_refused_at_start_and_when_changed(kind):
    says = f'{kind}_off = 0.5 is above {kind}_on = 0.4; give both'
    with pytest.raises(ConfigError, match=says):
        AgentSettings.from_mapping({f'{kind}_on': 0.4, f'{kind}_off': 0.5})
    settings = AgentSettings.from_mapping({f'{kind}_on': 0.4, f'{kind}_off': 0.4})
    with pytest.raises(ConfigError, match=says):
        settings.changed(**{f'{kind}_off': 0.5})


def test_unknown_choice_is_refused_with_the_choices():
    with pytest.raises(ConfigError, match=r"detector = 'haar'.*dlib_hog"):
        TrackerSettings(detector='haar')


@pytest.mark.parametrize('value', ['10', 1.5, True, None])
def test_value_of_another_type_is_refused(value):
    with pytest.raises(ConfigError, match='detect_every'):
        TrackerSettings(detect_every=value)


def test_off_that_yaml_reads_as_false_is_the_choice_off_and_else_told():
    assert TrackerSettings.from_mapping({'reid': False}).reid == 'off'
    assert TrackerSettings.from_mapping({'reid': True}).reid == 'on'
    with pytest.raises(ConfigError, match='YAML reads on, off, yes and no as true and false'):
        AudioSettings.from_mapping({'audio': False})
    with pytest.raises(ConfigError, match='wanted str'):
        TrackerSettings.from_mapping({'detector': True})


def test_whole_number_does_where_a_fraction_is_wanted():
    rate = SourceSettings(rate=2).rate
    assert rate == 2.0
    assert isinstance(rate, float)


def test_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no setting 'detect_evry'.*detect_every"):
        TrackerSettings.from_mapping({'detect_evry': 3})


def test_every_default_is_in_its_own_range():
    for group in GROUPS.values():
        group()


def test_no_two_nodes_have_a_setting_of_one_name():
    # `affect-perception run` has one flat list of flags for all of them.
    names = [declared.name for group in GROUPS.values() for declared in group.declared()]
    assert len(names) == len(set(names))


def test_document_of_settings_is_up_to_date():
    path = ROOT / 'docs' / 'settings.md'
    assert path.read_text() == document(), 'run: python -m affect_perception.settings > docs/settings.md'


def test_a_path_need_not_be_utf_8_but_has_no_zero_character():
    assert SourceSettings(source='Zo\udceb.mp4').source == 'Zo\udceb.mp4'
    with pytest.raises(ConfigError, match='no text in UTF-8'):
        SourceSettings(source='a\0b')
    with pytest.raises(ConfigError, match='no text in UTF-8'):
        SourceSettings(bag_topic='Zo\udceb')
