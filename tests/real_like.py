"""A project as on real AWS: no endpoint, a profile for each account, a KMS key, a file backend of the user's.

The stand-in plugin works for it as the official one would: it takes the emulator's address and the account's root
from AWS_ENDPOINT_URL and the allowed account, where the configuration has neither.
"""

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace

from local.plugins.aws.service import AwsPlugin
from local.plugins.aws.wire import decode, encode
from local.plugins.protocol import provider_pb2 as proto
from tests.shared_plugin import VARIABLE, shared_plugin

DELAYS = {"aws/propagation.py": "PROPAGATION_SECONDS = 120.0", "proof/case.py": "REFUSAL_PAUSE_SECONDS = 0.5"}
SERVICES = ("iam", "sts", "secretsmanager", "ssm")


class RealLikePlugin(AwsPlugin):
    """The stand-in, for providers that name a profile and no endpoint."""

    emulator = ""

    def Configure(self, request, context):  # noqa: N802 - the protocol's name
        given = decode(request.args)
        account = json.loads(given["allowedAccountIds"])[0]
        given = {key: value for key, value in given.items() if key != "profile"} | {
            "accessKey": account,
            "secretKey": "any",
            "endpoints": json.dumps([dict.fromkeys(SERVICES, self.emulator)]),
        }
        return super().Configure(proto.ConfigureRequest(args=encode(given)), context)


@contextmanager
def real_like_plugin(emulator: str):
    """Serve the plugin, and yield what to add to the environment of an engine."""
    plugin = type("Plugin", (RealLikePlugin,), {"emulator": emulator})
    with shared_plugin(plugin) as variables:
        yield variables


def make_real_like(project, plugin, endpoint):
    """Return a project that was not deployed, as one for real AWS."""
    home = project.path / "home"
    shutil.copytree(project.path / ".local/pulumi-home", home, symlinks=True)
    (project.path / "backend").mkdir()
    profiles = {side: getattr(project.accounts, side) for side in ("trusting", "trusted")}
    keys = "aws_access_key_id = {}\naws_secret_access_key = any\nregion = us-east-1\n"
    config = project.path / "aws-config"
    config.write_text("".join(f"[profile {side}]\n{keys.format(account)}" for side, account in profiles.items()))
    emulated = (VARIABLE, "USERS_PULUMI_HOME", "PULUMI_SELF_MANAGED_STATE_GZIP", "PULUMI_CONFIG_PASSPHRASE")
    kept = {name: value for name, value in project.environment.items() if name not in emulated}
    own = {
        "AWS_CONFIG_FILE": str(config),
        "AWS_ENDPOINT_URL": endpoint,
        "PULUMI_BACKEND_URL": f"file://{project.path / 'backend'}",
        "PULUMI_HOME": str(home),
    }
    real = replace(project, environment=kept | plugin | own)
    sections = {side: {"accountId": account, "profile": side} for side, account in profiles.items()}
    real.configure({"endpoint": None, **sections})
    real.init()
    return real


def shorten_delay(project):
    """Make the commands of a project wait for AWS's propagation as long as the emulator needs: not at all, nearly."""
    for name, delay in DELAYS.items():
        file = project.path / "tools" / name
        text = file.read_text()
        assert delay in text
        file.write_text(text.replace(delay, f"{delay.partition(' = ')[0]} = 0.1"))
