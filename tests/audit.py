"""`make audit`: whether any version in uv.lock has a known vulnerability, by pip-audit.

A registry that mirrors packages without PyPI's JSON API tells of none, and pip-audit passes over what it wasn't told
about; where nothing can be asked, it breaks off. Either is said, and with AUDIT=strict it is a failure.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def main() -> int:
    """Audit the requirements that are named; the exit code is pip-audit's, or 1 where it wasn't told enough."""
    pip_audit, requirements = sys.argv[1:]
    strict = os.environ.get("AUDIT") == "strict"
    ended = subprocess.run(
        [pip_audit, "--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json", "-r", requirements],
        capture_output=True,
        text=True,
        check=False,
    )
    if not ended.stdout:
        reason = ended.stderr.strip().rpartition("\n")[2]
        print(f"not audited, for pip-audit broke off: {reason}")
        return int(strict)
    told, failed = told_of(json.loads(ended.stdout)["dependencies"], strict=strict)
    print("\n".join(told))
    return ended.returncode or int(failed)


def told_of(dependencies: Sequence[Mapping[str, Any]], *, strict: bool) -> tuple[list[str], bool]:
    """What to say of pip-audit's report, and whether it is a failure in spite of pip-audit's exit code."""
    skipped = [each for each in dependencies if "skip_reason" in each]
    lines = [
        f"{each['name']} {each['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
        for each in dependencies
        for found in each.get("vulns", [])
    ]
    lines.append(f"{len(dependencies) - len(skipped)} packages audited, {len(lines)} vulnerabilities known")
    if skipped:
        lines.append(f"not audited, for the registry tells nothing of them: {len(skipped)} packages")
    return lines, strict and bool(skipped)


if __name__ == "__main__":
    sys.exit(main())
