"""Alias of `affect_perception.core.agent.policy`: the earlier name, from which users' policies import `Behaviour`."""

from affect_perception.core.agent.policy import *  # noqa: F403 - everything public, as before the module moved
