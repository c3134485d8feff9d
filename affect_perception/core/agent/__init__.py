"""Agent behaviour: group affect, person states, and the policy protocol with its default, `SocialPolicy`.

Not here: the node that publishes (`nodes/agent_node.py`). Public names, given by users: the default of the parameter
`policy`, `affect_perception.core.agent:SocialPolicy`, and `Behaviour`.
"""

from affect_perception.core.agent.policy import Behaviour, Policy
from affect_perception.core.agent.social_policy import SocialPolicy

__all__ = ['Behaviour', 'Policy', 'SocialPolicy']
