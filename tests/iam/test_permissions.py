"""What a policy's text allows, as far as the text alone can tell."""

import pytest

from components.iam.permissions import allowed_services, possibly_allowed, surely_allowed

BUCKET = "arn:aws:s3:::some"
IF = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}


def document(*statements, **single):
    return {"Version": "2012-10-17", "Statement": list(statements) or single}


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("policy", "surely", "possibly"),
    [
        (document(allow("s3:*")), True, True),
        (document(**allow("s3:*")), True, True),
        (document(allow("*")), True, True),
        (document(allow(["ec2:*", "S3:listallmybuckets"])), True, True),
        (document(allow("s3:List?llMyBuckets")), True, True),
        (document(allow("s3:List")), False, False),
        (document(allow("s3:ListAllMyBuckets", [BUCKET, "*"])), True, True),
        (document(allow("s3:*", BUCKET)), False, True),
        (document(allow("s3:*", Condition=IF)), False, True),
        (document(allow("s3:*"), deny("s3:*", Condition=IF)), False, True),
        (document(allow("s3:*"), deny("s3:Delete*")), True, True),
        (document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}), True, True),
        (document({"Effect": "Allow", "NotAction": ["s3:*"], "Resource": "*"}), False, False),
        (document({"Effect": "Allow", "Action": "s3:*", "NotResource": BUCKET}), False, True),
        (document({"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}, allow("*")), False, True),
    ],
)
def test_only_what_depends_on_nothing_is_sure(policy, surely, possibly):
    assert surely_allowed(policy, "s3:ListAllMyBuckets") is surely
    assert possibly_allowed(policy, "s3:ListAllMyBuckets") is possibly


def test_resources_fit_their_wildcards_and_brackets_are_no_wildcards():
    assert surely_allowed(document(allow("s3:GetObject", f"{BUCKET}/*")), "s3:GetObject", f"{BUCKET}/a/b")
    assert not surely_allowed(document(allow("s3:GetObject", "arn:aws:s3:::[s]ome/*")), "s3:GetObject", f"{BUCKET}/a")


def test_wildcards():
    def fits(pattern):
        return surely_allowed(document(allow(pattern)), "s3:GetObject")

    fitting = ["*", "**", "s3:Get*", "*:*O*t", "s3:Get?bject", "s3:GetObject*", "*ct*"]
    others = ["", "s3:*x", "s3:GetObject?", "s3:GetObjec", "*Get*Get*", "?*s3:GetObject"]
    assert [pattern for pattern in (*fitting, *others) if fits(pattern)] == fitting


def test_many_wildcards_take_no_longer_than_a_test_may():
    assert not surely_allowed(document(allow("*a" * 30 + "b")), "s3:" + "a" * 2000)


def test_services_are_those_of_the_allowed_actions():
    policy = document(allow(["s3:Get*", "SQS:*"]), deny("ec2:*"))
    assert allowed_services(policy) == {"s3", "sqs"}
    assert allowed_services(document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})) == {"*"}
