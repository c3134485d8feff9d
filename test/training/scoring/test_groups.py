"""Groups of people by skin tone and sex."""

import numpy as np
from conftest import ROOT

from affect_perception.training.scoring.groups import groups_of, london_sex, portrait_sex


def test_people_are_grouped_by_tone_and_sex_and_groups_of_one_are_left_out():
    groups = groups_of(np.array([-40.0, 5.0, 20.0, np.nan]), np.array(['female', 'male', 'male', '']))
    assert {name: members.tolist() for name, members in groups.items()} == {'tone_dark': [0, 1], 'sex_male': [1, 2]}


def test_sex_is_known_of_london_people_and_of_portraits_by_the_name_of_the_file():
    assert london_sex(np.array(['001', '004', 'nobody'])).tolist() == ['female', 'male', '']
    assert len((ROOT / 'config/training/london_sex.csv').read_text().splitlines()) == 103
    assert portrait_sex(np.array(['female_3.jpg', 'male_10.jpg', '7.jpg'])).tolist() == ['female', 'male', '']
