"""What is said at the end: what changes, what is left to click, and what comes next."""

from collections.abc import Iterable, Sequence

from operate.onboarding.finding import Finding, Step, left_to_do
from operate.onboarding.proposal import Proposal
from operate.onboarding.secret import Found

_ROTATION_OFF = (
    "Rotation of the secret is off. Deploy the stack with it: its RotationSchedule turns rotation on. Or:",
    "  aws secretsmanager rotate-secret --secret-id {secret} --rotation-lambda-arn <output RotationFunctionArn> \\",
    "    --rotation-rules ScheduleExpression='rate(30 days)' --no-rotate-immediately",
)


def lines_of(found: Found, proposal: Proposal) -> Sequence[str]:
    """The document as it would be written, beside the one that is there. Fit to be shown."""
    if not proposal.changes:
        return [f"Nothing changes: {found.arn} says all this already."]
    verb = "gets" if found.exists else "is made, with"
    lines = [f"{found.arn} {verb}:"]
    for change in proposal.changes:
        if change.before is None:
            lines.append(f"  + {change.member:26}{change.after}")
        else:
            lines.append(f"  ~ {change.member:26}{change.before}  ->  {change.after}")
    if proposal.kept:
        lines.append(f"  = kept: {', '.join(proposal.kept)}")
    if "privateKey" not in proposal.after:
        lines.append("  No private key: the first rotation makes it in AWS.")
    return lines


def steps_in_words(steps: Sequence[Step]) -> Sequence[str]:
    """What is left to click, numbered."""
    if not steps:
        return ["Nothing is left to do in Salesforce."]
    numbered = [f"  {number}. {step.text}" for number, step in enumerate(steps, start=1)]
    return ["Left to do in Salesforce, in the order of Setup's menu:", *numbered]


def ending(secret: str, found: Found, proposal: Proposal, findings: Iterable[Finding]) -> Sequence[str]:
    """What is left, whether rotation is on, and the next command."""
    lines = ["", *steps_in_words(left_to_do(findings)), ""]
    if found.schedule is None:
        lines += [line.format(secret=secret) for line in _ROTATION_OFF]
    else:
        lines.append(f"Rotation is on: {found.schedule}.")
    if "privateKey" not in proposal.before:
        why = "replaces the imported key" if "privateKey" in proposal.after else "makes the first key"
        lines.append(f"Next, {why}: make rotate SECRET={secret}")
    elif proposal.after.get("replaceForeignCertificate") is True:
        task = "resume" if found.rotating else "rotate"
        lines.append(f"Next, puts a certificate of ours into the app: make {task} SECRET={secret}")
    return lines
