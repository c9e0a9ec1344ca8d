"""Starting the Streamlit app, bound to this machine, with no prompt and no usage statistics."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FLAGS = (
    "--server.address=127.0.0.1",
    "--server.headless=true",
    "--server.showEmailPrompt=false",
    "--browser.gatherUsageStats=false",
    "--server.fileWatcherType=none",
)


def serve_app(port: int) -> int:
    """Run the server in the foreground; returns its exit code."""
    print(f"Spar: http://127.0.0.1:{port} (Ctrl-C stops it)", file=sys.stderr)
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", f"--server.port={port}"]
    try:
        return subprocess.run([*command, *FLAGS], cwd=ROOT, check=False).returncode  # noqa: S603
    except KeyboardInterrupt:
        return 0
