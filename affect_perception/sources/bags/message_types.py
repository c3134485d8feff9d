"""Topics of bags and their message definitions: embedded ones, else those of ROS 2 and of this package."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affect_perception.errors import BadInputError, ConfigError

try:
    import mcap  # noqa: F401  # salvage.py needs it; one error for both packages
    from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
    from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
except ImportError as error:
    raise ConfigError(f'bags need rosbags and mcap ({error}): pip install affect-perception[bags]') from None

from affect_perception.sources.bags.budgets import check_arrays, check_definition

PACKAGE = 'affect_perception'
TRACKS = f'{PACKAGE}/msg/FaceTrackArray'
AFFECT = f'{PACKAGE}/msg/FaceAffectArray'
NO_DEFINITION = MessageDefinition(MessageDefinitionFormat.NONE, '')


@dataclass(frozen=True)
class Topic:
    """A topic of one file; messages are serialised as in ROS 1 (`ros1`), otherwise as CDR."""

    name: str
    msgtype: str
    definition: MessageDefinition = NO_DEFINITION
    ros1: bool = False

    def decode(self, data: bytes) -> Any:
        """Deserialise a message, with the field names of ROS; BadInputError of kind `message` for a damaged one."""
        try:
            store = _embedded(self.msgtype, self.definition) if self.definition.data else known_types()
            return (store.deserialize_ros1 if self.ros1 else store.deserialize_cdr)(data, self.msgtype)
        except Exception as error:  # noqa: BLE001  # damaged bytes raise any error of the parser; reported to `on_bad`
            text = f'a message of {self.name} cannot be read as {self.msgtype} ({type(error).__name__}: {error})'
            raise BadInputError('message', text) from None


@functools.lru_cache(maxsize=64)
def _embedded(msgtype: str, definition: MessageDefinition) -> Any:
    """Type store of one embedded definition."""
    check_definition(definition.data)
    store = get_typestore(Stores.EMPTY)
    if definition.format is MessageDefinitionFormat.MSG:
        types = get_types_from_msg(definition.data, msgtype)
        check_arrays(types)
        store.register(types)
        return store
    separator = '=' * 80 + '\nIDL: '  # the form of rosbag2: one or several files, each under its name
    parts = definition.data.split(separator)[1:]
    types = {}
    for text in [part.split('\n', 1)[1] for part in parts] or [definition.data]:
        types |= get_types_from_idl(text)
    check_arrays(types)
    store.register(types)
    return store


@functools.cache
def known_types() -> Any:
    """Type store of the messages of ROS 2 and of this package, for bags without definitions and for writing."""
    store = get_typestore(Stores.LATEST)
    types: dict = {}
    for path in sorted(definitions_folder().glob('*.msg')):
        types |= get_types_from_msg(path.read_text(), f'{PACKAGE}/msg/{path.stem}')
    store.register(types)
    return store


def definitions_folder() -> Path:
    """Folder of the .msg files of this package: installed, else beside the sources."""
    prefixes = [Path(p) for p in (*os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep), sys.prefix) if p]
    places = [*(prefix / 'share' / PACKAGE / 'msg' for prefix in prefixes), Path(__file__).parents[3] / 'msg']
    for place in places:
        if (place / 'FaceAffectArray.msg').is_file():
            return place
    raise ConfigError(f'the .msg files of {PACKAGE} are in none of {", ".join(map(str, places))}; build the package')
