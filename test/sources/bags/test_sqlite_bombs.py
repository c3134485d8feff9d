"""SQLite bags whose schema asks for more memory or time than the file has bytes: refused, not run."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
from builders.bags import shades, write_bag2
from builders.images import opened

from affect_perception.errors import ConfigError

apsw = pytest.importorskip('apsw', reason='needs apsw, which rosbags brings')
# isort: split
from affect_perception.sources.bags import sqlite  # noqa: E402

ZEROS = 'zeroblob(1000000000)'
ENDLESS = (
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, 1 AS topic_id, i AS timestamp'
)
ROWS = (
    f'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data BLOB GENERATED ALWAYS AS ({ZEROS})); '
    'INSERT INTO messages(topic_id, timestamp) VALUES (1, 1)'
)
BOMBS = {
    'view of zeros': f'CREATE VIEW messages AS SELECT id, topic_id, timestamp, {ZEROS} AS data FROM old',
    'endless view': f"CREATE VIEW messages AS {ENDLESS}, x'00' AS data FROM n",
    'generated column': ROWS,
    'view of topics': "ALTER TABLE old RENAME TO messages; ALTER TABLE topics RENAME TO t; CREATE VIEW topics AS "
    f'SELECT id, hex({ZEROS}) AS name, type, serialization_format, offered_qos_profiles, type_description_hash FROM t',
}  # fmt: skip


def bag_with(tmp_path: Path, script: str) -> Path:
    """A bag whose table of messages was renamed to `old` before the script."""
    bag = write_bag2(tmp_path / 'bag', {'/image': shades(5)}, storage='sqlite3')
    file = next(bag.glob('*.db3'))
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.executescript(f'ALTER TABLE messages RENAME TO old; DROP INDEX timestamp_idx; {script};')
        database.commit()
    return bag


@pytest.mark.parametrize('name', BOMBS)
def test_a_schema_that_computes_its_rows_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r'no plain table|missing tables|not authorized'):
        opened(bag_with(tmp_path, BOMBS[name]))


def test_the_same_tables_without_tricks_are_read(tmp_path):
    assert len(list(opened(bag_with(tmp_path, 'ALTER TABLE old RENAME TO messages')))) == 5


@pytest.fixture
def connection(tmp_path):
    file = next(bag_with(tmp_path, BOMBS['endless view']).glob('*.db3'))
    with contextlib.closing(sqlite.connect(file)) as connection:
        yield connection


@pytest.mark.parametrize(
    'query',
    [
        'SELECT * FROM messages',
        f'SELECT {ZEROS}',
        "SELECT load_extension('x')",
        "ATTACH 'x' AS y",
        f'{ENDLESS} FROM n',
    ],
)
def test_a_connection_runs_nothing_but_plain_queries(connection, query):
    with pytest.raises(apsw.Error):
        connection.execute(query).fetchall()


def test_a_query_without_a_result_ends(connection, monkeypatch):
    monkeypatch.setattr(sqlite, '_CHECKS', 2)
    connection.authorizer = None
    with pytest.raises(apsw.InterruptError):
        connection.execute('SELECT count(*) FROM messages').fetchall()


def test_a_value_larger_than_a_message_may_be_is_an_error(connection):
    connection.authorizer = None
    with pytest.raises(apsw.TooBigError):
        connection.execute(f'SELECT {ZEROS}').fetchall()
