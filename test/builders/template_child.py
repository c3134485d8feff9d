"""A child for the tests of template_process: loads once, then answers in forks of itself."""

import os

from affect_perception.runtime.processes.child_process import child_link, end_with_parent
from affect_perception.runtime.processes.template_process import forked_link


def main() -> None:
    link = child_link()
    end_with_parent(link)
    loaded = os.getpid()
    link.send('ready')
    link = forked_link(link)
    end_with_parent(link)
    while True:
        message = link.receive()
        link.send('echo', *message.arrays, loaded=loaded, pid=os.getpid())


if __name__ == '__main__':
    main()
