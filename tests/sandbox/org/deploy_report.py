"""What the org says about a deploy, the same over REST and SOAP."""

from tests.sandbox.org.clock import timestamp
from tests.sandbox.org.deployments import Deployment, DeployOutcome, Written
from tests.sandbox.org.package import Problem
from tests.sandbox.org.state import Org


def deploy_report(org: Org, deployment: Deployment, *, details: bool) -> dict[str, object]:
    """The DeployResult as it stands now. Asking for it counts as a poll."""
    now = org.clock.now()
    status = deployment.status(now)
    deployment.polls += 1
    finished = deployment.outcome if status in {"Succeeded", "Failed"} else None
    outcome = finished or DeployOutcome()
    return {
        "id": deployment.deployment_id,
        "checkOnly": deployment.options.check_only,
        "ignoreWarnings": False,
        "rollbackOnError": True,
        "runTestsEnabled": False,
        "status": status,
        "done": finished is not None,
        "success": finished is not None and finished.success,
        "createdBy": deployment.user_id,
        "createdByName": "Integration Admin",
        "createdDate": timestamp(deployment.submitted_at),
        "startDate": None if status == "Pending" else timestamp(deployment.submitted_at),
        "lastModifiedDate": timestamp(now),
        "completedDate": timestamp(deployment.due) if finished else None,
        "numberComponentErrors": len(outcome.problems),
        "numberComponentsDeployed": len(outcome.written),
        "numberComponentsTotal": len(outcome.problems) + len(outcome.written),
        "numberTestErrors": 0,
        "numberTestsCompleted": 0,
        "numberTestsTotal": 0,
        "errorMessage": outcome.error_message,
        "errorStatusCode": "UNKNOWN_EXCEPTION" if outcome.error_message else None,
        "details": _details(org, outcome, timestamp(deployment.due)) if details else None,
    }


def _details(org: Org, outcome: DeployOutcome, date: str) -> dict[str, object]:
    failures = [_failure(problem, date) for problem in outcome.problems]
    successes = [_success(written, date) for written in outcome.written]
    if outcome.written:
        # The manifest counts as a component without a type, which a client mustn't take for one.
        successes.append(_success(Written("", "package.xml", "package.xml"), date))
    return {
        "componentFailures": failures[0] if org.deployments.failures_as_object and len(failures) == 1 else failures,
        "componentSuccesses": successes,
        "runTestResult": {"numFailures": 0, "numTestsRun": 0, "totalTime": 0.0},
    }


def _failure(problem: Problem, date: str) -> dict[str, object]:
    described = _message(problem.component_type, problem.file_name, problem.full_name, date)
    return described | {"problem": problem.problem, "problemType": "Error", "success": False, "changed": False}


def _success(written: Written, date: str) -> dict[str, object]:
    return _message(written.component_type, written.file_name, written.full_name, date)


def _message(component_type: str, file_name: str, full_name: str, date: str) -> dict[str, object]:
    return {
        "componentType": component_type,
        "fileName": file_name,
        "fullName": full_name,
        "changed": True,
        "created": False,
        "createdDate": date,
        "deleted": False,
        "lineNumber": None,
        "columnNumber": None,
        "problem": None,
        "problemType": None,
        "success": True,
    }
