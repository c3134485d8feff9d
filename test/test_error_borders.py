"""Every place of the live program that starts a thread, task or callback, with the test that injects an error there.

A thread that dies is not seen by anybody. So the table below must be complete: a new place fails here until it is in
the table with a test, and callbacks of nodes are made in two files only, which guard them.
"""

import ast

from conftest import ROOT

PACKAGE = ROOT / 'affect_perception'
LIVE = ('runtime', 'ros', 'nodes', 'graph', 'dashboard', 'detectors', 'sources', 'inference')
STARTS = {
    'Thread', 'Timer', 'ThreadPoolExecutor', 'SlotWorker', 'ensure_future', 'create_task', 'call_later', 'call_soon',
    'create_subscription', 'create_timer', 'create_service', 'create_client', 'create_guard_condition',
    'add_on_set_parameters_callback', 'add_pre_set_parameters_callback', 'add_post_set_parameters_callback',
}  # fmt: skip
CALLBACKS = 'nodes/test_guarded_callbacks.py: test_an_exception_in_a_callback_is_counted_and_does_not_leave_it'
# (module, enclosing function, what is started) -> the test that injects an exception there
BORDERS = {
    ('ros/topics', 'subscribe', 'create_subscription'): CALLBACKS,
    ('ros/inputs/adaptive_subscription', 'AdaptiveSubscription._subscribe', 'create_subscription'): CALLBACKS,
    ('ros/health/callbacks', 'timer', 'create_timer'): CALLBACKS,
    ('ros/health/callbacks', 'serve', 'create_service'): 'nodes/test_guarded_callbacks.py: '
    'test_a_service_whose_work_fails_answers_that',
    (
        'ros/startup/parameters',
        'declare_settings',
        'add_on_set_parameters_callback',
    ): 'nodes/test_guarded_callbacks.py: test_a_parameter_whose_change_fails_is_refused_with_the_reason',
    ('ros/executors', 'Spinner.__init__', 'Thread'): 'ros/test_executors.py: '
    'test_callback_that_raises_anything_else_is_said_and_the_node_goes_on',
    ('ros/bag_writer', 'BagWriter.__init__', 'Thread'): 'ros/test_bag_writer.py: '
    'test_message_that_cannot_be_written_is_counted_and_the_next_one_is_recorded',
    ('ros/rviz/overlay', 'OverlayOutput.__init__', 'SlotWorker'): 'runtime/test_newest_item.py: '
    'test_a_worker_whose_work_raises_tells_the_error_and_takes_the_next_item',
    ('nodes/affect_node', 'AffectNode.load', 'SlotWorker'): 'runtime/test_newest_item.py: '
    'test_a_worker_whose_work_raises_tells_the_error_and_takes_the_next_item',
    ('nodes/face_tracker_node', 'FaceTrackerNode.load', 'SlotWorker'): 'runtime/test_newest_item.py: '
    'test_a_worker_whose_work_raises_tells_the_error_and_takes_the_next_item',
    ('nodes/camera_node', 'CameraNode.__init__', 'Thread'): 'nodes/test_camera_node.py: '
    'test_an_image_that_cannot_be_sent_is_counted_and_the_next_one_is_sent',
    ('nodes/audio_node', 'AudioNode.start', 'Thread'): 'nodes/test_audio_node.py: '
    'test_a_source_of_sound_that_fails_in_every_way_is_counted_and_opened_again',
    ('graph/viewer_child', 'ViewerNodes._close', 'Timer'): 'graph/test_viewer_process.py: '
    'test_viewers_whose_nodes_do_not_close_end_all_the_same',  # it calls os._exit and nothing else
    ('graph/viewer_process', 'ViewerProcess.__init__', 'SlotWorker'): 'runtime/test_newest_item.py: '
    'test_a_worker_without_a_handler_goes_on_too',
    ('graph/viewer_process', 'ViewerProcess.__init__', 'Thread'): 'graph/test_viewer_process.py: '
    'test_a_message_of_the_viewers_that_makes_no_sense_is_skipped',
    ('runtime/newest_item', 'SlotWorker.__init__', 'Thread'): 'runtime/test_newest_item.py: '
    'test_a_worker_whose_work_raises_tells_the_error_and_takes_the_next_item',
    ('runtime/prefetch', '_Producer.__init__', 'Thread'): 'runtime/test_prefetch.py: '
    'test_an_error_comes_after_the_items_before_it',
    ('runtime/processes/parallel', 'run_in_processes', 'Thread'): 'runtime/processes/test_parallel.py: '
    'test_a_report_that_fails_is_counted_and_the_work_goes_on',
    ('runtime/processes/parallel', '_start_worker', 'Thread'): 'runtime/processes/test_parallel.py: '
    'test_workers_end_when_their_parent_is_killed',
    ('runtime/imports/background_import', 'import_in_background', 'Thread'): 'runtime/imports/'
    'test_background_import.py: test_a_module_that_cannot_be_imported_is_left_to_its_user',
    ('runtime/time_limit', 'within', 'Thread'): 'runtime/test_time_limit.py: '
    'test_result_and_error_of_the_call_come_back',
    ('runtime/processes/child_process', 'end_with_parent', 'Thread'): 'runtime/processes/test_child_process.py: '
    'test_a_child_ignores_the_signals_of_the_group_and_ends_with_its_parent_even_at_work',
    ('sources/live', 'LiveSource.__init__', 'Thread'): 'sources/test_live.py: '
    'test_any_error_of_a_driver_is_told_and_the_device_opened_again',
    ('detectors/async_detector', 'AsyncDetector.__init__', 'ThreadPoolExecutor'): 'detectors/test_async_detector.py: '
    'test_error_of_the_detector_reaches_who_collects_and_it_can_be_asked_again',
    ('detectors/prefetch', 'DetectorPrefetch.__init__', 'ThreadPoolExecutor'): 'detectors/test_prefetch_detector.py: '
    'test_an_error_is_raised_for_the_frame_that_caused_it',
    ('inference/backends/mnn', 'MnnBackend.__init__', 'ThreadPoolExecutor'): '',  # each call waits for its answers
    ('dashboard/server', 'Server.__init__', 'Thread'): 'dashboard/test_server.py: '
    'test_a_server_whose_thread_cannot_start_is_refused',
    ('dashboard/server', 'Server._serve', 'ensure_future'): 'dashboard/test_server.py: '
    'test_errors_in_the_loops_of_the_server_are_counted_and_the_loops_go_on',
    ('dashboard/server', 'Server._serve_page', 'ensure_future'): 'dashboard/test_server.py: '
    'test_page_that_cannot_be_written_to_is_counted_and_ended',
    ('dashboard/connections', '_Connection._start', 'call_later'): 'dashboard/test_server.py: '
    'test_error_in_a_callback_of_the_loop_is_counted',
}


def starts(code: str) -> set[tuple[str, str]]:
    """(enclosing function, what it starts) of each call in `code`."""
    found = set()

    def visit(node: ast.AST, path: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            inner = path
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = (*path, child.name)
            if isinstance(child, ast.Call):
                called = child.func
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, 'id', '')
                if name in STARTS:
                    found.add(('.'.join(path), name))
            visit(child, inner)

    visit(ast.parse(code), ())
    return found


def test_every_start_of_a_thread_task_or_callback_is_in_the_table():
    found = {
        (file.relative_to(PACKAGE).with_suffix('').as_posix(), function, name)
        for folder in LIVE
        for file in sorted((PACKAGE / folder).rglob('*.py'))
        for function, name in starts(file.read_text())
    }
    assert found == set(BORDERS)


def test_every_test_of_the_table_exists():
    for entry in filter(None, BORDERS.values()):
        file, _, name = entry.partition(': ')
        assert f'def {name}(' in (ROOT / 'test' / file).read_text(), entry
