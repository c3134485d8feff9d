"""Agent behaviour: group affect, person states and the policy protocol with its default, `SocialPolicy`.

`affect_perception.core.agent:SocialPolicy` is a public name (parameter `policy`). Not here: the node that publishes.
"""

from affect_perception.core.agent.policy import Behaviour, Policy
from affect_perception.core.agent.social_policy import SocialPolicy

__all__ = ['Behaviour', 'Policy', 'SocialPolicy']
