"""Files that the tools write."""

import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

OWN_MOUNTS = ("unshare", "--map-root-user", "--mount", "sh", "-euc")
needs_own_mounts = pytest.mark.skipif(
    not shutil.which("unshare")
    or subprocess.run([*OWN_MOUNTS, "mount -t tmpfs none /mnt"], check=False, capture_output=True).returncode != 0,
    reason="this system lets nobody mount a file system of his own (unshare --map-root-user --mount)",
)


@needs_own_mounts
def test_a_bind_mount_is_written_in_place(tmp_path):
    """A container mounts ~/.aws/config by itself: the system replaces no file that something is mounted on."""
    file, mounted = tmp_path / "config", tmp_path / "mounted"
    file.write_text("old, and longer")
    mounted.touch()
    write = "import pathlib, tools.files as f; f.write_privately(pathlib.Path('mounted'), 'new')"
    script = f'mount --bind config mounted; PYTHONPATH={ROOT} exec "$0" -c "{write}"'

    subprocess.run([*OWN_MOUNTS, script, sys.executable], cwd=tmp_path, check=True)

    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.iterdir()) == [file, mounted]
