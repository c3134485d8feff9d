"""A child for the tests of child_process: answers each message as told by its kind."""

import sys
import time

from affect_perception.runtime.processes.child_process import answers_ping, child_link, end_with_parent


def main() -> None:
    link = child_link()
    end_with_parent(link)
    while True:
        message = link.receive()
        if answers_ping(link, message):
            continue
        if message.kind == 'end':
            return
        if message.kind == 'sleep':
            time.sleep(message.fields['seconds'])
        sys.stdout.write('a library says hello\n')
        sys.stdout.flush()
        link.send('echo', *message.arrays, kind_was=message.kind, fields=message.fields)


if __name__ == '__main__':
    main()
