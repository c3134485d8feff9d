"""Import in a thread: done when it ends, and silent about what cannot be imported."""

import sys

from affect_perception.runtime.imports.background_import import import_in_background


def test_a_module_is_there_when_the_thread_has_ended():
    sys.modules.pop('colorsys', None)
    import_in_background('colorsys').join(60)
    assert 'colorsys' in sys.modules


def test_a_module_that_cannot_be_imported_is_left_to_its_user(capfd, tmp_path, monkeypatch):
    (tmp_path / 'broken_module.py').write_text('1 / 0')
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ('no_such_module_anywhere', 'broken_module'):
        thread = import_in_background(name)
        thread.join(60)
        assert not thread.is_alive()
    assert capfd.readouterr() == ('', '')
