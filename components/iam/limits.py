"""AWS's own numbers, each with the page that states it. Those of single settings are in their rules."""

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MAX_POLICY_CHARACTERS = 6144  # of a managed policy; AWS does not count white space
MAX_TRUST_POLICY_CHARACTERS = 2048  # by default; AWS does not count white space
MAX_TRUST_POLICY_CHARACTERS_ON_REQUEST = 8192
MAX_POLICY_VERSIONS = 5  # of a managed policy, the default one included
MAX_ROLE_POLICIES = 25  # managed policies attached to a role: 10 by default, 25 at most on request
MAX_ACCESS_KEYS = 2  # of a user, active or not
MAX_TAGS = 50
MAX_TAG_VALUE_LENGTH = 256

# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
MIN_SESSION_SECONDS = 3600
MAX_SESSION_SECONDS = 43200

# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
MAX_SESSION_NAME_LENGTH = 64
SHORTEST_SESSION_SECONDS = 900  # that a caller may ask for, whatever the role allows

# CIS AWS Foundations Benchmark v3 1.14: keys are rotated every 90 days or less.
MAX_ACCESS_KEY_DAYS = 90
