"""Tries a new access key before the old one becomes inactive, and says how to hand it over."""

from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from components.iam.limits import MAX_ACCESS_KEYS, SHORTEST_SESSION_SECONDS
from tools.aws.callers import Caller, stored_key, text_of
from tools.aws.keys import AccessKey
from tools.aws.propagation import Delay, propagation_seconds
from tools.console import FailedError, UnfinishedError, say
from tools.proof.case import Case
from tools.rotation.steps import Situation
from tools.stack import Outputs


def try_new_key(situation: Situation, outputs: Outputs, given: SecretStr | None, administrator: Caller) -> None:
    """Prove the key that stays, where there are two, and say how to hand it over.

    Args:
        situation: where the rotation stands.
        outputs: of the stack.
        given: the new key's secret, where the user gave it.
        administrator: of the trusted account, who may read the key's store.

    Raises:
        StackError, ClientError: the key's store cannot be read.
        FailedError: the key does not work.
        UnfinishedError: its secret is needed to tell.
    """
    if situation.unrecorded or len(situation.keys) < MAX_ACCESS_KEYS or situation.staying.actual != "Active":
        return
    staying, leaving = situation.staying, situation.leaving
    if staying.last_used and leaving.actual != "Active":
        return  # AWS has seen it work
    label, stack = str(staying.label), situation.stack
    secret = given or outputs.access_keys[label].secret or _stored_secret(staying, outputs, administrator)
    if secret is None:
        decrypt = f"make -s outputs STACK={stack} ARGS=encryptedSecretAccessKey | base64 -d | gpg --decrypt"
        go_on = f'make rotate STACK={stack} YES=1 ARGS="--secret-stdin --until-hand-over"'
        raise UnfinishedError(
            f"The new {staying} is to be tried before {leaving} is touched, and the stack has its secret encrypted "
            f"only. Give it on standard input:\n  {decrypt} | {go_on}\n"
            "When it is handed over, the same without --until-hand-over."
        )
    say(f"\nTrying {staying}")
    seconds = propagation_seconds(outputs.terms.endpoint)
    delay = Delay(seconds=seconds, timeout=seconds)
    prove(staying, Case(stack=stack, outputs=outputs, config={}, delay=delay, secrets={label: secret}))
    if delay.left:
        say(f"It works already. It has propagated at {delay.end}: waiting for that")
        delay.wait()
    say(f"It works. Users of {leaving} can change to it now:", *_hand_over_advice(stack, outputs))


def _stored_secret(key: AccessKey, outputs: Outputs, administrator: Caller) -> SecretStr | None:
    """Return the secret of a key from the stack's store, if it has one."""
    if outputs.secret_location is None:
        return None
    key_id, secret = stored_key(outputs.secret_location, administrator)
    if key_id != key.id:
        raise FailedError(f"{outputs.secret_location} holds the key {key_id}, not {key}. Deploy again: make up")
    return secret


def prove(key: AccessKey, case: Case) -> None:
    """Show that a key is the user's and can assume the role, with retries until it has propagated.

    Where the role asks for MFA, only the first: the policies are the user's, so they hold for every key of it. The
    case's delay says afterwards when all servers of AWS know the key.

    Raises:
        FailedError: it is not so.
    """
    user_arn, holder = case.outputs.user_arn, case.holder(str(key.label))

    assume = partial(case.assume_role, holder, DurationSeconds=SHORTEST_SESSION_SECONDS)
    try:
        identity = case.delay.retry(str(key), holder.client("sts").get_caller_identity)
        case.delay.read_clock(identity)
        case.delay.changed(key.created, by_aws=True)
        if not case.outputs.terms.require_mfa:
            case.delay.retry(f"{key}, assuming the role", assume)
    except (BotoCoreError, ClientError) as error:
        raise FailedError(
            f"The new {key} does not work, so the other one is left alone: {text_of(error)}. Look closer with:\n"
            f"  make verify STACK={case.stack}"
        ) from None
    if (arn := identity["Arn"]) != user_arn:
        raise FailedError(f"The new {key} belongs to {arn}, not to {user_arn}, so the other one is left alone.")


def _hand_over_advice(stack: str, outputs: Outputs) -> list[str]:
    """Return how the users of the old key get the new one."""
    if outputs.secret_location:
        return [f"  where programs read it:  {outputs.secret_location}"]
    if outputs.encrypted_secret_access_key:
        return [f"  its secret, encrypted:   make -s outputs STACK={stack} ARGS=encryptedSecretAccessKey"]
    return [
        f"  on this machine:   make profile STACK={stack}",
        f'  for other users:   make -s outputs STACK={stack} ARGS="awsConfig --show-secrets"',
    ]
