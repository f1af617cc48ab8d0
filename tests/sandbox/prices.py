"""What AWS charges: public prices in US dollars, and what a measured use comes to.

Without free tiers, discounts for volume, and what is charged by the month whatever happens (secrets, metrics, storage).
A customer's own KMS key adds a request for each read of the secret.
"""

from dataclasses import dataclass

REGION = "us-east-1"
LOOKED_UP = "November 2026"

# aws.amazon.com/lambda/pricing: Arm, first tier. The init of a cold start is billed like the handler since August 2025.
LAMBDA_GB_SECOND = 0.0000133334
LAMBDA_REQUEST = 0.20 / 1_000_000
# aws.amazon.com/secrets-manager/pricing
SECRETS_MANAGER_CALL = 0.05 / 10_000
# aws.amazon.com/dynamodb/pricing/on-demand, as of the reduction of November 2024: a consistent read of up to 4 KB, a
# write of up to 1 KB. A row of shared tokens is smaller than that.
DYNAMODB_READ = 0.125 / 1_000_000
DYNAMODB_WRITE = 0.625 / 1_000_000
# aws.amazon.com/cloudwatch/pricing: logs that Lambda delivers, first tier.
LOGS_GB = 0.50

_GB = 1024**3


@dataclass(frozen=True)
class Use:
    """What some invocations used of AWS."""

    invocations: int
    billed_milliseconds: int
    secret_calls: int
    table_reads: int
    table_writes: int
    log_bytes: int


def dollars(use: Use, *, memory_mb: int) -> float:
    """What it costs, with so much memory as the function is given."""
    gb_seconds = use.billed_milliseconds / 1000 * memory_mb / 1024
    return (
        use.invocations * LAMBDA_REQUEST
        + gb_seconds * LAMBDA_GB_SECOND
        + use.secret_calls * SECRETS_MANAGER_CALL
        + use.table_reads * DYNAMODB_READ
        + use.table_writes * DYNAMODB_WRITE
        + use.log_bytes / _GB * LOGS_GB
    )
