"""Text files that stay whole on a full disk."""

from builders.full_disk import in_a_process_with_small_files


def test_table_on_a_full_disk_ends_with_a_whole_line(tmp_path):
    said = in_a_process_with_small_files(
        'from pathlib import Path; from affect_perception.runtime.files import LineFile\n'
        'from affect_perception.errors import AffectPerceptionError\n'
        f'file = LineFile(Path({str(tmp_path / "faces.csv")!r}))\n'
        'try:\n'
        '    for i in range(100_000): file.rows([[i, "x" * 90], [i, "y" * 7]])\n'
        'except AffectPerceptionError as error: print(error)'
    )
    lines = (tmp_path / 'faces.csv').read_text().split('\n')
    assert lines[-1] == ''
    assert all(line.endswith(('x' * 90, 'y' * 7)) for line in lines[:-1])
    assert f'its {len(lines) - 1} lines are whole' in said
