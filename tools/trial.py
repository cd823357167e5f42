"""The trial of a new access key, before anything is taken from the old one; and how it is handed over."""

from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from components.iam.limits import MAX_ACCESS_KEYS, SHORTEST_SESSION_SECONDS
from tools.callers import Caller
from tools.console import say
from tools.errors import FailedError, UnfinishedError
from tools.keys import AccessKey, stored_key
from tools.proof.case import Case
from tools.propagation import Patience, Window, spreading_seconds, window_seconds
from tools.rotation import Options, Situation
from tools.stack import Outputs


def try_new_key(situation: Situation, outputs: Outputs, options: Options, administrator: Caller) -> None:
    """Prove the key that stays, where there are two, and say how to hand it over.

    ``administrator`` is that of the trusted account.

    Raises:
        StackError: the store of the key does not hold a key pair.
        ClientError: the store cannot be read.
        FailedError: the key does not work.
        UnfinishedError: its secret is needed to tell.
    """
    if situation.unrecorded or len(situation.keys) < MAX_ACCESS_KEYS or situation.staying.actual != "Active":
        return
    staying, leaving = situation.staying, situation.leaving
    if staying.last_used and leaving.actual != "Active":
        return  # AWS has seen it work
    label = str(staying.label)
    secret = options.secret or outputs.access_keys[label].secret or _stored_secret(staying, outputs, administrator)
    if secret is None:
        raise UnfinishedError(
            f"The new {staying} is to be tried before {leaving} is touched, and the stack has its secret encrypted "
            "only. Give it on standard input: pulumi stack output encryptedSecretAccessKey "
            f"--stack {options.stack} | base64 -d | gpg --decrypt | "
            f"python -m tools rotate --stack {options.stack} --secret-stdin --yes --until-hand-over. "
            "When it is handed over, the same without --until-hand-over."
        )
    say(f"\nTrying {staying}")
    endpoint = outputs.terms.endpoint
    patience = Patience(seconds=spreading_seconds(endpoint), tell=say)
    window = Window(seconds=window_seconds(endpoint))
    prove(
        staying,
        Case(
            stack=options.stack, outputs=outputs, config={}, patience=patience, window=window, secrets={label: secret}
        ),
    )
    if window.left:
        say(f"It works already. All of AWS has heard of it at {window.closing_time}: waiting for that")
        patience.sleep(window.left)
    say(f"It works. Whoever uses {leaving} can change to it now:", *_hand_over_advice(options.stack, outputs))


def _stored_secret(key: AccessKey, outputs: Outputs, administrator: Caller) -> SecretStr | None:
    """Return the secret of a key from the stack's store, if it has one."""
    if outputs.secret_location is None:
        return None
    key_id, secret = stored_key(outputs.secret_location, administrator)
    if key_id != key.id:
        raise FailedError(f"{outputs.secret_location} holds the key {key_id}, not {key}. Put it right: make up")
    return secret


def prove(key: AccessKey, case: Case) -> None:
    """Show that a key is the user's and can assume the role; ask again until AWS has heard of it.

    Where the role asks for MFA, only the first: the policies are the user's, so they hold for every key of it. The
    case's window is open afterwards until all of AWS has heard of the key: one server's word is not that of all.

    Raises:
        FailedError: it is not so.
    """
    user_arn, holder = case.outputs.user_arn, case.holder(str(key.label))

    assume = partial(case.assume_role, holder, DurationSeconds=SHORTEST_SESSION_SECONDS)
    try:
        identity = case.patience.insist(str(key), holder.client("sts").get_caller_identity)
        case.window.hear(identity)
        case.window.changed(key.created, by_aws=True)
        if not case.outputs.terms.require_mfa:
            case.patience.insist(f"{key}, assuming the role", assume)
    except (BotoCoreError, ClientError) as error:
        raise FailedError(
            f"The new {key} does not work, so the other one is left alone: {error}. Look closer with: "
            f"make verify STACK={case.stack}"
        ) from None
    if (arn := identity["Arn"]) != user_arn:
        raise FailedError(f"The new {key} belongs to {arn}, not to {user_arn}, so the other one is left alone.")


def _hand_over_advice(stack: str, outputs: Outputs) -> list[str]:
    """Return how whoever uses the old key gets the new one."""
    if outputs.secret_location:
        return [f"  where programs read it:  {outputs.secret_location}"]
    if outputs.encrypted_secret_access_key:
        return [f"  its secret, encrypted:   pulumi stack output encryptedSecretAccessKey --stack {stack}"]
    return [
        f"  on this machine:   make profile STACK={stack}",
        f"  for somebody else: pulumi stack output --show-secrets awsConfig --stack {stack}",
    ]
